"""To confirm: one live pledge per mailbox, and the door says nothing about who has one."""

from __future__ import annotations

from functools import partial

import pytest

from countmein.campaigns.actions.confirm import TokenWrong, confirm
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.links import confirm_token_of
from countmein.members.models import Member
from countmein.rules.pledging import PledgeRefused
from tests.apps.campaigns.acts import Join, pledge_of, topics
from tests.conftest import Launch, Site
from tests.faults.crowd import together


def test_a_second_pledge_is_answered_alike_and_only_the_mail_differs(
    site: Site, launch: Launch, join: Join
) -> None:
    """Whoever types somebody else's address learns nothing from the answer."""
    campaign = launch(title="Alike", confirm="email")
    first = join(campaign, "ben", key="one")
    site.work()
    mine = pledge_of(first)
    confirm(pledge=mine, token=confirm_token_of(mine))
    site.work()
    second = join(campaign, "ben", key="two")
    assert first.keys() == second.keys()
    assert first["state"] == second["state"] == "unconfirmed"
    site.work()
    subjects = topics(site, campaign, "ben@example.org")
    assert subjects[0] != subjects[-1]
    with pytest.raises(PledgeRefused, match="already_pledged"):
        confirm(pledge=pledge_of(second), token=confirm_token_of(pledge_of(second)))
    site.check()


def test_of_two_confirmations_at_once_one_wins(site: Site, launch: Launch, join: Join) -> None:
    """The mailbox is taken by whoever commits first, twenty times over."""
    campaign = launch(confirm="email", rule={"people": 100})
    for turn in range(20):
        pair = [pledge_of(join(campaign, f"m{turn}", key=f"{turn}-{n}")) for n in range(2)]
        said = together([partial(confirm, pledge=p, token=confirm_token_of(p)) for p in pair])
        refused = [word for word in said if isinstance(word, Exception)]
        assert ["already_pledged"] == [getattr(no, "reason", no) for no in refused]
    site.work()
    site.check()


def test_the_link_works_again_and_a_wrong_one_never(site: Site, launch: Launch, join: Join) -> None:
    """People click twice."""
    campaign = launch(confirm="email")
    mine = pledge_of(join(campaign, "ben"))
    with pytest.raises(TokenWrong):
        confirm(pledge=mine, token="no")
    for _time in range(2):
        assert "active" == confirm(pledge=mine, token=confirm_token_of(mine)).state
    site.work()
    site.check()


def test_one_mailbox_in_many_spellings_pledges_once(site: Site, launch: Launch, join: Join) -> None:
    """Case, dots and tags do not make another person."""
    campaign = launch(rule={"people": 9})
    join(campaign, "ben", member={"email": "Ben.Okoro+news@gmail.com", "name": "Ben"})
    with pytest.raises(PledgeRefused, match="already_pledged"):
        join(campaign, "ben2", member={"email": "benokoro@googlemail.com", "name": "Ben"})


def test_who_left_may_pledge_again(site: Site, launch: Launch, join: Join) -> None:
    """A withdrawn pledge gives its mailbox free."""
    campaign = launch(rule={"people": 9})
    first = join(campaign, "ben", key="one")
    withdraw(pledge=pledge_of(first))
    second = join(campaign, "ben", key="two")
    site.work()
    assert ("withdrawn", "active") == (pledge_of(first).state, pledge_of(second).state)
    site.check()


def test_a_mailbox_gets_three_confirmation_mails_a_day_whoever_asks(
    site: Site, launch: Launch, join: Join
) -> None:
    """Five campaigns, one address: it is nobody's mail bomb, and all five pledges stand."""
    address = "bombed@example.org"
    for number in range(5):
        member = {"email": address, "name": "Ben"}
        join(launch(confirm="email"), "ben", key=f"key-{number}", member=member)
        site.work()
    assert 3 == len(site.mails(address))


def test_the_share_of_confirmation_mails_is_the_mailbox_s_however_it_is_spelled(
    site: Site, launch: Launch, join: Join
) -> None:
    for number in range(5):
        member = {"email": f"spelled+{number}@example.org", "name": f"Ben {number}"}
        join(launch(confirm="email"), "ben", key=f"key-{number}", member=member)
    site.work()
    assert 3 == len([mail for mail in site.mails() if "spelled+" in str(mail["to"])])
    assert 1 == Member.objects.all_lanes().count()
