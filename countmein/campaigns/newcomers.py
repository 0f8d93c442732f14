"""Who has just pledged, sealed in the row of the pledge until they are enrolled among the members.

Sealed under the site's key, because a key of their own would have to be written first, and whoever
pledges waits for that. It is there for seconds.
"""

from __future__ import annotations

import binascii
import uuid

from countmein.base.sealing import seal, unseal
from countmein.campaigns.models import Pledge
from countmein.members.actions import Person


def seal_newcomer(pledge_id: uuid.UUID, person: Person) -> str:
    """What a pledge's row keeps of who made it, as JSON text."""
    said = "\n".join((person.address, person.name, person.language))
    sealed = seal(said.encode(), about=f"newcomer:{pledge_id}")
    return f'"{binascii.b2a_base64(sealed, newline=False).decode()}"'


def newcomer_of(row: Pledge) -> Person | None:
    """Who made a pledge, while its row still says so. Raises SealBroken."""
    if row.newcomer is None:
        return None
    if isinstance(row.newcomer, dict):
        # It was pledged before newcomers were sealed.
        return Person(**row.newcomer)
    plain = unseal(binascii.a2b_base64(row.newcomer), about=f"newcomer:{row.id}")
    # An address and a language are one line; a name may be whatever was typed.
    address, rest = plain.decode().split("\n", 1)
    name, language = rest.rsplit("\n", 1)
    return Person(address=address, name=name, language=language)
