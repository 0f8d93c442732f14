"""To seal what is old: rows that were written before there were keys, or under an older key.

Three walks over all rows, once each, slice by slice; how far each has come is written with every
slice, so that a kill costs one slice. What is written meanwhile is sealed by the newest key anyway.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from countmein.base.clock import real_now
from countmein.base.jobs import job
from countmein.base.models import Walk
from countmein.base.sealing import key_number, newest_key
from countmein.campaigns.models import Pledge
from countmein.campaigns.pledge_terms import keyed_body_digest
from countmein.members.actions import Person
from countmein.members.contacts import give_keys, key_place, own_key, seal_contact
from countmein.members.models import Contact, Member
from countmein.payments.actions.bank_reseal import parties_sealed_by

SLICE: Final = 200
#: The chores hand out a turn each minute: old rows are sealed beside the site's work.
TURN_SECONDS: Final = 15.0


@job(name="campaigns.seal_old", queue="chores")
def seal_old() -> None:
    """Walk on for a turn."""
    ends_at = time.monotonic() + TURN_SECONDS
    for name, (rows, treat) in _walks().items():
        while _step(name, rows, treat):
            if time.monotonic() > ends_at:
                return


def is_all_sealed() -> bool:
    """Whether every walk has come to its end."""
    done = Walk.objects.filter(name__in=_walks(), done_at__isnull=False)
    return done.count() == len(_walks())


def _walks() -> dict[str, tuple[Any, Callable[[Sequence[Any]], None]]]:
    walks: dict[str, tuple[Any, Callable[[Sequence[Any]], None]]] = {
        "seal-contacts": (Contact, _seal_contacts),
        "key-digests": (Pledge, _key_digests),
    }
    if len(settings.SEALING_KEYS) > 1:
        walks[f"wrap-keys-{newest_key()}"] = (Member, _wrap_keys)
    return walks


def _step(name: str, model: Any, treat: Callable[[Sequence[Any]], None]) -> bool:
    """Do the next slice of a walk; tell whether there may be more."""
    with transaction.atomic():
        Walk.objects.get_or_create(name=name)
        walk = Walk.objects.select_for_update().get(name=name)
        if walk.done_at is not None:
            return False
        here = model.objects.all_lanes().filter(pk__gt=(walk.after_lane, walk.after_id))
        rows = list(here.order_by("lane", "id")[:SLICE])
        treat(rows)
        if rows:
            walk.after_lane, walk.after_id = rows[-1].lane, rows[-1].id
        else:
            walk.done_at = real_now()
        walk.save()
    return bool(rows)


def _seal_contacts(rows: Sequence[Contact]) -> None:
    """Put sealed contacts in the place of open ones, under ids that only this site can work out."""
    rows = [row for row in rows if row.sealed is None]
    if not rows:
        return
    keys = list({(row.lane, row.member_id) for row in rows})
    members = {
        row.id: row
        for row in Member.objects.filter(pk__in=keys)
        .order_by("lane", "mailbox")
        .select_for_update(no_key=True)
    }
    give_keys([member for member in members.values() if member.wrapped_key is None])
    new, moved = [], []
    for row in rows:
        person = Person(address=row.address, name=row.name, language=row.language)
        member = members[row.member_id]
        moved.append((row, person.contact_id, member.mailbox))
        new.append(
            Contact(
                lane=row.lane,
                id=person.contact_id,
                member_id=row.member_id,
                sealed=seal_contact(own_key(member), person),
                language=row.language,
            )
        )
    Contact.objects.bulk_create(new, ignore_conflicts=True)
    _rename(moved)
    Contact.objects.filter(pk__in=[(row.lane, row.id) for row in rows], sealed=None).delete()


def _rename(moved: Sequence[tuple[Contact, Any, str]]) -> None:
    """Have pledges and deliveries name the sealed contact."""
    values: list[Any] = [
        [row.lane for row, _, _ in moved],
        [row.id for row, _, _ in moved],
        [id for _, id, _ in moved],
        [mailbox for _, _, mailbox in moved],
    ]
    renamed = "unnest(%s::int[], %s::uuid[], %s::uuid[], %s::text[]) AS m(lane, old, new, mailbox)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE campaigns_pledge p SET contact_id = m.new FROM {renamed}
                WHERE p.mailbox = m.mailbox AND p.contact_id = m.old""",
            values,
        )
        cursor.execute(
            f"""UPDATE outreach_delivery d SET contact_id = m.new FROM {renamed}
                WHERE d.lane = m.lane AND d.contact_id = m.old""",
            values,
        )


def _key_digests(rows: Sequence[Pledge]) -> None:
    """Put a keyed digest in the place of a bare one: there is an address in what was hashed."""
    bare = [row for row in rows if row.digest and not row.digest.startswith("k")]
    if not bare:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE campaigns_pledge p SET digest = d.keyed
               FROM unnest(%s::int[], %s::uuid[], %s::text[], %s::text[])
                    AS d(lane, id, bare, keyed)
               WHERE p.lane = d.lane AND p.id = d.id AND p.digest = d.bare""",
            [
                [row.lane for row in bare],
                [row.id for row in bare],
                [row.digest for row in bare],
                [keyed_body_digest(row.digest) for row in bare],
            ],
        )


def _wrap_keys(rows: Sequence[Member]) -> None:
    """Wrap members' own keys under the newest site key; what they sealed stays as it is."""
    for row in rows:
        if row.wrapped_key is None or key_number(bytes(row.wrapped_key)) == newest_key():
            continue
        wrapped = own_key(row).wrapped(about=key_place(row.lane, row.mailbox))
        Member.objects.filter(lane=row.lane, id=row.id, wrapped_key=row.wrapped_key).update(
            wrapped_key=wrapped
        )


def sealed_by() -> dict[int, int]:
    """How much each site key still holds, by its number: members' keys, letters, newcomers, and
    accounts at the bank."""
    number = "get_byte({0}, 0) * 256 + get_byte({0}, 1)"
    letter = number.format("decode(letter ->> 'sealed', 'base64')")
    newcomer = number.format("decode(newcomer #>> '{}', 'base64')")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT number, count(*) FROM (
                  SELECT {number.format("wrapped_key")} AS number FROM members_member
                  WHERE wrapped_key IS NOT NULL
                  UNION ALL SELECT {letter} FROM outreach_delivery WHERE letter ? 'sealed'
                  UNION ALL SELECT {newcomer} FROM campaigns_pledge
                  WHERE jsonb_typeof(newcomer) = 'string') sealed
                GROUP BY 1"""
        )
        return dict(parties_sealed_by() + Counter(dict(cursor.fetchall())))
