"""Every route has a row in the access matrix, and answers as the row says."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, path

from countmein.campaigns.actions.draft import draft
from countmein.campaigns.bodies import CampaignBody
from countmein.campaigns.models import Campaign
from countmein.members.actions import token_for
from countmein.members.models import Organiser
from tests.apps.access_matrix import LEFT_OUT, MATRIX, Row

#: Answered by the intake, before Django; tests/apps/api/test_events.py asks them on a socket.
INTAKE = {"healthz"}


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    """Every address of the running resolver."""
    for pattern in resolver.url_patterns:
        here = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, here)
        elif isinstance(pattern, URLPattern):
            yield here.replace("<str:", "<").replace("<slug:", "<")


def unlisted(found: Iterator[str]) -> list[str]:
    """The routes that nobody has thought about."""
    return [
        route for route in found if route not in MATRIX and not route.startswith(tuple(LEFT_OUT))
    ]


def test_every_route_has_a_row() -> None:
    assert [] == unlisted(routes(get_resolver()))


def test_a_view_without_a_row_is_found() -> None:
    """The negative control of the test above."""

    def unscoped(request: HttpRequest) -> HttpResponse:
        return HttpResponse("everybody's rows")

    planted = URLResolver(get_resolver().pattern, [path("planted", unscoped)])
    assert ["/planted"] == [f"/{route.lstrip('/^')}" for route in unlisted(routes(planted))]


Join = Callable[..., dict[str, Any]]


@pytest.fixture
def cast(ana: Organiser, cleo: Organiser) -> dict[str, Client]:
    """A client for each column; sessions and tokens together, as the same person."""
    owner = token_for(email="olga@example.org", name="Olga")
    people = {"other": cleo, "organiser": ana, "owner": Organiser.objects.get(is_owner=True)}
    clients = {"anonymous": Client()}
    for column, person in people.items():
        token = owner if column == "owner" else token_for(email=person.email)
        clients[column] = Client(headers={"Authorization": f"Bearer {token}"})
        clients[column].force_login(person)
    return clients


@pytest.fixture
def places(launch: Callable[..., Campaign], join: Join, ana: Organiser) -> dict[str, str]:
    """What the addresses in the matrix stand for."""
    campaign = launch()
    made = join(campaign, "ben")
    terms = CampaignBody.model_validate(
        {
            "title": "Later",
            "kinds": ["signature"],
            "rule": {"people": 3},
            "deadline": campaign.deadline,
        }
    )
    return {
        "code": campaign.code,
        "doomed": launch().code,
        "draft": draft(organiser=ana, body=terms).code,
        "pledge": made["code"],
        "receipt": made["receipt"],
    }


@pytest.mark.parametrize("column", Row._fields)
def test_each_of_the_cast_is_answered_as_the_rows_say(
    cast: dict[str, Client], places: dict[str, str], column: str
) -> None:
    wrong = []
    for route, rows in MATRIX.items():
        for method, address, row in rows if route not in INTAKE else ():
            expected = getattr(row, column)
            status = ask(cast[column], method, address.format(**places))
            if expected != (status if expected >= 100 else status // 100):
                wrong.append(f"{method} {address}: {status}, not {expected}")
    assert [] == wrong


def ask(client: Client, method: str, address: str) -> int:
    """Send an empty request and return the status."""
    body = b"{}" if method in ("POST", "PATCH") else b""
    response = client.generic(method, address, body, content_type="application/json")
    return int(response.status_code)
