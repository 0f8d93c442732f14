"""What we keep about you: asked for by mail, read, taken along, erased."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from countmein.base.limits import Limit
from countmein.campaigns import my_data
from countmein.campaigns.actions.erase import erase
from countmein.members.models import Member
from countmein.rules.canonical import AddressRefused
from countmein.web.api.asking import peer_of
from countmein.web.forms import Filled

#: A household may ask for all of its own in an hour; nobody has us look up lists of addresses.
_ASKED: Final = Limit(count=30, window_seconds=3600)
_SHOWN: Final = 100


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def asked(request: HttpRequest) -> HttpResponse:
    """Ask for the link by mail; the answer is the same whether or not we know the address."""
    form = Filled.of(request.POST)
    if request.method != "POST":
        return render(request, "public/my_data_asked.html", {"form": form})
    if _is_too_often(request):
        form.blame("email", gettext("That was often. Try again in an hour."))
        return render(request, "public/my_data_asked.html", {"form": form}, status=429)
    try:
        my_data.send_link(form.said("email"))
    except AddressRefused:
        form.blame("email", gettext("Write your e-mail address."))
        return render(request, "public/my_data_asked.html", {"form": form}, status=422)
    return render(request, "public/my_data_asked.html", {"form": form, "is_asked": True})


def _is_too_often(request: HttpRequest) -> bool:
    sender = peer_of(request)
    if settings.SANDBOX and sender.is_direct_loopback:
        return False
    return bool(_ASKED.take(sender.address))


@never_cache
@require_safe
def page(request: HttpRequest, who: str) -> HttpResponse:
    """Show all that is kept about somebody."""
    member = _mine(request, who)
    pledges = list(itertools.islice(my_data.pledges_of(member), _SHOWN + 1))
    context = {
        "person": my_data.person_view(member),
        "pledges": pledges[:_SHOWN],
        "has_more": len(pledges) > _SHOWN,
        "letters": list(itertools.islice(my_data.letters_to(member), _SHOWN)),
        "who": who,
        "token": request.GET["token"],
    }
    return render(request, "public/my_data.html", context)


@never_cache
@require_safe
def export(request: HttpRequest, who: str) -> StreamingHttpResponse:
    """Hand all of it over as JSON, piece by piece: somebody may have pledged ten thousand times."""
    member = _mine(request, who)
    answer = StreamingHttpResponse(_json(member), content_type="application/json")
    answer["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return answer


def _json(member: Member) -> Iterator[str]:
    text = DjangoJSONEncoder(ensure_ascii=False).encode
    yield f'{{"site": {text(settings.SITE_URL)}, "person": {text(my_data.person_view(member))}'
    lists = (("pledges", my_data.pledges_of(member)), ("letters", my_data.letters_to(member)))
    for name, rows in lists:
        yield f', "{name}": ['
        for number, row in enumerate(rows):
            yield (", " if number else "") + text(row)
        yield "]"
    yield "}\n"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def erased(request: HttpRequest, who: str) -> HttpResponse:
    """Say what erasing means and ask; then erase, at once and for good."""
    member = _mine(request, who)
    if request.method == "POST" and request.POST.get("sure") == "yes":
        erase(mailbox=member.mailbox, by="member")
        return render(request, "public/my_data_erased.html")
    pledges = list(itertools.islice(my_data.pledges_of(member), _SHOWN))
    context: dict[str, Any] = {
        "withdrawn": [p for p in pledges if p["is_withdrawn_with_member"]],
        "kept": [p for p in pledges if p["counted"] and not p["is_withdrawn_with_member"]],
        "path": request.get_full_path(),
        "who": who,
        "token": request.GET["token"],
        "is_unsure": request.method == "POST",
    }
    status = 422 if context["is_unsure"] else 200
    return render(request, "public/my_data_erase.html", context, status=status)


def _mine(request: HttpRequest, who: str) -> Member:
    member = my_data.member_of(who, request.GET.get("token", ""))
    if member is None:
        raise Http404
    return member
