"""Verbs about people: enrol members, make organisers and tokens."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from allauth.account.models import EmailAddress
from django.db import transaction

from countmein.base.ids import keyed_digest, keyed_uuid
from countmein.base.sealing import OwnKey
from countmein.members.contacts import give_keys, key_place, own_key, seal_contact
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
        """The id of this spelling: made of it, so that it is known before its row is written.

        Under the site's key: from a bare hash whoever has the rows and a list of addresses could
        tell who they are of.
        """
        return keyed_uuid("contact", self.address, self.name, self.language)


def enrol(people: Sequence[Person], *, now: datetime) -> None:
    """Write the member and the contact of each person, a constant number of queries; run again,
    it adds nothing.

    Rows are sorted by key before they are written: two batches that share people would otherwise
    wait for each other in a circle.
    """
    with transaction.atomic():
        members = _members({person.mailbox: person.lane for person in people}, now=now)
        keys = {box: own_key(member) for box, member in members.items()}
        contacts = {
            person.contact_id: Contact(
                lane=person.lane,
                id=person.contact_id,
                member_id=members[person.mailbox].id,
                sealed=seal_contact(keys[person.mailbox], person),
                language=person.language,
            )
            for person in people
        }
        rows = [contacts[id] for id in sorted(contacts)]
        Contact.objects.bulk_create(rows, ignore_conflicts=True)


def _members(lanes: Mapping[str, int], *, now: datetime) -> dict[str, Member]:
    """The members of these mailboxes, each with a key; nobody can erase them until this commits.

    Those who are new nobody else can see yet. Those who were there are held: one who was just being
    erased is gone after the wait, and is written anew.
    """
    made = {box: _new_member(lanes[box], box, now=now) for box in sorted(lanes)}
    while True:
        Member.objects.bulk_create(list(made.values()), ignore_conflicts=True)
        rows = list(Member.objects.filter(lane__in=set(lanes.values()), mailbox__in=lanes))
        known = [row.mailbox for row in rows if row.id != made[row.mailbox].id]
        if known:
            held = Member.objects.filter(lane__in={lanes[box] for box in known}, mailbox__in=known)
            rows = [row for row in rows if row.id == made[row.mailbox].id]
            rows += held.order_by("mailbox").select_for_update(no_key=True)
        if len(rows) == len(lanes):
            give_keys([row for row in rows if row.wrapped_key is None])
            return {row.mailbox: row for row in rows}


def _new_member(lane: int, mailbox: str, *, now: datetime) -> Member:
    wrapped = OwnKey.new().wrapped(about=key_place(lane, mailbox))
    return Member(lane=lane, mailbox=mailbox, created_at=now, wrapped_key=wrapped)


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
