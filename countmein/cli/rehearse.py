"""`countmein rehearse`: what a campaign would do at an instant, and what everybody would get."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from countmein.cli.clock import instant
from countmein.cli.site import SiteRefused, enter_django, home

if TYPE_CHECKING:
    from countmein.campaigns.rehearse import Scene


def run(arguments: Sequence[str]) -> int:
    """Print the verdict and every letter, in the campaign's language; writes nothing."""
    parser = argparse.ArgumentParser(prog="countmein rehearse")
    parser.add_argument("code", metavar="CODE", help="the campaign's code")
    parser.add_argument("--at", type=instant, metavar="INSTANT", help="now, if left out")
    chosen = parser.parse_args(arguments)
    enter_django(home())
    from django.utils import translation

    from countmein.campaigns.models import Campaign
    from countmein.campaigns.rehearse import rehearse

    campaign = Campaign.objects.filter(code=chosen.code).first()
    if campaign is None:
        raise SiteRefused(f"There is no campaign {chosen.code}.")
    with translation.override(campaign.language):
        played = rehearse(campaign, at=chosen.at)
        print(f"{campaign.title}\nAt {played.at.isoformat()} the verdict is: {played.verdict}.")
        _print_scenes("If it tips", played.on_tip)
        _print_scenes("If it lapses", played.on_lapse)
        if played.on_fail:
            _print_scenes("If it tips and then cannot be carried out", played.on_fail)
    return 0


def _print_scenes(heading: str, scenes: "Sequence[Scene]") -> None:
    print(f"\n{heading}")
    for scene in scenes:
        print(f"\n  {scene.reader}: {scene.letter.subject}")
        for line in scene.letter.lines:
            print(f"    {line}")
        for label, value in scene.letter.facts:
            print(f"    {label}: {value}")
