"""The organiser's account for payouts: set up on the provider's page, looked at on coming back."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from countmein.base.clock import site_now
from countmein.campaigns.actions.account import look_at_account
from countmein.campaigns.payout_letters import freeze_path
from countmein.members.models import Organiser
from countmein.payments.actions.accounts import (
    AccountUnavailable,
    LookUpFailed,
    account_of,
    open_account,
)
from countmein.payments.models import Freeze
from countmein.rules.payout import CHANGE_RESTS


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Show the account, or lead on to the provider's page."""
    assert isinstance(request.user, Organiser)
    if request.method == "POST":
        here = f"{settings.SITE_URL}/organise/account/"
        try:
            return redirect(
                open_account(
                    organiser_id=request.user.id,
                    email=request.user.email,
                    return_url=f"{here}back/",
                    retry_url=here,
                )
            )
        except AccountUnavailable:
            words = gettext("The payment provider does not answer. Try again in a minute.")
            messages.error(request, words)
            return redirect("/organise/account/")
    row = account_of(request.user.id)
    rests_until = row.changed_at + CHANGE_RESTS if row and row.changed_at else None
    context = {
        "account": row,
        "rests_until": rests_until if rests_until and rests_until > site_now() else None,
        "is_frozen": Freeze.objects.filter(subject_id=request.user.id, ended_at=None).exists(),
        "freeze_path": freeze_path(request.user.id, site_now()),
    }
    return render(request, "organise/account.html", context)


@never_cache
@login_required
@require_safe
def back(request: HttpRequest) -> HttpResponse:
    """Look at the account now that its owner is back from the provider's page."""
    assert isinstance(request.user, Organiser)
    try:
        look_at_account(str(request.user.id))
    except LookUpFailed:
        messages.warning(request, gettext("The payment provider does not answer; we look again."))
    row = account_of(request.user.id)
    if row is not None and row.is_verified:
        messages.success(request, gettext("Your account is verified."))
    else:
        messages.warning(request, gettext("Something is still missing before money can be paid."))
    return redirect("/organise/account/")
