"""The API's addresses, version 1."""

from __future__ import annotations

from django.urls import path, re_path

from countmein.web.api import campaigns, pledges, site
from countmein.web.api.door import Door, StrictJson, problem_of, say, unknown

api = Door(
    title="Countmein",
    version="1",
    description="Count me in, if enough others are.",
    docs_url=None,
    parser=StrictJson(),
)
api.add_router("/campaigns", campaigns.router)
api.add_router("", pledges.router)
api.add_router("", site.router)
# One reader of exceptions for all of them, so that no framework's own answer slips through.
for _class in (*api._exception_handlers, Exception):
    api.add_exception_handler(_class, lambda request, error: say(problem_of(error)))  # type: ignore[arg-type]

urlpatterns = [path("", (api.routes(), "ninja", api.urls_namespace)), re_path(r"^", unknown)]
