"""What we write to a member about a bank transfer: what to pay, again, and that it did not come."""

from __future__ import annotations

from django.utils.translation import gettext as _

from countmein.campaigns.links import campaign_url, manage_url, transfer_url
from countmein.campaigns.models import Campaign, Pledge
from countmein.campaigns.transfers import asked
from countmein.campaigns.wording import instant_text, money_text
from countmein.outreach.actions import Letterhead
from countmein.payments.bank.epc_qr import payload
from countmein.payments.models import Charge


def transfer_letter(
    campaign: Campaign, pledge: Pledge, charge: Charge, *, is_again: bool, arrived_minor: int
) -> Letterhead:
    """It tipped: what to transfer, to whom, until when; or a reminder of it."""
    wanted = asked(pledge, charge, arrived_minor=arrived_minor)
    if arrived_minor:
        why = _("A part of your transfer has arrived, %(part)s. It waits for the rest.") % {
            "part": money_text(arrived_minor, charge.currency)
        }
    elif is_again:
        why = _("Your transfer has not arrived yet. If you made it in the last days, all is well.")
    else:
        why = _("It tipped with you in it. Now we ask you for the transfer that you promised.")
    subject = (
        _("Reminder of your transfer: %(title)s")
        if is_again
        else _("It tipped, please transfer: %(title)s")
    )
    missing_minor = charge.amount_minor - arrived_minor
    facts = [(_("Amount"), money_text(missing_minor, charge.currency))]
    if wanted is not None:
        slip = wanted.slip
        facts += [(_("To"), slip.name), (_("Account (IBAN)"), slip.iban_printed)]
        facts += [(_("Bank (BIC)"), slip.bic)] if slip.bic else []
        facts += [(_("Reference"), slip.reference_printed)]
    facts.append((_("Last day"), instant_text(charge.due_at, campaign)))
    return Letterhead(
        subject=subject % {"title": campaign.title},
        lines=(
            why,
            _("Transfer exactly this amount, with this reference: it alone says that it is yours."),
            _("Your banking app can read the picture that is attached."),
            _("If it does not arrive in time, your pledge is dropped, and you owe nothing."),
        ),
        facts=tuple(facts),
        links=(
            (_("What to transfer"), transfer_url(pledge)),
            (_("My pledge"), manage_url(pledge)),
        ),
        scan=payload(wanted.slip) if wanted is not None else "",
    )


def not_transferred_letter(campaign: Campaign) -> Letterhead:
    """The transfer did not come in time."""
    return Letterhead(
        subject=_("Your transfer did not arrive: %(title)s") % {"title": campaign.title},
        lines=(
            _("The last day is over and your transfer has not arrived: your pledge was dropped."),
            _("You owe nothing. If you transferred something, it goes back to your account."),
        ),
        links=((_("The campaign"), campaign_url(campaign)),),
    )
