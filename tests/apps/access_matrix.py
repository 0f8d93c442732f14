"""Who may ask what: one row for each route, one column for each of the cast.

The columns are anonymous, another organiser (Cleo), the campaign's organiser (Ana, by token and by
session) and the site's owner. A cell is the first digit of the status, or the whole status. A route
is `METHOD path`; `{code}` is a launched campaign of Ana's, `{draft}` a draft of hers, `{doomed}`
one to cancel, `{pledge}` and `{receipt}` a pledge to the first.
"""

from typing import Final, NamedTuple


class Row(NamedTuple):
    """What each of the cast is answered."""

    anonymous: int
    other: int
    organiser: int
    owner: int


EVERYBODY: Final = Row(2, 2, 2, 2)
NOBODY: Final = Row(404, 404, 404, 404)
OWN_BY_TOKEN: Final = Row(401, 404, 2, 404)
OWN_BY_SESSION: Final = Row(302, 404, 2, 404)
OWNERS_DESK: Final = Row(302, 404, 404, 2)
SIGNED_IN: Final = Row(302, 2, 2, 2)

#: Of nothing that is there.
NO_ID: Final = "00000000-0000-7000-8000-000000000000"

NO_MEMBER: Final = f"0-{NO_ID.replace('-', '')}"
NO_TOKEN: Final = f"99999999999-{'0' * 40}"

