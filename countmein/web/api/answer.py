"""What all answers of the API are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from countmein.campaigns.bodies import GRAMMAR_MARK


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


#: Shown in UTC, with Z.
At = Annotated[
    datetime, BeforeValidator(_utc), WithJsonSchema({"type": "string", "format": "date-time"})
]
RuleOut = Annotated[object, WithJsonSchema({GRAMMAR_MARK: "Rule"})]
ConditionOut = Annotated[object, WithJsonSchema({GRAMMAR_MARK: "Condition"})]


class Answer(BaseModel):
    """One JSON object that we send."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)
