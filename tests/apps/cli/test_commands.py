"""`token`, `self-check` and `rehearse`: results on stdout, exit status as documented."""

from __future__ import annotations

import json
from typing import Any

import pytest

from countmein.cli import main
from countmein.members.actions import organiser_of
from tests.conftest import Launch, Site


@pytest.fixture(autouse=True)
def _inside_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that `up` started: there is no other site to enter."""
    monkeypatch.setenv("COUNTMEIN_RUN_DIR", "/nowhere")


def test_a_token_stands_alone_on_stdout(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The organiser is made, and is the site's owner, being the first."""
    assert 0 == main(["token", "--email", "ana@example.org", "--name", "Ana"])
    printed = capsys.readouterr().out
    assert 1 == len(printed.split())
    found = organiser_of(printed.strip())
    assert found is not None
    assert ("ana@example.org", "Ana", True) == (found[0].email, found[0].name, found[0].is_owner)


def test_a_second_token_is_the_same_organisers(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each call makes another token, none another organiser."""
    organisers = set()
    for _call in range(2):
        main(["token", "--email", "ana@example.org"])
        found = organiser_of(capsys.readouterr().out.strip())
        assert found is not None
        organisers.add(found[0].id)
    assert 1 == len(organisers)


def test_a_further_owner_is_made_on_the_machine_alone(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """A large payout needs two people, so a site may need two owners."""
    owners = []
    for email, more in (("ana", []), ("ben", []), ("cleo", ["--owner"])):
        main(["token", "--email", f"{email}@example.org", *more])
        found = organiser_of(capsys.readouterr().out.strip())
        assert found is not None
        owners.append(found[0].is_owner)
    assert [True, False, True] == owners


def test_an_address_that_is_none_is_a_wrong_call() -> None:
    """Exit status 2, before the site is entered."""
    with pytest.raises(SystemExit) as exit:
        main(["token", "--email", "nobody"])
    assert 2 == exit.value.code


def test_the_self_check_prints_lines_or_json(
    site: Site, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    """Both say the same; the provider's record is the other tests' too, so it is left out."""
    settings.STRIPE_API_BASE = ""
    assert 0 == main(["self-check"])
    lines = capsys.readouterr().out.splitlines()
    assert 0 == main(["self-check", "--json"])
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert said["ok"]
    assert [check["name"] for check in said["checks"]] == [line.split()[1] for line in lines[:-1]]


def test_a_failed_check_is_exit_status_1(
    site: Site, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    """The negative control: the provider cannot be asked, so the site is not known to be right."""
    settings.STRIPE_API_BASE = "http://127.0.0.1:1"
    assert 1 == main(["self-check"])
    assert "FAILED  provider_agrees" in capsys.readouterr().out


def test_a_rehearsal_prints_both_endings(
    site: Site, launch: Launch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verdict at an instant, and every letter."""
    campaign = launch()
    assert 0 == main(["rehearse", campaign.code, "--at", "2040-01-01T00:00:00Z"])
    printed = capsys.readouterr().out
    assert "the verdict is: lapse" in printed
    assert "If it tips" in printed
    assert "If it lapses" in printed
    assert 1 == main(["rehearse", "unknown"])
