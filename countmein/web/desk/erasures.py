"""The owner's desk: erase somebody who asked for it by other ways, and how often that was done."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from countmein.campaigns.actions.erase import erase
from countmein.members.actions import Person
from countmein.members.erasing import latest_erasures
from countmein.rules.canonical import AddressRefused
from countmein.web.desk.money import owner_of
from countmein.web.forms import Filled

_BY: Final = {
    "member": _("By the member, with a mailed link"),
    "desk": _("At this desk, on request"),
    "restore": _("Once more, after a restore"),
}


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def erasures(request: HttpRequest) -> HttpResponse:
    """List erasures, which name nobody; or erase whom an address belongs to.

    The address is not kept, and nobody is told whether it was known.
    """
    owner_of(request)
    form = Filled.of(request.POST)
    if request.method == "POST":
        if form.said("sure") != "yes":
            form.blame("sure", gettext("Tick the box, so that nothing is erased by a slip."))
        try:
            mailbox = Person(address=form.said("email")).mailbox
        except AddressRefused:
            form.blame("email", gettext("Write the e-mail address of whoever asked."))
        if not form.faults:
            erase(mailbox=mailbox, by="desk")
            messages.success(request, gettext("Whatever this site knew of that address is erased."))
            return redirect("/desk/erasures/")
    rows = [{"row": row, "by": _BY.get(row.by, row.by)} for row in latest_erasures()]
    context = {"form": form, "erasures": rows}
    return render(request, "desk/erasures.html", context, status=422 if form.faults else 200)
