"""The form's door when it is full: nothing typed is lost, one pledge however often, in order."""

import asyncio
import http.client
import json
import re
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator
from html import unescape
from typing import Any

import pytest
from django.core import signing

from countmein.base.group_commit import Full
from countmein.campaigns import pledge_door
from countmein.campaigns.models import Campaign, Pledge
from countmein.intake.overload import DoorFull, FormDoor, Intent, full_page
from tests.apps.api.live import Live, serving

Launch = Callable[..., Campaign]


@pytest.fixture
def live(transactional_db: None) -> Iterator[Live]:
    """The site on a socket."""
    with serving() as running:
        yield running


class Ben:
    """Ben's browser, without JavaScript."""

    def __init__(self, live: Live, campaign: Campaign) -> None:
        self._port = live.port
        self._path = f"/c/{campaign.code}/pledge/"
        self._cookies: dict[str, str] = {}
        self.page = ""

    def see(self, fields: dict[str, str] | None = None) -> Any:
        """Open the form, or send it."""
        wire = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        body = urllib.parse.urlencode(fields) if fields is not None else None
        wire.request("POST" if body is not None else "GET", self._path, body, headers)
        answer = wire.getresponse()
        self.page = answer.read().decode()
        for said in answer.headers.get_all("Set-Cookie") or ():
            name, value = said.split(";")[0].split("=", 1)
            self._cookies[name] = value
        wire.close()
        return answer

    def hidden(self) -> dict[str, str]:
        """The hidden fields of the page before him."""
        found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', self.page)
        return {unescape(name): unescape(value) for name, value in found}


TYPED = {"kind": "signature", "condition": "none", "name": 'Ben "B" <b>', "public_name": "1"}


def typed(who: str = "ben") -> dict[str, str]:
    """What somebody types into the form."""
    return {**TYPED, "email": f"{who}@example.org"}


def test_what_was_typed_is_kept_and_is_one_pledge_once_there_is_room(
    live: Live, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = launch()
    ben = Ben(live, campaign)
    assert 200 == ben.see().status
    form = {**ben.hidden(), **typed()}
    take = pledge_door.take

    def full(*_args: Any, **_said: Any) -> Any:
        raise Full

    monkeypatch.setattr(pledge_door, "take", full)
    answer = ben.see(form)
    assert 503 == answer.status
    assert "5" == answer.headers["Retry-After"]
    assert "no-store" == answer.headers["Cache-Control"]
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "X-Countmein-Full" not in answer.headers
    kept = ben.hidden()
    assert form == {name: kept[name] for name in form}
    assert 503 == ben.see(kept).status
    assert kept == ben.hidden(), "the place in the line changed"
    monkeypatch.setattr(pledge_door, "take", take)
    places = {ben.see(kept).headers["Location"].split("?")[0] for _time in range(3)}
    assert 1 == len(places) == Pledge.objects.count()


def test_a_full_line_answers_without_asking_the_site(live: Live, launch: Launch) -> None:
    live.intake._forms.inside_at_most = 0
    live.intake._forms._line_at_most = 0
    live.intake._pages.serve(None)
    ben = Ben(live, launch())
    assert 503 == ben.see(typed()).status
    kept = ben.hidden()
    assert typed() == {name: kept[name] for name in typed()}
    assert len(kept["key"]) >= 16, "without a key the second try would be a second pledge"


def test_what_is_not_a_form_is_refused_without_a_page() -> None:
    reply = full_page(None, language="en-gb")
    assert (503, "unavailable") == (reply.status, json.loads(reply.body)["reason"])


def run(story: Callable[[], Awaitable[None]]) -> None:
    """Tell a story in an event loop."""

    async def tell() -> None:
        await asyncio.wait_for(story(), 10)

    asyncio.run(tell())


async def turns(door: FormDoor, arrivals: list[int]) -> list[int]:
    """Send these to a door that is busy, then let it go on; the order in which they got in."""
    came: list[int] = []
    is_open = asyncio.Event()

    async def busy() -> None:
        async with door.turn(0):
            await is_open.wait()

    async def visit(arrived_at: int) -> None:
        async with door.turn(arrived_at):
            came.append(arrived_at)

    first = asyncio.ensure_future(busy())
    await asyncio.sleep(0)
    visits = [asyncio.ensure_future(visit(at)) for at in arrivals]
    await asyncio.sleep(0)
    is_open.set()
    for answer in await asyncio.gather(first, *visits, return_exceptions=True):
        assert answer is None or isinstance(answer, DoorFull)
    return came


def test_who_came_first_goes_first() -> None:
    async def story() -> None:
        door = FormDoor(inside_at_most=1, patience_seconds=60)
        assert [1, 2, 3, 4, 5] == await turns(door, [5, 3, 1, 4, 2])
        assert (0, []) == (door._inside, door._line)

    run(story)


def test_a_full_line_is_left_by_whoever_came_last() -> None:
    async def story() -> None:
        door = FormDoor(inside_at_most=1, line_at_most=2, patience_seconds=60)
        assert [1, 2] == await turns(door, [5, 3, 1, 4, 2])

    run(story)


def test_who_waits_in_vain_is_told_and_whoever_leaves_takes_no_turn_along() -> None:
    async def story() -> None:
        door = FormDoor(inside_at_most=1, patience_seconds=0.01)
        async with door.turn(0):
            with pytest.raises(DoorFull):
                async with door.turn(1):
                    raise AssertionError("it was full")
        door = FormDoor(inside_at_most=1, patience_seconds=60)

        async def visit() -> None:
            async with door.turn(1):
                raise AssertionError("it had left")

        async with door.turn(0):
            leaving = asyncio.ensure_future(visit())
            await asyncio.sleep(0)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
        async with door.turn(2):
            assert (1, []) == (door._inside, door._line)

    run(story)


@pytest.mark.parametrize("left", [TimeoutError, asyncio.CancelledError])
def test_who_is_called_in_while_leaving_gives_the_turn_back(
    left: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whichever order the two come; otherwise the door would have a place less for ever."""

    async def story() -> None:
        door = FormDoor(inside_at_most=1)

        async def gives_up(turn: asyncio.Future[None], _seconds: float) -> None:
            await turn
            raise left

        async with door.turn(1):
            monkeypatch.setattr(asyncio, "wait_for", gives_up)
            late = asyncio.ensure_future(door._stand(2))
            await asyncio.sleep(0)
        monkeypatch.undo()
        with pytest.raises(DoorFull if left is TimeoutError else left):
            await late
        assert 0 == door._inside

    run(story)


def test_a_place_in_the_line_cannot_be_made_up_or_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "k" * 32
    monkeypatch.setattr("django.core.signing.time.time", lambda: 1_000_000.0)
    first = Intent("abc", [("key", key)])
    assert 1_000_000 == first.arrived_at
    monkeypatch.setattr("django.core.signing.time.time", lambda: 1_000_600.0)
    assert 1_000_000 == Intent("abc", first.fields).arrived_at
    strange = signing.TimestampSigner(salt="another").sign(f"abc {key}")
    for note in (first.note[:-1] + "x", strange, "", "::"):
        assert 1_000_600 == Intent("abc", [("key", key), ("arrived", note)]).arrived_at
    assert 1_000_600 == Intent("other", first.fields).arrived_at
    assert 1_000_600 == Intent("abc", [("key", "j" * 32), ("arrived", first.note)]).arrived_at
    monkeypatch.setattr("django.core.signing.time.time", lambda: 1_003_601.0)
    assert 1_003_601 == Intent("abc", first.fields).arrived_at
