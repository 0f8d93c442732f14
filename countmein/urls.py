"""Which door each address belongs to."""

from __future__ import annotations

from django.urls import include, path, re_path

from countmein.web import health, metrics
from countmein.web.api.door import unknown

urlpatterns = [
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
    path("api/v1/", include("countmein.web.api.urls")),
    re_path(r"^api(?:/|$)", unknown),
    path("hooks/", include("countmein.web.hooks.urls")),
    path("account/", include("allauth.urls")),
    path("desk/", include("countmein.web.desk.urls")),
    path("organise/", include("countmein.web.organise.urls")),
    path("", include("countmein.web.public.urls")),
]
