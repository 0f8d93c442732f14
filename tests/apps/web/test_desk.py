"""The owner's desk: differences between the books and the provider's statement."""

from __future__ import annotations

import pytest
from django.test import Client

from countmein.base.clock import real_now
from countmein.members.models import Organiser
from countmein.payments.models import Discrepancy
from tests.apps.web.conftest import said


@pytest.fixture
def as_olga(transactional_db: None) -> Client:
    """Olga's browser; she owns the site."""
    browser = Client()
    olga = Organiser.objects.create_user(email="olga@example.org", name="Olga", is_owner=True)
    browser.force_login(olga)
    return browser


@pytest.fixture
def difference(transactional_db: None) -> Discrepancy:
    """A charge that nobody knows of."""
    return Discrepancy.objects.create(
        provider="stripe",
        kind="only_at_provider",
        event="charge",
        about="ch_unknown",
        theirs_minor=700,
        currency="EUR",
        first_seen_at=real_now(),
    )


def test_without_differences_the_desk_says_so(as_olga: Client) -> None:
    page = said(as_olga.get("/desk/money/"))
    assert "None: the books and the provider agree." in page


def test_the_owner_takes_a_difference_over_and_notes_why(
    as_olga: Client, difference: Discrepancy
) -> None:
    page = said(as_olga.get("/desk/money/"))
    assert "ch_unknown" in page
    assert "Nobody" in page
    sent = {"note": "Asked Stripe <b>today</b>.", "mine": "1"}
    answer = as_olga.post(f"/desk/money/{difference.id}/", sent, follow=True)
    assert "Who looks after it Olga" in said(answer)
    assert "Asked Stripe &lt;b&gt;today&lt;/b&gt;." in answer.content.decode()
    difference.refresh_from_db()
    assert difference.resolved_at is None


def test_a_closed_difference_stays_to_be_seen(as_olga: Client, difference: Discrepancy) -> None:
    Discrepancy.objects.update(resolved_at=real_now(), resolved_by="booked")
    page = said(as_olga.get("/desk/money/"))
    assert "None: the books and the provider agree." in page
    assert "It was booked, or the line is gone" in page


def test_only_the_owner_may_write(as_cleo: Client, difference: Discrepancy) -> None:
    answer = as_cleo.post(f"/desk/money/{difference.id}/", {"note": "mine", "mine": "1"})
    assert 404 == answer.status_code
    difference.refresh_from_db()
    assert ("", None) == (difference.note, difference.owner)
