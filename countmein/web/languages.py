"""Which language somebody writes in, as their browser or program says."""

from __future__ import annotations

from django.conf.locale import LANG_INFO
from django.http import HttpRequest
from django.utils.translation.trans_real import parse_accept_lang_header


def spoken(request: HttpRequest) -> str:
    """The first language of the request that is known at all, whether or not the site has it.

    For what people write themselves: a campaign in Arabic is one whatever the site's words are in.
    """
    wanted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    for tag, _weight in wanted:
        for known in (tag, tag.split("-")[0]):
            if known in LANG_INFO:
                return known
    return "en-gb"
