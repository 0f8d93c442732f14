"""What a request may say: one definition, which the API publishes and the web forms fill."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from countmein.base.web_links import is_web_link
from countmein.rules import awaiting, conditions
from countmein.rules.canonical import AddressRefused, mailbox
from countmein.rules.money import EXPONENT_OF
from countmein.rules.pledging import COUNTED_ONCE
from countmein.rules.states import Confirm, Kind, Latch, Shortfall

MAX_NUMBER: Final = conditions.MAX_NUMBER
#: Where the published schema refers to one of GRAMMAR_SCHEMAS.
GRAMMAR_MARK: Final = "x-grammar"
#: A pledge is small; a campaign's story may be long.
PLEDGE_LIMIT_BYTES: Final = 16 * 1024
BODY_LIMIT_BYTES: Final = 256 * 1024
#: Forms with documents: three files of 2 MB, and what is typed beside them.
UPLOAD_LIMIT_BYTES: Final = 6 * 1024 * 1024 + BODY_LIMIT_BYTES
_UPLOADS: Final = re.compile(
    r"/organise/[^/]+/(payouts|proof)/|/desk/payouts/[^/]+/(paid|order)/", re.ASCII
)
#: A bank's statement of ten thousand entries; a longer one comes in by the command line.
STATEMENT_LIMIT_BYTES: Final = 16 * 1024 * 1024
#: Price times units must fit 64 bits even where somebody takes all there is.
MAX_UNIT_PRICE_MINOR: Final = 10**9

#: More plans than this nobody ranks.
MAX_PLANS: Final = 10

#: Letters that turn the reading direction around make a text show something it does not say.
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,20}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def body_limit_bytes(path: str) -> int:
    """How long a body the door at this address takes."""
    if _UPLOADS.fullmatch(path):
        return UPLOAD_LIMIT_BYTES
    if path == "/desk/bank/import/":
        return STATEMENT_LIMIT_BYTES
    return PLEDGE_LIMIT_BYTES if "/pledges" in path else BODY_LIMIT_BYTES


def _text(value: str, *, line_breaks: bool) -> str:
    if value.isascii() and value.isprintable():  # as most are
        return value
    text = unicodedata.normalize("NFC", value)
    allowed = "\n\t" if line_breaks else ""
    if line_breaks:
        text = text.replace("\r\n", "\n")
    for letter in text:
        strange = unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter in _BIDI
        if strange and letter not in allowed:
            raise PydanticCustomError("strange_character", "a character that cannot be shown")
    return text


def is_plain(value: str) -> bool:
    """Whether a text has no letter that cannot be shown, or that turns the others around."""
    try:
        _text(value, line_breaks=True)
    except PydanticCustomError:
        return False
    return True


def _line(value: str) -> str:
    return _text(value, line_breaks=False)


def _prose(value: str) -> str:
    return _text(value, line_breaks=True)


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("blank", "here stands a text")
    return value


def _link(value: str) -> str:
    if value and not is_web_link(value):
        raise PydanticCustomError("not_a_link", "an address that begins with https://")
    return value


def _currency(value: str) -> str:
    if value not in EXPONENT_OF:
        raise PydanticCustomError("unknown_currency", "a currency of ISO 4217, such as EUR")
    return value


def _address(value: str) -> str:
    try:
        mailbox(value)
    except AddressRefused as refused:
        raise PydanticCustomError("address_invalid", "{why}", {"why": str(refused)}) from refused
    return value


def instant(value: object) -> datetime:
    """Read an RFC 3339 instant with any offset, in UTC; digits below the microsecond are cut."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError("not_an_instant", "an instant such as 2026-12-01T12:00:00Z")
    day, time, fraction, offset = match.groups()
    text = f"{day}T{time}.{(fraction or '0')[:6].ljust(6, '0')}{offset.upper()}"
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PydanticCustomError("not_an_instant", "there is no such instant") from error


def _distinct(values: list[Any]) -> list[Any]:
    if len(set(values)) != len(values):
        raise PydanticCustomError("repeated", "each stands here once")
    return values


def _composed(value: Any) -> Any:
    """Compose the letters of every text, as those of the campaign's places are composed."""
    if isinstance(value, dict):
        return {key: _composed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_composed(inner) for inner in value]
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def _grammatical(value: object, *, path: str, pledges_allowed: bool) -> object:
    try:
        conditions.parse(value, path=path, pledges_allowed=pledges_allowed)
    except conditions.ConditionRefused as refused:
        context = {"path": refused.path, "why": refused.detail}
        raise PydanticCustomError(refused.reason, "{why}", context) from refused
    return _composed(value)


