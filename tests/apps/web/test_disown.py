"""“That wasn’t me”: the link in the mail takes a pledge back, and the count falls."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from countmein.campaigns.actions.count import tally_of
from countmein.campaigns.models import Pledge
from tests.apps.web.conftest import said


def links_in(site: Any, who: str) -> dict[str, str]:
    """The paths that were mailed to somebody, by what stands last in them."""
    (mail,) = site.mails(f"{who}@example.org")
    paths = re.findall(r"http://127\.0\.0\.1:8000(/p/\S+)", mail["text"])
    return {path.split("/")[3]: path for path in paths}


def test_the_link_lowers_the_count_and_following_it_alone_does_not(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    campaign = launch(confirm="email", rule={"people": 9})
    join(campaign, "olaf")
    site.work()
    links = links_in(site, "olaf")
    assert {"confirm", "not-me"} == set(links)
    # A scanner follows both; only the confirmation takes effect by that.
    assert "Was it not you?" in said(ben.get(links["not-me"]))
    ben.get(links["confirm"])
    assert "Was it not you?" in said(ben.get(links["not-me"]))
    site.work()
    assert 1 == tally_of(campaign).people
    assert "It is taken back" in said(ben.post(links["not-me"]))
    site.work()
    assert 0 == tally_of(campaign).people
    assert "withdrawn" == Pledge.objects.all_lanes().get().state
    assert "It is taken back" in said(ben.post(links["not-me"]))


@pytest.mark.slow
def test_after_the_tip_it_is_too_late_for_a_link(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    campaign = launch(confirm="email", rule={"people": 1})
    join(campaign, "petra")
    site.work()
    links = links_in(site, "petra")
    ben.get(links["confirm"])
    site.work()
    answer = ben.post(links["not-me"])
    assert 409 == answer.status_code
    assert "It was decided already" in said(answer)
    assert 1 == tally_of(campaign).people
