"""What only a browser can say of the face: its weight, its calm, the widget, the feast."""

from __future__ import annotations

import gzip
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import DESK, PHONE, Arrive, keep_picture, too_wide, violations
from tests.live import Begin, Live

pytestmark = pytest.mark.slow

#: What a first view may weigh, compressed as any proxy does, and how often it may ask.
_BYTES_AT_MOST = 60_000
_REQUESTS_AT_MOST = 14
#: A shift that nobody sees: a hundredth of the view, by the browser's own measure.
_SHIFT_AT_MOST = 0.01
_WATCH = """window.shifts = [];
window.watching = new PerformanceObserver((list) => window.shifts.push(...list.getEntries()));
window.watching.observe({ type: "layout-shift", buffered: true });"""
_SHIFTED = """() => [...window.shifts, ...window.watching.takeRecords()]
  .reduce((sum, it) => sum + it.value, 0)"""
_ASKED = """() => [location.href, ...performance.getEntriesByType("resource")
  .filter((it) => it.initiatorType !== "fetch" && !it.name.endsWith("/events"))
  .map((it) => it.name)]"""
_FITS = """() => {
  const { style } = document.querySelector("count-me-in").shadowRoot.querySelector("iframe");
  return style.blockSize.endsWith("px") && style.borderStyle !== "solid";
}"""
_STRANGER = """<!doctype html><html lang="en"><title>A stranger's page</title>
<style>iframe { border: 9px solid red }</style><h1>My blog</h1>
<script src="%(url)s/static/js/widget.js" defer></script>
<count-me-in campaign="%(code)s" theme="dark"></count-me-in><p id="after">And on.</p></html>"""


def weight(url: str) -> int:
    """What is sent of a file: fonts and pictures are packed already, all else is compressed."""
    with urllib.request.urlopen(url) as answer:
        body = answer.read()
    return len(body) if url.endswith((".woff2", ".png")) else len(gzip.compress(body, 6))


