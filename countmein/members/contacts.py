"""Contacts, sealed and opened: the one place where anybody's address can be read."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.db.models import Case, Value, When

from countmein.base.sealing import OwnKey
from countmein.members.models import Contact, Member


class Spelling(Protocol):
    """An address and a name as typed, with the id that they have."""

    @property
    def address(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def contact_id(self) -> uuid.UUID: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable:
    """A contact that was opened: where mail goes, as it was typed."""

    address: str
    name: str
    language: str


def opened(keys: Iterable[tuple[int, uuid.UUID]]) -> dict[tuple[int, uuid.UUID], Reachable]:
    """Open these contacts, by lane and id; two queries, and no row for whom there is none.

    The caller asks for a batch at a time: nobody needs a whole crowd's addresses at once.
    """
    # A key of several columns is looked up in a list; Django takes no set there.
    rows = list(Contact.objects.filter(pk__in=list(set(keys))))
    return {(row.lane, row.id): found for row, found in open_rows(rows)}


def names(keys: Iterable[tuple[int, uuid.UUID]]) -> dict[tuple[int, uuid.UUID], str]:
    """The names of these contacts, of those who gave one."""
    return {key: found.name for key, found in opened(keys).items() if found.name}


def languages(keys: Iterable[tuple[int, uuid.UUID]]) -> dict[tuple[int, uuid.UUID], str]:
    """In which language these want to be written to; that is not sealed."""
    rows = Contact.objects.filter(pk__in=list(set(keys)))
    return {(lane, id): said for lane, id, said in rows.values_list("lane", "id", "language")}


def open_rows(rows: Sequence[Contact]) -> list[tuple[Contact, Reachable]]:
    """Open rows of contacts that were read; one query for the keys of their members."""
    wanted = {(row.lane, row.member_id) for row in rows if row.sealed is not None}
    members = Member.objects.filter(pk__in=list(wanted))
    keys = {row.id: own_key(row) for row in members if row.wrapped_key is not None}
    return [
        (row, _open(row, keys.get(row.member_id)))
        for row in rows
        # Between two reads its member may have been erased: then it opens no more.
        if row.sealed is None or row.member_id in keys
    ]


def _open(row: Contact, key: OwnKey | None) -> Reachable:
    if row.sealed is None or key is None:
        # It is older than the sealing and its turn has not come.
        return Reachable(address=row.address, name=row.name, language=row.language)
    address, name = json.loads(key.unseal(bytes(row.sealed), about=contact_place(row.id)))
    return Reachable(address=address, name=name, language=row.language)


def seal_contact(key: OwnKey, spelling: Spelling) -> bytes:
    """What a contact's row keeps of an address and a name."""
    said = json.dumps([spelling.address, spelling.name]).encode()
    return key.seal(said, about=contact_place(spelling.contact_id))


def own_key(member: Member) -> OwnKey:
    """The member's own key, unwrapped. Raises SealBroken."""
    assert member.wrapped_key is not None
    wrapped = bytes(member.wrapped_key)
    return OwnKey.unwrapped(wrapped, about=key_place(member.lane, member.mailbox))


def give_keys(members: Sequence[Member]) -> None:
    """Give a key to members who were written down before there were any; who got one meanwhile
    keeps it."""
    if not members:
        return
    made = {row.id: OwnKey.new().wrapped(about=key_place(row.lane, row.mailbox)) for row in members}
    lanes = {row.lane for row in members}
    rows = Member.objects.filter(lane__in=lanes, id__in=made)
    cases = [When(id=id, then=Value(wrapped)) for id, wrapped in made.items()]
    rows.filter(wrapped_key=None).update(wrapped_key=Case(*cases))
    kept = dict(rows.values_list("id", "wrapped_key"))
    for row in members:
        row.wrapped_key = kept[row.id]


def key_place(lane: int, mailbox: str) -> str:
    """Where a member's key belongs; wrapped for it, it opens in no other row."""
    return f"member:{lane}:{mailbox}"


def contact_place(id: uuid.UUID) -> str:
    """Where a contact belongs."""
    return f"contact:{id}"
