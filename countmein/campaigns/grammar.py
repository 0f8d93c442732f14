"""The grammar of rules and conditions, as the published schema names it."""

from __future__ import annotations

from typing import Final

from countmein.rules.conditions import MAX_NUMBER
from countmein.rules.states import Kind

_NUMBER: Final = {"type": "integer", "minimum": 1, "maximum": MAX_NUMBER}
_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 200}


def _object(**properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _grammar(own: str, *, atoms: list[dict[str, object]], description: str) -> dict[str, object]:
    several = {"type": "array", "items": {"$ref": f"#/components/schemas/{own}"}, "minItems": 1}
    return {
        "title": own,
        "description": description,
        "oneOf": [
            _object(people=_NUMBER),
            _object(sum=_object(kind={"type": "string", "enum": list(Kind)}, at_least=_NUMBER)),
            _object(people_in=_object(place=_TEXT, at_least=_NUMBER)),
            _object(places=_object(people=_NUMBER, at_least=_NUMBER)),
            *atoms,
            _object(all=several),
            _object(any=several),
            _object(some=_object(of=several, at_least=_NUMBER)),
        ],
    }


#: Depth (at most 5) and size (at most 50 parts) cannot be said in JSON Schema, so the description
#: says them.
GRAMMAR_SCHEMAS: Final[dict[str, dict[str, object]]] = {
    "Rule": _grammar(
        "Rule", atoms=[], description="When a campaign tips. Depth at most 5, at most 50 parts."
    ),
    "Condition": _grammar(
        "Condition",
        atoms=[_object(pledge=_TEXT)],
        description="When a member counts in. Depth at most 5, at most 50 parts.",
    ),
}