@pytest.mark.parametrize("which", ["home", "campaign"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_a_first_view_is_light(
    arrive: Arrive, begin: Begin, which: str, size: dict[str, int]
) -> None:
    """At most 60 kB and 14 requests, and nothing jumps."""
    story = begin(rule={"people": 80}, story="A story. " * 200)
    page = arrive(viewport=size)
    page.add_init_script(_WATCH)
    page.goto("/" if which == "home" else f"/c/{story.code}/")
    page.evaluate("document.fonts.ready.then(() => true)")
    asked = sorted(set(page.evaluate(_ASKED)))
    assert _REQUESTS_AT_MOST >= len(asked), asked
    weights = {url: weight(url) for url in asked}
    assert _BYTES_AT_MOST >= sum(weights.values()), weights
    assert _SHIFT_AT_MOST >= page.evaluate(_SHIFTED)


def test_nothing_jumps_when_the_letters_come_late(arrive: Arrive, begin: Begin, live: Live) -> None:
    """The letters that stand in take the same room; without that, this shifts."""
    story = begin(title="Eighty shoppers on one Saturday", rule={"people": 80})
    page = arrive(viewport=PHONE)
    page.add_init_script(_WATCH)
    held: list[Route] = []
    page.route("**/bricolage.woff2", lambda route: held.append(route))
    page.goto(f"/c/{story.code}/", wait_until="commit")
    painted = "performance.getEntriesByName('first-contentful-paint').length"
    live.until(lambda: page.evaluate(painted) and held)
    lines = page.locator("h1").evaluate("it => it.getBoundingClientRect().height")
    for route in held:
        route.continue_()
    live.until(lambda: page.evaluate("document.fonts.check('700 20px Bricolage')"))
    page.wait_for_load_state("load")
    assert lines == page.locator("h1").evaluate("it => it.getBoundingClientRect().height")
    assert _SHIFT_AT_MOST >= page.evaluate(_SHIFTED)


def test_a_jump_is_seen(arrive: Arrive, live: Live) -> None:
    """The negative control of the two above."""
    page = arrive()
    page.add_init_script(_WATCH)
    page.goto("/how/")
    page.evaluate("document.querySelector('h1').before(document.createElement('textarea'))")
    live.until(lambda: page.evaluate(_SHIFTED) > _SHIFT_AT_MOST)


@pytest.fixture
def stranger() -> Iterator[Callable[[str], str]]:
    """Somebody else's site: shows the page it is given, at an address of its own."""
    pages: dict[str, bytes] = {}

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in pages else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(pages.get(self.path, b""))

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def show(body: str) -> str:
            path = f"/{len(pages)}"
            pages[path] = f'<link rel="icon" href="data:,">{body}'.encode()
            return f"http://127.0.0.1:{server.server_port}{path}"

        yield show
        server.shutdown()


def test_the_widget_on_a_strangers_page(
    arrive: Arrive, begin: Begin, live: Live, stranger: Callable[[str], str]
) -> None:
    """It shows the count in the theme asked for, fits its frame, and opens our own page."""
    story = begin(title="On a blog", rule={"people": 5})
    page = arrive()
    page.goto(stranger(_STRANGER % {"url": live.url, "code": story.code}))
    inside = page.frame_locator("count-me-in iframe")
    expect(inside.get_by_role("heading", name="On a blog")).to_be_visible()
    expect(inside.locator("[data-people]")).to_have_text("0")
    assert "dark" == inside.locator("html").get_attribute("data-theme")
    live.until(lambda: page.evaluate(_FITS))
    with page.context.expect_page() as opened:
        inside.get_by_role("link", name="Count me in").click()
    expect(opened.value.get_by_role("heading", name="Count me in")).to_be_visible()
    assert opened.value.url.startswith(f"{live.url}/c/{story.code}/pledge/")


def test_no_other_page_can_be_framed(
    chromium: Browser, begin: Begin, live: Live, stranger: Callable[[str], str]
) -> None:
    """The negative control: in a frame of the campaign's own page stands the browser's refusal."""
    story = begin(rule={"people": 5})
    context = chromium.new_context()
    page = context.new_page()
    page.goto(stranger(f'<iframe src="{live.url}/c/{story.code}/"></iframe>'))
    live.until(lambda: page.frames[1].url.startswith("chrome-error:"))
    page.goto(stranger(f'<iframe src="{live.url}/embed/{story.code}/"></iframe>'))
    expect(page.frame_locator("iframe").locator("#embed")).to_be_visible()
    context.close()


def tipping(page: Page, part: str) -> str:
    """Which motion a part of the meter has."""
    return str(page.locator(part).first.evaluate("it => getComputedStyle(it).animationName"))


@pytest.mark.parametrize(
    ("motion", "expected"),
    [("no-preference", ("cheer", "pop", "fly")), ("reduce", ("none", "none", "none"))],
)
def test_the_moment_of_tipping_is_a_feast_for_those_who_like_motion(
    arrive: Arrive, begin: Begin, motion: str, expected: tuple[str, ...]
) -> None:
    story = begin(rule={"people": 2})
    page = arrive(reduced_motion=motion)
    page.goto(f"/c/{story.code}/")
    # Whoever is using the page keeps it: it is not loaded anew under their hands.
    page.locator(".wordmark").focus()
    story.join("ben", kind="signature")
    story.join("dora", kind="signature")
    expect(page.locator(".tipped-banner")).to_be_visible(timeout=30_000)
    expect(page.locator("#live-said")).to_have_text("It tipped! Enough people are in.")
    found = (".is-tipping .dots-in", ".is-tipping .tipped-banner", ".is-tipping .confetti path")
    assert expected == tuple(tipping(page, part) for part in found)
    assert [] == violations(page)


def test_the_dots_follow_the_count(arrive: Arrive, begin: Begin, live: Live) -> None:
    story = begin(rule={"people": 5})
    page = arrive()
    page.goto(f"/c/{story.code}/")
    dots = "document.querySelector('.dots-in').getAttribute('d').split('M').length - 1"
    assert 0 == page.evaluate(dots)
    story.join("ben", kind="signature")
    live.until(lambda: page.evaluate(dots) == 1)
    with_script = page.locator(".dots-in").get_attribute("d")
    page.reload()
    assert with_script == page.locator(".dots-in").get_attribute("d"), "the server draws the same"


def test_the_button_is_always_in_reach_on_a_phone(arrive: Arrive, begin: Begin) -> None:
    story = begin(rule={"people": 5}, story="A long story. " * 300)
    page = arrive(viewport=PHONE)
    page.goto(f"/c/{story.code}/")
    button, bar = page.locator("#join"), page.locator(".pledge-bar a")
    expect(button).to_be_in_viewport()
    expect(bar).to_be_hidden()
    page.get_by_role("heading", name="Questions people ask").scroll_into_view_if_needed()
    expect(button).not_to_be_in_viewport()
    expect(bar).to_be_in_viewport()
    bar.click()
    page.wait_for_url("**/pledge/")


def test_the_slider_says_what_it_means_today(arrive: Arrive, begin: Begin) -> None:
    """With the keyboard: what is chosen is in the field that is sent, and a sentence says more."""
    story = begin(rule={"people": 9})
    story.join("dora", kind="signature")
    story.people(1)
    page = arrive()
    page.goto(f"/c/{story.code}/pledge/")
    page.get_by_label("Only when enough people are in").check()
    said, slider = page.locator(".slider-said"), page.locator("#slider-range")
    expect(said).to_have_text("Today that holds: you are in at once.")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#condition_people")).to_have_value("5")
    expect(said).to_have_text("Today you would wait: 3 more have to come before you.")
    page.locator("#condition_people").fill("2")
    expect(slider).to_have_value("2")
    expect(said).to_have_text("Today that holds: you are in at once.")


def test_sharing_hands_on_the_address(arrive: Arrive, begin: Begin, live: Live) -> None:
    story = begin(rule={"people": 5})
    page = arrive(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"/c/{story.code}/")
    page.get_by_role("button", name="Copy the link").click()
    expect(page.locator("#share-said")).to_have_text("Copied")
    assert f"{live.url}/c/{story.code}/" == page.evaluate("navigator.clipboard.readText()")


def test_a_poster_fits_one_sheet(arrive: Arrive, begin: Begin) -> None:
    story = begin(
        title="A hundred neighbours close Mill Lane for one long table", rule={"people": 5}
    )
    page = arrive()
    page.goto(f"/c/{story.code}/poster/")
    sheet: Any = page.pdf(format="A4")
    assert 1 == sheet.count(b"/Type /Page\n") + sheet.count(b"/Type/Page/")
    page.emulate_media(media="print")
    keep_picture(page, "poster-print")
    assert 0 >= too_wide(page)
