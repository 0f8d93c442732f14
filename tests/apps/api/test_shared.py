"""Pages shared by everybody: fresh, the same for all, asked for once, and never anybody's own."""

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.test import Client

from countmein.campaigns.models import Campaign
from countmein.intake.routes import route_of
from countmein.members.models import Organiser
from tests.apps.api.live import Live, poll, serving
from tests.apps.api.test_events import announce

Launch = Callable[..., Campaign]


@pytest.fixture
def live(transactional_db: None) -> Iterator[Live]:
    """The site on a socket."""
    with serving() as running:
        yield running


def see(live: Live, path: str, *, method: str = "GET", **headers: str) -> Any:
    """Ask once; the body is in `body`."""
    wire = http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)
    wire.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer: Any = wire.getresponse()
    answer.body = answer.read()
    wire.close()
    return answer


def is_shared(answer: Any) -> bool:
    """Whether the answer came from what is kept for everybody."""
    return "Age" in answer.headers


def test_everybody_is_given_the_same_page_and_may_keep_it_for_a_second(
    live: Live, launch: Launch
) -> None:
    campaign = launch()
    for path in ("/", "/how/", "/campaigns/", f"/c/{campaign.code}/", f"/c/{campaign.code}/meter/"):
        answer = see(live, path)
        assert 200 == answer.status
        control = "public, max-age=1, stale-while-revalidate=1, stale-if-error=30"
        assert control == answer.headers["Cache-Control"]
        assert "Accept-Language, Cookie, Authorization" == answer.headers["Vary"]
        assert is_shared(answer) and answer.headers["ETag"], path
        assert answer.headers["Content-Security-Policy"], path
        assert "X-Countmein-Shared" not in answer.headers
    for path in ("", f"/{campaign.code}", f"/{campaign.code}/ledger"):
        assert is_shared(see(live, f"/api/v1/campaigns{path}")), path


def test_whoever_has_a_session_or_a_token_is_answered_alone(
    live: Live, launch: Launch, ana: Organiser
) -> None:
    campaign, browser = launch(), Client()
    path = f"/c/{campaign.code}/"
    assert is_shared(see(live, path))
    browser.force_login(ana)
    assert SESSION_KEY in browser.session
    cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
    hers = see(live, path, Cookie=cookie)
    assert b"ana@example.org" in hers.body
    assert not is_shared(hers)
    assert "private, no-cache" == hers.headers["Cache-Control"]
    assert "X-Countmein-Shared" not in hers.headers
    assert b"ana@example.org" not in see(live, path).body
    wrong = see(live, f"/api/v1/campaigns/{campaign.code}", Authorization="Bearer nobody")
    assert 401 == wrong.status


def test_what_the_first_who_asks_brings_along_is_not_in_the_page(
    live: Live, launch: Launch
) -> None:
    """Ben's own cookies and headers never reach the view that makes the page for all."""
    seen: list[Mapping[str, Any]] = []

    def pages(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        seen.append(environ)
        start("200 OK", [("X-Countmein-Shared", "1")])
        return [b"a page"]

    live.intake._pages.serve(pages)
    see(live, "/", Cookie="csrftoken=bens; other=bens", User_Agent="bens", Accept="bens")
    (environ,) = seen
    assert "bens" not in str({k: v for k, v in environ.items() if k.startswith("HTTP_")})


@pytest.mark.parametrize(
    "headers",
    [
        [],  # the view says nothing
        [("X-Countmein-Shared", "1"), ("Set-Cookie", "csrftoken=one")],
    ],
)
def test_a_page_that_is_not_marked_or_sets_a_cookie_is_not_kept(
    live: Live, headers: list[tuple[str, str]]
) -> None:
    asked: list[str] = []

    def pages(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        asked.append(environ.get("HTTP_COOKIE", ""))
        start("200 OK", headers)
        return [b"somebody's own"]

    live.intake._pages.serve(pages)
    for who in ("csrftoken=ben", "csrftoken=cleo"):
        assert not is_shared(see(live, "/", Cookie=who))
        assert who == asked[-1]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("GET", "/c/abc/pledge/"),
        ("GET", "/p/abc/"),
        ("GET", "/organise/"),
        ("GET", "/organise/abc/"),
        ("GET", "/account/login/"),
        ("GET", "/api/v1/pledges/abc"),
        ("GET", "/api/v1/campaigns/abc/pledges"),
        ("GET", "/c/abc/documents/00000000-0000-7000-8000-000000000000/"),
        ("GET", "/outbox/"),
    ],
)
def test_what_may_be_somebodys_own_is_never_shared(method: str, path: str) -> None:
    assert not route_of(method, path, b"").is_shared


def test_who_has_the_page_already_is_told_so(live: Live, launch: Launch) -> None:
    path = f"/c/{launch().code}/meter/"
    first = see(live, path)
    for tag in (first.headers["ETag"], f'"other", W/{first.headers["ETag"]}', "*"):
        again = see(live, path, If_None_Match=tag)
        assert (304, b"") == (again.status, again.body)
        assert first.headers["ETag"] == again.headers["ETag"]
    assert 200 == see(live, path, If_None_Match='"other"').status


def test_head_says_what_get_says_without_the_page(live: Live, launch: Launch) -> None:
    path = f"/c/{launch().code}/meter/"
    whole, head = see(live, path), see(live, path, method="HEAD")
    assert (200, b"") == (head.status, head.body)
    for name in ("ETag", "Content-Length", "Content-Type", "X-Campaign-State"):
        assert whole.headers[name] == head.headers[name]


def test_each_language_has_a_page_of_its_own(live: Live, settings: Any) -> None:
    settings.LANGUAGES = [("en-gb", "English"), ("de", "Deutsch")]
    from django.utils.translation import trans_real

    from countmein.intake.sharing import spoken

    trans_real.get_languages.cache_clear()
    spoken.cache_clear()
    try:
        for headers, language in (
            ({"Accept_Language": "de-AT,de;q=0.9"}, b'lang="de"'),
            ({"Accept_Language": "fr"}, b'lang="en-gb"'),
            ({"Cookie": "django_language=de"}, b'lang="de"'),
        ):
            answer = see(live, "/how/", **headers)
            assert is_shared(answer)
            assert b"<html " + language in answer.body
    finally:
        trans_real.get_languages.cache_clear()
        spoken.cache_clear()


def test_a_change_that_was_announced_is_seen(live: Live, launch: Launch) -> None:
    campaign = launch()
    path = f"/c/{campaign.code}/meter/"
    assert b"data-people>0<" in see(live, path).body
    poll(lambda: live.intake._tallies._is_heard)
    announce(campaign, people=7)
    poll(lambda: b"data-people>7<" in see(live, path).body)


def test_whoever_wrote_reads_what_they_wrote(live: Live, launch: Launch, ana: Organiser) -> None:
    from countmein.members.actions import token_for

    campaign, token = launch(), token_for(email=ana.email)
    path = f"/api/v1/campaigns/{campaign.code}"
    assert "open" == json.loads(see(live, path).body)["state"]
    hers = {"Authorization": f"Bearer {token}", "Content_Type": "application/json"}
    assert 200 == see(live, f"{path}/cancel", method="POST", **hers).status
    assert "open" != json.loads(see(live, path).body)["state"]
    (listed,) = json.loads(see(live, "/api/v1/campaigns").body)["items"]
    assert "open" != listed["state"]
