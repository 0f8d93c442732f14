"""Where payment providers call in."""

from __future__ import annotations

from django.urls import path

from countmein.web.hooks import stripe

urlpatterns = [path("stripe", stripe.receive)]
