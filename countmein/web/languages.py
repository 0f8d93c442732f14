"""Which language somebody writes in, as their browser or program says."""

from __future__ import annotations

from django.conf import settings
from django.conf.locale import LANG_INFO
from django.http import HttpRequest
from django.utils.translation.trans_real import parse_accept_lang_header


def spoken(request: HttpRequest) -> str:
    """The language that was chosen here, or the first of the request that is known at all.

    For what people write themselves: a campaign in Arabic is one whatever the site's words are in.
    """
    chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    if chosen in dict(settings.LANGUAGES):
        return chosen
    wanted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    for tag, _weight in wanted:
        for known in (tag, tag.split("-")[0]):
            if known in LANG_INFO:
                return known
    return "en-gb"
