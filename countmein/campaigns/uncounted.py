"""Where the count has to look: the rounds of campaigns in which something has changed.

Whoever writes changes notes the round beside them, in the same commit; the count takes the note
off once it has counted the round. Without the notes every look, twice a second, would have to go
through all open campaigns, of which a large site has a hundred thousand.

A note says nothing that the rows do not say, so once a minute they are asked (`note_missed`): a
restore or a hand at the database costs a minute, not a count.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from django.db import connection

from countmein.base.ids import named_uuid
from countmein.campaigns.models import Gate, Uncounted
from countmein.rules.states import COUNTED

#: Nobody adds to a round that is closed, so a note that is taken off is never missed by one who
#: found it there; and whoever finds it there writes nothing, and waits for nobody.
NOTE: Final = """
    INSERT INTO campaigns_uncounted (lane, id, campaign_id, round) VALUES (%s, %s, %s, %s)
    ON CONFLICT DO NOTHING"""

_COUNTED: Final = ", ".join(f"'{state}'" for state in sorted(COUNTED))
#: Campaigns with something to count and no note of it, and the round that the next count reaches.
MISSED: Final = f"""
    SELECT g.lane, g.id, CASE WHEN t.outlook_round < t.round THEN t.round
                         ELSE coalesce(t.round, 0) + 1 END AS due_round
    FROM campaigns_gate g
    LEFT JOIN campaigns_tally t ON t.lane = g.lane AND t.id = g.id
    WHERE g.state IN ({_COUNTED})
      AND (EXISTS (SELECT FROM campaigns_change c
                   WHERE c.lane = g.lane AND c.campaign_id = g.id AND c.round = g.round)
           OR g.round > 1 + coalesce(t.round, 0)
           OR t.outlook_round < t.round)
      AND NOT EXISTS (SELECT FROM campaigns_uncounted u
                      WHERE u.lane = g.lane AND u.campaign_id = g.id)"""


def note_values(gate: Gate) -> list[Any]:
    """What NOTE wants for the gate's round."""
    id = named_uuid("uncounted", str(gate.id), str(gate.round))
    return [gate.lane, id, gate.id, gate.round]


def note(gate: Gate) -> None:
    """Note that something changes in the gate's round. Call with the gate held."""
    with connection.cursor() as cursor:
        cursor.execute(NOTE, note_values(gate))


def forget(*, lane: int, campaign_id: uuid.UUID, round: int) -> None:
    """Everything up to this round is counted."""
    found = Uncounted.objects.filter(lane=lane, campaign_id=campaign_id, round__lte=round)
    found.delete()


def uncounted(*, pause_seconds: float = 0) -> list[uuid.UUID]:
    """Campaigns in which something has changed since their last count, or looks ahead are due.

    One that was counted within the pause is left until that is over: a crowd that pours in is
    counted once a second, a single pledge at once. One that was counted in the future was so
    before the database's clock was set back.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT DISTINCT g.id FROM campaigns_uncounted u
            JOIN campaigns_gate g ON g.lane = u.lane AND g.id = u.campaign_id
            LEFT JOIN campaigns_tally t ON t.lane = g.lane AND t.id = g.id
            WHERE g.state IN ({_COUNTED})
              AND (t.counted_at IS NULL
                   OR t.counted_at <= clock_timestamp() - make_interval(secs => %s)
                   OR t.counted_at > clock_timestamp())
            """,
            [pause_seconds],
        )
        return [campaign_id for (campaign_id,) in cursor.fetchall()]


def note_missed() -> None:
    """Ask the rows themselves; and forget what nobody counts any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO campaigns_uncounted (lane, id, campaign_id, round)
                SELECT lane, gen_random_uuid(), id, due_round FROM ({MISSED}) AS missed"""
        )
        cursor.execute(
            f"""DELETE FROM campaigns_uncounted u USING campaigns_gate g
                WHERE g.lane = u.lane AND g.id = u.campaign_id AND g.state NOT IN ({_COUNTED})"""
        )
