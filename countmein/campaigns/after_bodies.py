"""What a request may say once a campaign has tipped and is carried out."""

from __future__ import annotations

import uuid
from typing import Annotated

from pydantic import Field, StringConstraints

from countmein.campaigns.bodies import Body, PlainBody, Script

Payments = Annotated[list[uuid.UUID], Field(max_length=100)]


class FailBody(PlainBody):
    """It cannot be carried out: what has happened, in words for everybody who is in.

    `refused` are payments that were asked for and not made: they are stopped. `lost` are payments
    that were made and bring neither the thing nor the money.
    """

    text: Script = ""
    refused: Payments = []
    lost: Payments = []


class VoteBody(Body):
    """One's vote in a ballot that is open."""

    ballot: uuid.UUID
    choice: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=32)]