def _rule(value: object) -> object:
    return _grammatical(value, path="rule", pledges_allowed=False)


def _condition(value: object) -> object:
    if value is None:
        return None
    return _grammatical(value, path="condition", pledges_allowed=True)


def _amount_or_one(value: object, info: ValidationInfo) -> object:
    kind = info.data.get("kind")
    if value is None and kind in COUNTED_ONCE:
        return 1
    if value is None:
        raise PydanticCustomError("missing", "how much is missing")
    return value


def _fallback(value: object) -> object:
    is_plan = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_PLANS
    if is_plan or value in ("refund", "follow"):
        return value
    detail = "refund, follow, or the number of a plan"
    raise PydanticCustomError("fallback_unknown", "{why}", {"why": detail})


def _ref(name: str) -> WithJsonSchema:
    # Pydantic looks every $ref up among its own definitions; whoever publishes puts it in.
    return WithJsonSchema({GRAMMAR_MARK: name})


def _string(low: int, high: int) -> StringConstraints:
    return StringConstraints(strict=True, min_length=low, max_length=high)


Amount = Annotated[int, Field(strict=True, ge=1, le=MAX_NUMBER)]
AmountOrOne = Annotated[
    Amount,
    BeforeValidator(_amount_or_one),
    WithJsonSchema({"type": ["integer", "null"], "minimum": 1, "maximum": MAX_NUMBER}),
]
Title = Annotated[str, _string(1, 200), AfterValidator(_line), AfterValidator(_not_blank)]
Story = Annotated[str, _string(0, 50_000), AfterValidator(_prose)]
Name = Annotated[str, _string(0, 100), AfterValidator(_line)]
Line = Annotated[str, _string(0, 300), AfterValidator(_line)]
Link = Annotated[str, _string(0, 500), AfterValidator(_line), AfterValidator(_link)]
Script = Annotated[str, _string(0, 5_000), AfterValidator(_prose)]
Place = Annotated[str, _string(1, 100), AfterValidator(_line), AfterValidator(_not_blank)]
Address = Annotated[
    str,
    _string(3, 254),
    AfterValidator(_line),
    AfterValidator(_address),
    Field(json_schema_extra={"format": "email"}),
]
Phone = Annotated[
    str, StringConstraints(strict=True, pattern=r"^\+?[0-9][0-9 ()./-]{1,29}$", max_length=31)
]
#: The provider's name for a stored card; it starts with a letter, so a card number never fits.
PaymentMethod = Annotated[
    str, StringConstraints(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,254}$")
]
Currency = Annotated[
    str,
    AfterValidator(_currency),
    Field(strict=True),
    WithJsonSchema({"type": "string", "enum": sorted(EXPONENT_OF)}),
]
Instant = Annotated[
    datetime,
    BeforeValidator(instant),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="validation"),
]
Kinds = Annotated[
    list[Kind],
    Field(min_length=1, max_length=len(Kind), json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]
PlaceNames = Annotated[
    list[Place],
    Field(max_length=1_000, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]
PerKind = dict[Kind, Amount]
UnitPrice = Annotated[int, Field(strict=True, ge=1, le=MAX_UNIT_PRICE_MINOR)]
#: How many days a member has for a transfer after being asked; none: cards only.
TransferDays = Annotated[int, Field(strict=True, ge=1, le=awaiting.DAYS_AT_MOST)]
Timezone = Annotated[str, _string(1, 64)]
#: What a member wants if it cannot be carried out.
FallbackWord = Annotated[
    str | int,
    BeforeValidator(_fallback),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": ["refund", "follow"]},
                {"type": "integer", "minimum": 1, "maximum": MAX_PLANS},
            ]
        }
    ),
]
Rule = Annotated[object, BeforeValidator(_rule), _ref("Rule")]
ConditionJson = Annotated[object, BeforeValidator(_condition), _ref("Condition")]
Reveal = Annotated[str, StringConstraints(strict=True, pattern="^(always|on_tip)$")]
Flag = Annotated[bool, Field(strict=True)]


class Body(BaseModel):
    """A JSON object in which unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class PlainBody(Body):
    """A body in which null says the same as leaving the field out."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object) -> object:
        if isinstance(value, dict):
            return {key: inner for key, inner in value.items() if inner is not None}
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        required, null = schema.get("required", []), {"type": "null"}
        for name, inner in schema.get("properties", {}).items():
            is_nullable = "null" in inner.get("type", ()) or null in inner.get("anyOf", ())
            if name not in required and not is_nullable:
                schema["properties"][name] = {"anyOf": [inner, null]}
        return schema


