"""What we write to a member about a bank transfer: what to pay, again, the rest, that none came."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import formats
from django.utils.translation import gettext as _

from countmein.campaigns.links import campaign_url, manage_url, transfer_url
from countmein.campaigns.models import Campaign, Pledge
from countmein.campaigns.transfers import Asked, asked
from countmein.campaigns.wording import instant_text, money_text
from countmein.outreach.actions import Letterhead
from countmein.payments.bank.epc_qr import payload
from countmein.payments.models import Charge
from countmein.payments.queries import Part


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
    return Letterhead(
        subject=subject % {"title": campaign.title},
        lines=(
            why,
            _("Transfer exactly this amount, with this reference: it alone says that it is yours."),
            _("Your banking app can read the picture that is attached."),
            _("If it does not arrive in time, your pledge is dropped, and you owe nothing."),
        ),
        facts=(
            (_("Amount"), money_text(missing_minor, charge.currency)),
            *_slip_facts(wanted),
            (_("Last day"), instant_text(charge.due_at, campaign)),
        ),
        links=_links(pledge),
        scan=payload(wanted.slip) if wanted is not None else "",
    )


def part_letter(
    campaign: Campaign, pledge: Pledge, charge: Charge, *, parts: Sequence[Part]
) -> Letterhead:
    """A part of it came: what has come so far, how much is missing, and until when."""
    came_minor = sum(part.amount_minor for part in parts)
    wanted = asked(pledge, charge, arrived_minor=came_minor)
    missing = money_text(charge.amount_minor - came_minor, charge.currency)
    return Letterhead(
        subject=_("A part of your transfer has arrived: %(title)s") % {"title": campaign.title},
        lines=(
            _("Thank you. Of the %(promised)s that you promised, %(came)s has arrived.")
            % {
                "promised": money_text(charge.amount_minor, charge.currency),
                "came": money_text(came_minor, charge.currency),
            },
            _("%(missing)s is still missing. Please transfer that, with the same reference.")
            % {"missing": missing},
            _("If you have sent the rest already, there is nothing that you need to do."),
            _(
                "If the rest does not arrive in time, your pledge is dropped and what has arrived "
                "goes back to your account."
            ),
        ),
        facts=(
            *(
                (
                    _("Arrived on %(day)s") % {"day": formats.date_format(part.booked_on)},
                    money_text(part.amount_minor, charge.currency),
                )
                for part in parts
            ),
            (_("Still missing"), missing),
            *_slip_facts(wanted),
            (_("Last day"), instant_text(charge.due_at, campaign)),
        ),
        links=_links(pledge),
        scan=payload(wanted.slip) if wanted is not None else "",
    )


def _slip_facts(wanted: Asked | None) -> tuple[tuple[str, str], ...]:
    """To whom it goes, and what it is recognised by."""
    if wanted is None:
        return ()
    slip = wanted.slip
    bank = ((_("Bank (BIC)"), slip.bic),) if slip.bic else ()
    return (
        (_("To"), slip.name),
        (_("Account (IBAN)"), slip.iban_printed),
        *bank,
        (_("Reference"), slip.reference_printed),
    )


def _links(pledge: Pledge) -> tuple[tuple[str, str], ...]:
    return (_("What to transfer"), transfer_url(pledge)), (_("My pledge"), manage_url(pledge))


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