#: The URL pattern as the resolver names it → (method, address to ask, row), several if it has more.
MATRIX: Final[dict[str, list[tuple[str, str, Row]]]] = {
    "healthz": [("GET", "/healthz", EVERYBODY)],
    "readyz": [("GET", "/readyz", Row(503, 503, 503, 503))],
    "metrics": [("GET", "/metrics", Row(401, 401, 401, 401))],
    "api/v1/openapi.json": [("GET", "/api/v1/openapi.json", EVERYBODY)],
    "api/v1/": [("GET", "/api/v1/", Row(404, 404, 404, 404))],
    "api/v1/^": [("GET", "/api/v1/nothing", Row(404, 404, 404, 404))],
    "^api(?:/|$)": [("GET", "/api/v2", Row(404, 404, 404, 404))],
    "api/v1/campaigns": [
        ("GET", "/api/v1/campaigns", EVERYBODY),
        ("POST", "/api/v1/campaigns", Row(401, 422, 422, 422)),
    ],
    "api/v1/campaigns/<code>": [
        ("GET", "/api/v1/campaigns/{code}", EVERYBODY),
        ("GET", "/api/v1/campaigns/{draft}", Row(404, 404, 2, 404)),
        ("PATCH", "/api/v1/campaigns/{code}", OWN_BY_TOKEN),
    ],
    "api/v1/campaigns/<code>/launch": [
        ("POST", "/api/v1/campaigns/{code}/launch", Row(401, 404, 409, 404)),
    ],
    "api/v1/campaigns/<code>/cancel": [
        ("POST", "/api/v1/campaigns/{doomed}/cancel", OWN_BY_TOKEN),
    ],
    "api/v1/campaigns/<code>/execute": [
        ("POST", "/api/v1/campaigns/{code}/execute", Row(401, 404, 409, 404)),
    ],
    "api/v1/campaigns/<code>/fail": [
        ("POST", "/api/v1/campaigns/{code}/fail", Row(401, 404, 422, 404)),
    ],
    "api/v1/campaigns/<code>/finish": [
        ("POST", "/api/v1/campaigns/{code}/finish", Row(401, 404, 409, 404)),
    ],
    "api/v1/campaigns/<code>/ledger": [("GET", "/api/v1/campaigns/{code}/ledger", EVERYBODY)],
    "api/v1/campaigns/<code>/pledges": [
        ("GET", "/api/v1/campaigns/{code}/pledges", OWN_BY_TOKEN),
        ("POST", "/api/v1/campaigns/{code}/pledges", Row(422, 422, 422, 422)),
    ],
    "api/v1/pledges/<code>": [
        ("GET", "/api/v1/pledges/{pledge}", Row(404, 404, 404, 404)),
        ("GET", "/api/v1/pledges/{pledge}?receipt={receipt}", EVERYBODY),
        ("PATCH", "/api/v1/pledges/{pledge}", Row(404, 404, 404, 404)),
        ("DELETE", "/api/v1/pledges/{pledge}", Row(404, 404, 404, 404)),
    ],
    "api/v1/pledges/<code>/ballots": [
        ("GET", "/api/v1/pledges/{pledge}/ballots", NOBODY),
        ("GET", "/api/v1/pledges/{pledge}/ballots?receipt={receipt}", EVERYBODY),
        ("POST", "/api/v1/pledges/{pledge}/ballots", Row(422, 422, 422, 422)),
    ],
    "api/v1/pledges/<code>/proof": [
        ("GET", "/api/v1/pledges/{pledge}/proof", NOBODY),
        ("GET", "/api/v1/pledges/{pledge}/proof?receipt={receipt}", NOBODY),
    ],
    "api/v1/pledges/<code>/confirm": [
        ("POST", "/api/v1/pledges/{pledge}/confirm", Row(422, 422, 422, 422)),
    ],
    "api/v1/self-check": [("GET", "/api/v1/self-check", Row(401, 404, 404, 2))],
    "hooks/stripe": [("POST", "/hooks/stripe", Row(400, 400, 400, 400))],
    "": [("GET", "/", EVERYBODY)],
    "campaigns/": [("GET", "/campaigns/", EVERYBODY)],
    "how/": [("GET", "/how/", EVERYBODY)],
    "feed/": [("GET", "/feed/", EVERYBODY)],
    "sitemap.xml": [("GET", "/sitemap.xml", EVERYBODY)],
    "robots.txt": [("GET", "/robots.txt", EVERYBODY)],
    ".well-known/security.txt": [("GET", "/.well-known/security.txt", EVERYBODY)],
    ".well-known/change-password": [
        ("GET", "/.well-known/change-password", Row(302, 302, 302, 302)),
    ],
    "c/<code>/share.png": [
        ("GET", "/c/{code}/share.png", EVERYBODY),
        ("GET", "/c/{draft}/share.png", NOBODY),
    ],
    "c/<code>/qr.svg": [
        ("GET", "/c/{code}/qr.svg", EVERYBODY),
        ("GET", "/c/{draft}/qr.svg", NOBODY),
    ],
    "c/<code>/poster/": [
        ("GET", "/c/{code}/poster/", EVERYBODY),
        ("GET", "/c/{draft}/poster/", NOBODY),
    ],
    "embed/<code>/": [
        ("GET", "/embed/{code}/", EVERYBODY),
        ("GET", "/embed/{draft}/", NOBODY),
    ],
    # For those who build the site, who ask for it: elsewhere there is no such page.
    "styleguide/": [("GET", "/styleguide/", NOBODY)],
    "language/": [("POST", "/language/", Row(302, 302, 302, 302))],
    "c/<code>/": [
        ("GET", "/c/{code}/", EVERYBODY),
        ("GET", "/c/{draft}/", NOBODY),
    ],
    "c/<code>/meter/": [
        ("GET", "/c/{code}/meter/", EVERYBODY),
        ("GET", "/c/{draft}/meter/", NOBODY),
    ],
    "c/<code>/pledge/": [
        ("GET", "/c/{code}/pledge/", EVERYBODY),
        ("GET", "/c/{draft}/pledge/", NOBODY),
        ("POST", "/c/{code}/pledge/", Row(422, 422, 422, 422)),
    ],
    "c/<code>/removed/": [
        ("GET", "/c/{code}/removed/", EVERYBODY),
        ("GET", "/c/{draft}/removed/", NOBODY),
    ],
    "c/<code>/ledger/": [
        ("GET", "/c/{code}/ledger/", EVERYBODY),
        ("GET", "/c/{draft}/ledger/", NOBODY),
    ],
    "my-data/": [
        ("GET", "/my-data/", EVERYBODY),
        ("POST", "/my-data/", Row(422, 422, 422, 422)),
    ],
    # What a mailed link opens is tested in tests/apps/web/test_my_data.py.
    "my-data/<who>/": [("GET", f"/my-data/{NO_MEMBER}/?token={NO_TOKEN}", NOBODY)],
    "my-data/<who>/export.json": [
        ("GET", f"/my-data/{NO_MEMBER}/export.json?token={NO_TOKEN}", NOBODY)
    ],
    "my-data/<who>/erase/": [
        ("GET", f"/my-data/{NO_MEMBER}/erase/?token={NO_TOKEN}", NOBODY),
        ("POST", f"/my-data/{NO_MEMBER}/erase/?token={NO_TOKEN}", NOBODY),
    ],
    "p/<code>/": [
        ("GET", "/p/{pledge}/", NOBODY),
        ("GET", "/p/{pledge}/?receipt={receipt}", EVERYBODY),
    ],
    "p/<code>/proof/": [
        ("GET", "/p/{pledge}/proof/", NOBODY),
        ("GET", "/p/{pledge}/proof/?receipt={receipt}", EVERYBODY),
    ],
    # Nothing is signed yet.
    "p/<code>/proof.png": [("GET", "/p/{pledge}/proof.png?receipt={receipt}", NOBODY)],
    "log/": [("GET", "/log/", EVERYBODY)],
    "log/checkpoint": [("GET", "/log/checkpoint", NOBODY)],
    "log/key": [("GET", "/log/key", EVERYBODY)],
    "log/export.jsonl": [("GET", "/log/export.jsonl", EVERYBODY)],
    "log/tile/entries/<path:place>": [("GET", "/log/tile/entries/000", NOBODY)],
    "log/tile/<int:level>/<path:place>": [("GET", "/log/tile/0/000", NOBODY)],
    "verify.py": [("GET", "/verify.py", EVERYBODY)],
    "p/<code>/confirm/": [
        ("GET", "/p/{pledge}/confirm/", NOBODY),
        ("POST", "/p/{pledge}/confirm/", NOBODY),
    ],
    "p/<code>/not-me/": [
        ("GET", "/p/{pledge}/not-me/", NOBODY),
        ("POST", "/p/{pledge}/not-me/?token=guessed", NOBODY),
        ("GET", "/p/{pledge}/not-me/?token={receipt}", NOBODY),
    ],
    "p/<code>/change/": [
        ("GET", "/p/{pledge}/change/", NOBODY),
        ("POST", "/p/{pledge}/change/", NOBODY),
        ("GET", "/p/{pledge}/change/?receipt={receipt}", EVERYBODY),
    ],
    "p/<code>/withdraw/": [
        ("GET", "/p/{pledge}/withdraw/", NOBODY),
        ("POST", "/p/{pledge}/withdraw/", NOBODY),
        ("GET", "/p/{pledge}/withdraw/?receipt={receipt}", EVERYBODY),
    ],
    "p/<code>/card/": [
        ("GET", "/p/{pledge}/card/", NOBODY),
        ("POST", "/p/{pledge}/card/", NOBODY),
        # A signature needs none, so its owner is led back to the pledge.
        ("GET", "/p/{pledge}/card/?receipt={receipt}", Row(302, 302, 302, 302)),
    ],
    "p/<code>/card/back/": [("GET", "/p/{pledge}/card/back/", NOBODY)],
    "p/<code>/fallback/": [
        ("GET", "/p/{pledge}/fallback/", NOBODY),
        ("POST", "/p/{pledge}/fallback/", NOBODY),
        # Without plans there is nothing to choose, so its owner is led back to the pledge.
        ("GET", "/p/{pledge}/fallback/?receipt={receipt}", Row(302, 302, 302, 302)),
    ],
    "p/<code>/ballot/": [
        ("GET", "/p/{pledge}/ballot/", NOBODY),
        ("POST", "/p/{pledge}/ballot/", NOBODY),
        ("GET", "/p/{pledge}/ballot/?receipt={receipt}", EVERYBODY),
    ],
    "p/<code>/transfer/": [
        ("GET", "/p/{pledge}/transfer/", NOBODY),
        # Nothing is to be transferred for a signature, so its owner is led back to the pledge.
        ("GET", "/p/{pledge}/transfer/?receipt={receipt}", Row(302, 302, 302, 302)),
    ],
    "p/<code>/transfer.png": [("GET", "/p/{pledge}/transfer.png?receipt={receipt}", NOBODY)],
    "p/<code>/report/": [("POST", "/p/{pledge}/report/", NOBODY)],
    "p/<code>/ticket.png": [("GET", "/p/{pledge}/ticket.png", NOBODY)],
    "p/<code>/event.ics": [("GET", "/p/{pledge}/event.ics", NOBODY)],
    # The sandbox shows its mails to whoever sits at the machine; a live site has no outbox.
    "outbox/": [("GET", "/outbox/", EVERYBODY)],
    "outbox/<int:number>/": [("GET", "/outbox/99999999/", NOBODY)],
    "outbox/<int:number>/html": [("GET", "/outbox/99999999/html", NOBODY)],
    "outbox/<int:number>/<int:index>/": [("GET", "/outbox/99999999/0/", NOBODY)],
    "organise/": [("GET", "/organise/", SIGNED_IN)],
    "organise/new/": [("GET", "/organise/new/", SIGNED_IN)],
    "organise/new/<template>/": [
        ("GET", "/organise/new/fund/", SIGNED_IN),
        ("POST", "/organise/new/fund/", Row(302, 422, 422, 422)),
    ],
    "organise/<code>/": [
        ("GET", "/organise/{code}/", OWN_BY_SESSION),
        ("GET", "/organise/{draft}/", OWN_BY_SESSION),
    ],
    "organise/<code>/edit/": [
        ("GET", "/organise/{draft}/edit/", OWN_BY_SESSION),
        ("POST", "/organise/{draft}/edit/", Row(302, 404, 422, 404)),
    ],
    "organise/<code>/rehearse/": [("GET", "/organise/{draft}/rehearse/", OWN_BY_SESSION)],
    "organise/<code>/launch/": [("GET", "/organise/{draft}/launch/", OWN_BY_SESSION)],
    "organise/<code>/launch/now/": [
        ("POST", "/organise/{draft}/launch/now/", Row(302, 404, 302, 404)),
    ],
    "organise/<code>/story/": [
        ("GET", "/organise/{code}/story/", OWN_BY_SESSION),
        ("POST", "/organise/{code}/story/", Row(302, 404, 302, 404)),
    ],
    "organise/<code>/thank/": [
        ("GET", "/organise/{code}/thank/", OWN_BY_SESSION),
        ("POST", "/organise/{code}/thank/", Row(302, 404, 422, 404)),
    ],
    "organise/<code>/execute/": [
        ("GET", "/organise/{code}/execute/", OWN_BY_SESSION),
        ("POST", "/organise/{code}/execute/", Row(302, 404, 302, 404)),
    ],
    "organise/<code>/fail/": [
        ("GET", "/organise/{code}/fail/", OWN_BY_SESSION),
        ("POST", "/organise/{code}/fail/", Row(302, 404, 422, 404)),
    ],
    "organise/<code>/finish/": [
        ("GET", "/organise/{code}/finish/", OWN_BY_SESSION),
        ("POST", "/organise/{code}/finish/", Row(302, 404, 302, 404)),
    ],
    "organise/<code>/cancel/": [
        ("GET", "/organise/{code}/cancel/", OWN_BY_SESSION),
        ("POST", "/organise/{code}/cancel/", Row(302, 404, 422, 404)),
    ],
    "organise/account/": [
        ("GET", "/organise/account/", SIGNED_IN),
        ("POST", "/organise/account/", Row(302, 302, 302, 302)),
    ],
    "organise/account/back/": [("GET", "/organise/account/back/", Row(302, 302, 302, 302))],
    "organise/<code>/payouts/": [
        ("GET", "/organise/{code}/payouts/", OWN_BY_SESSION),
        ("POST", "/organise/{code}/payouts/", Row(302, 404, 422, 404)),
    ],
    "organise/<code>/payouts/<uuid:id>/stop/": [
        ("POST", f"/organise/{{code}}/payouts/{NO_ID}/stop/", Row(302, 404, 302, 404)),
    ],
    "organise/<code>/payouts/<uuid:id>/delivery/": [
        ("POST", f"/organise/{{code}}/payouts/{NO_ID}/delivery/", Row(302, 404, 302, 404)),
    ],
    "organise/<code>/proof/": [
        ("GET", "/organise/{code}/proof/", OWN_BY_SESSION),
        ("POST", "/organise/{code}/proof/", Row(302, 404, 422, 404)),
    ],
    "organise/offered/<code>/": [
        ("GET", "/organise/offered/{code}/", Row(302, 404, 404, 404)),
        ("POST", "/organise/offered/{code}/", Row(302, 404, 404, 404)),
    ],
    "organise/<code>/hand-over/": [
        ("GET", "/organise/{code}/hand-over/", OWN_BY_SESSION),
        ("POST", "/organise/{code}/hand-over/", Row(302, 404, 422, 404)),
    ],
    "organise/<code>/backers.csv": [("GET", "/organise/{code}/backers.csv", OWN_BY_SESSION)],
    "c/<code>/documents/<uuid:id>/": [("GET", f"/c/{{code}}/documents/{NO_ID}/", NOBODY)],
    "freeze/<uuid:id>/": [
        ("GET", f"/freeze/{NO_ID}/", NOBODY),
        ("POST", f"/freeze/{NO_ID}/?key=guessed", NOBODY),
    ],
    "desk/payouts/": [("GET", "/desk/payouts/", OWNERS_DESK)],
    "desk/payouts/freeze/<uuid:id>/": [
        ("POST", f"/desk/payouts/freeze/{NO_ID}/", Row(302, 404, 404, 302)),
    ],
    "desk/payouts/<uuid:id>/": [
        ("GET", f"/desk/payouts/{NO_ID}/", Row(302, 404, 404, 404)),
    ],
    "desk/payouts/<uuid:id>/<verb>/": [
        ("POST", f"/desk/payouts/{NO_ID}/approve/", Row(302, 404, 404, 404)),
    ],
    "desk/": [("GET", "/desk/", OWNERS_DESK)],
    "desk/money/": [("GET", "/desk/money/", OWNERS_DESK)],
    "desk/money/<uuid:id>/": [
        ("POST", "/desk/money/00000000-0000-7000-8000-000000000000/", Row(302, 404, 404, 404)),
    ],
    "desk/moderation/": [("GET", "/desk/moderation/", OWNERS_DESK)],
    "desk/moderation/<code>/": [
        ("GET", "/desk/moderation/{code}/", OWNERS_DESK),
        ("GET", "/desk/moderation/{draft}/", Row(302, 404, 404, 404)),
        ("POST", "/desk/moderation/{code}/", Row(302, 404, 404, 422)),
    ],
    "desk/moderation/<code>/<uuid:id>/": [
        ("POST", f"/desk/moderation/{{code}}/{NO_ID}/", Row(302, 404, 404, 404)),
    ],
    "desk/erasures/": [
        ("GET", "/desk/erasures/", OWNERS_DESK),
        ("POST", "/desk/erasures/", Row(302, 404, 404, 422)),
    ],
    "desk/bank/": [("GET", "/desk/bank/", OWNERS_DESK)],
    "desk/bank/import/": [("POST", "/desk/bank/import/", Row(302, 404, 404, 302))],
    "desk/bank/entry/<uuid:id>/": [
        ("POST", "/desk/bank/entry/00000000-0000-7000-8000-000000000000/", Row(302, 404, 404, 302)),
    ],
    "desk/bank/transfer/<uuid:id>/": [
        (
            "POST",
            "/desk/bank/transfer/00000000-0000-7000-8000-000000000000/",
            Row(302, 404, 404, 302),
        ),
    ],
    "desk/bank/order/": [("POST", "/desk/bank/order/", Row(302, 404, 404, 302))],
    "desk/bank/order/<uuid:id>.xml": [
        (
            "GET",
            "/desk/bank/order/00000000-0000-7000-8000-000000000000.xml",
            Row(302, 404, 404, 404),
        ),
    ],
}

#: Routes of libraries whose own tests cover who may ask; each prefix with the reason.
LEFT_OUT: Final = {"account/": "django-allauth's own pages: signing in is open to everybody"}
