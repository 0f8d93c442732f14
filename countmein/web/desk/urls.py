"""The addresses of the desk of the site's owner."""

from __future__ import annotations

from django.urls import path

from countmein.web.desk import money

urlpatterns = [
    path("money/", money.differences, name="desk_money"),
    path("money/<uuid:id>/", money.note, name="desk_money_note"),
]