class TargetBody(PlainBody):
    """Who must answer, and how to reach them."""

    name: Line = ""
    ask: Line = ""
    email: Address | None = None
    phone: Phone | None = None
    script: Script = ""


class PlanBody(PlainBody):
    """One thing to do instead; it runs if its rule holds among those who chose it, and its cost
    is there. Without a cost it takes all that they have left.

    `supplier` is who would be paid, `document` where their offer can be read.
    """

    title: Title
    text: Line = ""
    supplier: Name = ""
    document: Link = ""
    rule: Rule | None = None
    cost_minor: Amount | None = None


class PlanBBody(PlainBody):
    """What is done if it cannot be carried out after all: ranked plans, the first one first.

    Choices can be changed for `decide_hours` after it failed. What was raised above
    `set_aside_above_minor` waits for the ballot on what is left over, whose quorum is `quorum_bp`.
    """

    plans: Annotated[list[PlanBody], Field(min_length=1, max_length=MAX_PLANS)]
    decide_hours: Annotated[int, Field(strict=True, ge=0, le=168)] = 24
    quorum_bp: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 1000
    set_aside_above_minor: Amount | None = None


class PayoutBody(PlainBody):
    """How what was collected is paid out: in stages, of which all but the first need a proof that
    the backers accept; `proof_by` is the day on which an unproven rest goes back to them.

    `holdback_bp` of what stands is kept for refunds during `refund_days` after it was settled.
    """

    stages_bp: Annotated[
        list[Annotated[int, Field(strict=True, ge=1, le=10_000)]], Field(min_length=1, max_length=5)
    ] = [10_000]
    proof_by: Instant | None = None
    holdback_bp: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 1000
    refund_days: Annotated[int, Field(strict=True, ge=0, le=365)] = 14


class CampaignBody(PlainBody):
    """A campaign's terms, as its organiser states them."""

    title: Title
    story: Story = ""
    kinds: Kinds
    currency: Currency | None = None
    rule: Rule
    latch: Latch = Latch.on_tip
    deadline: Instant
    timezone: Timezone = "UTC"
    confirm: Confirm = Confirm.email
    minimum: PerKind = {}
    cap: PerKind = {}
    shortfall: Shortfall = Shortfall.release
    target: TargetBody | None = None
    places: PlaceNames = []
    unit_price_minor: UnitPrice | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    venue: Line = ""
    hours: Annotated[str, _string(0, 200), AfterValidator(_line)] = ""
    plan_b: PlanBBody | None = None
    payout: PayoutBody | None = None
    reveal: Reveal = "always"
    transfer_days: TransferDays | None = None


class CampaignPatch(Body):
    """Changes of a campaign: a field left out stays, null takes it back to its default."""

    title: Title | None = None
    story: Story | None = None
    kinds: Kinds | None = None
    currency: Currency | None = None
    rule: Rule = None
    latch: Latch | None = None
    deadline: Instant | None = None
    timezone: Timezone | None = None
    confirm: Confirm | None = None
    minimum: PerKind | None = None
    cap: PerKind | None = None
    shortfall: Shortfall | None = None
    target: TargetBody | None = None
    places: PlaceNames | None = None
    unit_price_minor: UnitPrice | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    venue: Line | None = None
    hours: Annotated[str, _string(0, 200), AfterValidator(_line)] | None = None
    plan_b: PlanBBody | None = None
    payout: PayoutBody | None = None
    reveal: Reveal | None = None
    transfer_days: TransferDays | None = None


class MemberBody(PlainBody):
    """Who pledges."""

    email: Address
    name: Name = ""


class PartBody(PlainBody):
    """A further part of a pledge; it is in if its own condition holds beside the pledge's."""

    kind: Kind
    amount: AmountOrOne = Field(default=None, validate_default=True)
    condition: ConditionJson = None


class PledgeBody(PlainBody):
    """A pledge, as its member states it."""

    kind: Kind
    amount: AmountOrOne = Field(default=None, validate_default=True)
    member: MemberBody
    place: Place | None = None
    condition: ConditionJson = None
    public_name: Flag = False
    payment_method: PaymentMethod | None = None
    #: None is a refund, so that a body of before is the same body still.
    fallback: FallbackWord | None = None
    more: Annotated[list[PartBody], Field(max_length=10)] = []


class PledgePatch(Body):
    """Changes of a pledge: a field left out stays; a null condition takes the condition away."""

    amount: Amount | None = None
    condition: Annotated[ConditionJson, Field(default=None)] = None
    payment_method: PaymentMethod | None = None
    fallback: FallbackWord | None = None


class ConfirmBody(Body):
    """The token of the link that was mailed."""

    token: Annotated[str, _string(1, 200)]
