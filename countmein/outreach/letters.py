"""From a delivery row to a mail: words laid out as text and HTML, with what is attached."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import segno
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from icalendar import Calendar, Event

from countmein.members.contacts import Reachable
from countmein.outreach.channels import Attachment, Mail
from countmein.outreach.models import Delivery


def mail_of(delivery: Delivery, *, contact: Reachable | None) -> Mail:
    """Lay out a delivery for its reader; the same row always gives the same mail."""
    letter = delivery.said
    with translation.override(delivery.language):
        context = {
            "letter": letter,
            "name": contact.name if contact else "",
            "site_name": settings.SITE_NAME,
            "site_url": settings.SITE_URL,
            "rtl": translation.get_language_bidi(),
            "language": delivery.language,
        }
        text = render_to_string("mail/letter.txt", context)
        html = render_to_string("mail/letter.html", context)
    return Mail(
        id=str(delivery.id),
        to_address=contact.address if contact else delivery.to_address,
        to_name=contact.name if contact else "",
        subject=letter["subject"],
        text=text,
        html=html,
        # The same cause has the same Message-ID, so a mailbox can recognise a repeat.
        message_id=f"<{delivery.id}@{urlsplit(settings.SITE_URL).hostname}>",
        headers={},
        attachments=tuple(_attachments(letter)),
    )


def _attachments(letter: dict[str, Any]) -> list[Attachment]:
    attached = []
    if letter["code"]:
        attached.append(
            Attachment(name="code.png", content_type="image/png", content=qr_png(letter["code"]))
        )
    if letter.get("scan"):
        picture = transfer_png(letter["scan"])
        attached.append(Attachment(name="transfer.png", content_type="image/png", content=picture))
    if letter["event"]:
        attached.append(
            Attachment(
                name="event.ics", content_type="text/calendar", content=calendar(letter["event"])
            )
        )
    return attached


def qr_png(text: str, *, level: str = "m") -> bytes:
    """Return a QR picture of a code, for scanning at a till or a door."""
    picture = io.BytesIO()
    segno.make(text, error=level, micro=False).save(picture, kind="png", scale=6, border=4)
    return picture.getvalue()


def transfer_png(text: str) -> bytes:
    """Return the QR picture of a transfer, as banking apps want it: level M, no more, and UTF-8."""
    picture = io.BytesIO()
    code = segno.make_qr(text.encode(), error="m", boost_error=False)
    code.save(picture, kind="png", scale=6, border=4)
    return picture.getvalue()


def calendar(event: dict[str, str]) -> bytes:
    """Return an iCalendar file for {uid, title, starts_at, ends_at?, venue?, url, stamp,
    status?}: TENTATIVE is one that may yet not take place."""
    entry = Event()
    entry.add("uid", event["uid"])
    entry.add("dtstamp", datetime.fromisoformat(event["stamp"]))
    entry.add("dtstart", datetime.fromisoformat(event["starts_at"]))
    if event.get("ends_at"):
        entry.add("dtend", datetime.fromisoformat(event["ends_at"]))
    entry.add("summary", event["title"])
    if event.get("venue"):
        entry.add("location", event["venue"])
    entry.add("url", event["url"])
    if event.get("status"):
        entry.add("status", event["status"])
    whole = Calendar()
    whole.add("prodid", "-//Countmein//EN")
    whole.add("version", "2.0")
    whole.add_component(entry)
    return bytes(whole.to_ical())
