"""Hostile texts in every field of every form: answered in words, shown escaped, never a fault."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from countmein.campaigns.models import Campaign
from tests.apps.api.test_hostile_inputs import ENTRIES, value_of
from tests.apps.web.conftest import hidden
from tests.apps.web.test_organise import filled
from tests.apps.web.test_public import FUND

pytestmark = pytest.mark.slow

#: What must not stand in a page as markup; escaped it may.
MARKUP = ("<b onmouseover", "<img src=x", "<svg onload", "<form action=//evil", 'href="javascript')
TEXTS = sorted(
    {value for entry in ENTRIES if isinstance(value := value_of(entry), str)}
    | {"\x00", "\u202egnp.exe", "\ud7ff", "9" * 400, "1e9", "-0", "٣", "½", "a@b", "'--", "%00"},
    key=len,
)[:60]


def answered(browser: Client, path: str, form: dict[str, Any]) -> None:
    """The form is taken or given back, and whatever is shown then shows no markup of a stranger."""
    answer = browser.post(path, form)
    assert answer.status_code in (302, 400, 409, 413, 422), (form, answer.status_code)
    page = browser.get(answer["Location"]) if answer.status_code == 302 else answer
    assert page.status_code < 500
    for markup in MARKUP:
        assert markup not in page.content.decode()


@pytest.mark.parametrize(
    "field",
    ["name", "email", "amount_money", "place", "condition_people", "condition_pledge", "key",
     "more_amount", "kind", "condition", "payment_method"],
)  # fmt: skip
def test_a_field_of_the_pledge_form(site: Any, ben: Client, launch: Any, field: str) -> None:
    campaign = launch(**FUND)
    path = f"/c/{campaign.code}/pledge/"
    for number, text in enumerate(TEXTS):
        form = {
            "key": hidden(ben.get(path), "key"),
            "kind": "money",
            "amount_money": "25",
            "condition": {"condition_people": "people", "condition_pledge": "pledge"}.get(
                field, "none"
            ),
            "more_people": "3",
            "email": f"ben{number}@example.org",
            "payment_method": "pm_card_visa",
            field: text,
        }
        answered(ben, path, form)


@pytest.mark.parametrize(
    "field",
    ["title", "story", "rule_people", "rule_json", "deadline", "timezone", "currency", "places",
     "kinds", "latch", "target_email", "target_name"],
)  # fmt: skip
def test_a_field_of_the_campaign_form(site: Any, as_ana: Client, field: str) -> None:
    before = Campaign.objects.count()
    for text in TEXTS:
        answered(as_ana, "/organise/new/petition/", filled(**{field: text}))
    assert Campaign.objects.count() - before <= len(TEXTS)
