"""Verbs about people: enrol members, make organisers and tokens."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from allauth.account.models import EmailAddress
from django.db import transaction

from countmein.base.ids import keyed_digest, named_uuid
from countmein.members.models import ApiToken, Contact, Member, Organiser
from countmein.rules.canonical import lane_of, mailbox


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who is pledging, as typed, with the address already checked."""

    address: str
    name: str = ""
    language: str = "en-gb"

    @cached_property
    def mailbox(self) -> str:
        """The keyed digest of the canonical address: the same mailbox, the same member."""
        return keyed_digest("mailbox", mailbox(self.address))

    @property
    def lane(self) -> int:
        """Where a person's rows are."""
        return lane_of(bytes.fromhex(self.mailbox))

    @property
    def contact_id(self) -> uuid.UUID:
        """The id of this spelling: made of it, so that it is known before its row is written."""
        return named_uuid("contact", self.mailbox, self.address, self.name, self.language)


def enrol(people: Sequence[Person], *, now: datetime) -> None:
    """Write the member and the contact of each person, a constant number of queries; run again,
    it adds nothing.

    Rows are sorted by key before they are written: two batches that share people would otherwise
    wait for each other in a circle.
    """
    lanes = {person.mailbox: person.lane for person in people}
    Member.objects.bulk_create(
        [Member(lane=lanes[box], mailbox=box, created_at=now) for box in sorted(lanes)],
        ignore_conflicts=True,
    )
    rows = Member.objects.filter(lane__in=set(lanes.values()), mailbox__in=lanes)
    members = {row.mailbox: row.id for row in rows}
    contacts = {
        person.contact_id: Contact(
            lane=person.lane,
            id=person.contact_id,
            member_id=members[person.mailbox],
            address=person.address,
            name=person.name,
            language=person.language,
        )
        for person in people
    }
    Contact.objects.bulk_create([contacts[id] for id in sorted(contacts)], ignore_conflicts=True)


def token_for(*, email: str, name: str = "", is_owner: bool = False) -> str:
    """Make a token for the organiser with this address, and the organiser if there is none.

    Only the token's digest is kept. The first organiser made here is the site's owner: whoever
    can run the command on an empty site runs the site. `is_owner` makes a further one.
    """
    with transaction.atomic():
        organiser = Organiser.objects.filter(email__iexact=email).first()
        if organiser is None:
            organiser = Organiser.objects.create_user(email=email, name=name)
            # Not verified: the first code that is mailed and typed in shows whose mailbox it is.
            EmailAddress.objects.create(user=organiser, email=organiser.email.lower(), primary=True)
        if is_owner or not Organiser.objects.filter(is_owner=True).exists():
            organiser.is_owner = True
        organiser.name = name or organiser.name
        organiser.save()
        token = "cmi_" + secrets.token_urlsafe(32)
        ApiToken.objects.create(organiser=organiser, digest=_token_digest(token))
    return token


def organiser_of(token: str) -> tuple[Organiser, uuid.UUID] | None:
    """Return the organiser and the id of this token, or None where nobody has it."""
    row = ApiToken.objects.select_related("organiser").filter(digest=_token_digest(token)).first()
    return (row.organiser, row.id) if row and row.organiser.is_active else None


def _token_digest(token: str) -> str:
    # The token is 256 random bits: a plain hash cannot be guessed.
    return hashlib.sha256(token.encode()).hexdigest()
