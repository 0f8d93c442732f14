"""What machines ask a site for: feed, site map, robots, whom to write to, where to sign in."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.feedgenerator import Atom1Feed
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_safe

from countmein.base.clock import real_now
from countmein.campaigns import queries
from countmein.web.shared import shared

_IN_THE_FEED: Final = 30
#: A site map may name so many addresses in one file.
_IN_THE_MAP: Final = 50_000
#: Who keeps a copy of security.txt should look again before this time.
_SECURITY_DAYS: Final = 180


@shared
@require_safe
def feed(request: HttpRequest) -> HttpResponse:
    """Return the newest campaigns as an Atom feed."""
    made = Atom1Feed(
        title=settings.SITE_NAME,
        link=f"{settings.SITE_URL}/",
        description="",
        feed_url=f"{settings.SITE_URL}/feed/",
        language=get_language(),
        subtitle=gettext("Count me in, if enough others are"),
    )
    views, _next = queries.open_list(state=None, after=None, limit=_IN_THE_FEED)
    for view in views:
        words = gettext("It happens if %(rule)s come together.") % {"rule": view["rule_text"]}
        launched = view["launched_at"]
        made.add_item(
            title=view["title"],
            link=view["url"],
            description=words,
            unique_id=view["url"],
            pubdate=launched,
            updateddate=launched,
        )
    return HttpResponse(made.writeString("utf-8"), content_type="application/atom+xml")


@shared
@require_safe
def sitemap(request: HttpRequest) -> HttpResponse:
    """Return the addresses that a search engine may know."""
    paths = ["/", "/campaigns/", "/how/", *queries.public_paths(limit=_IN_THE_MAP)]
    context = {"urls": [f"{settings.SITE_URL}{path}" for path in paths]}
    return render(request, "public/sitemap.xml", context, content_type="application/xml")


@shared
@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """Say what search engines leave alone: whatever is somebody's own."""
    private = ("/p/", "/organise/", "/desk/", "/account/", "/outbox/", "/freeze/")
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in private)]
    lines.append(f"Sitemap: {settings.SITE_URL}/sitemap.xml")
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


@shared
@require_safe
def security(request: HttpRequest) -> HttpResponse:
    """Say whom to write to about a weakness (RFC 9116)."""
    until = (real_now() + timedelta(days=_SECURITY_DAYS)).replace(hour=0, minute=0, second=0)
    lines = [
        f"Contact: mailto:{settings.SECURITY_CONTACT}",
        f"Expires: {until:%Y-%m-%dT%H:%M:%SZ}",
        f"Canonical: {settings.SITE_URL}/.well-known/security.txt",
        f"Preferred-Languages: {', '.join(code for code, _name in settings.LANGUAGES)}",
    ]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


@require_safe
def change_password(request: HttpRequest) -> HttpResponse:
    """Nobody has a password here: one signs in by a code that is mailed."""
    return HttpResponseRedirect("/account/login/")
