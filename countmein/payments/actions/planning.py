"""Planning: what many pledges owe becomes their charges in one statement, whatever their number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import connection, models
from psycopg.types.json import Jsonb

from countmein.base.arrays import NEW_ID
from countmein.payments.models import Charge
from countmein.rules.collection import BatchRefused

#: What a query of charges says of each; all else is the same for all of them.
_SAID: Final = ("pledge_id", "parts", "amount_minor", "reference")


def plan_charges(owed: str, asked: Mapping[str, Any], **same: Any) -> int:
    """Write a charge for each row of the query `owed`; tells what they add up to, minor units.

    A row is a pledge with `parts`, their sum `amount_minor`, and the `reference` of a transfer or
    ''. `asked` are the query's parameters, `same` the fields that all of these charges have alike.
    A pledge that has a charge keeps it, and is in the sum all the same: who compares that with
    what is owed finds what was planned twice. Call in the transaction that accepts the pledges.

    Raises BatchRefused if a charge takes nothing, or less.
    """
    columns = _columns(same)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH owed AS MATERIALIZED ({owed}),
                made AS (INSERT INTO payments_charge ({", ".join(columns)})
                    SELECT {", ".join(columns.values())} FROM owed WHERE amount_minor > 0
                    ON CONFLICT DO NOTHING)
                SELECT coalesce(sum(amount_minor), 0)::bigint, min(amount_minor) FROM owed""",
            {**asked, **{f"same_{name}": value for name, value in _values(same).items()}},
        )
        total, least = cursor.fetchone()
    if least is not None and least <= 0:
        raise BatchRefused("a charge takes a positive amount")
    return int(total)


def _columns(same: Mapping[str, Any]) -> dict[str, str]:
    """Each column of a charge, and the SQL that gives its value."""
    fields = Charge._meta.concrete_fields
    alike = {
        each.attname: f"%(same_{each.attname})s::{each.db_type(connection)}" for each in fields
    }
    return alike | {name: name for name in _SAID} | {"id": NEW_ID}


def _values(same: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are alike: as asked for, or as a new charge has them."""
    fields = [
        each
        for each in Charge._meta.concrete_fields
        if each.attname not in _SAID and each.attname != "id"
    ]
    return {each.attname: _adapted(each, same.get(each.attname)) for each in fields}


def _adapted(field: models.Field[Any, Any], value: Any) -> Any:
    value = field.get_default() if value is None else value
    return Jsonb(value) if isinstance(field, models.JSONField) else value
