"""What a ballot asks, and what its choices mean: one entry per kind, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from countmein.campaigns.models import Ballot, BallotKind
from countmein.campaigns.wording import number_text
from countmein.rules.failure import votes_needed


@dataclass(frozen=True, slots=True, kw_only=True)
class BallotWords:
    """The question, what hangs on it, and a sentence for each choice."""

    question: str | Promise
    explained: str | Promise
    choices: Mapping[str, str | Promise]
    #: What it came to, by outcome.
    outcomes: Mapping[str, str | Promise]


WORDS: Final[Mapping[str, BallotWords]] = {
    BallotKind.LEFT_OVER: BallotWords(
        question=gettext_lazy("What shall become of the money that is left over?"),
        explained=gettext_lazy(
            "One person has one vote. The choice with most votes takes all of it. Without a "
            "quorum, or in a tie, everybody gets their part back."
        ),
        choices={
            "refund": gettext_lazy("Everybody gets their part back"),
            "keep": gettext_lazy("It stays with the campaign, for what it was given for"),
        },
        outcomes={
            "refund": gettext_lazy("Everybody gets their part back."),
            "keep": gettext_lazy("It stays with the campaign."),
        },
    ),
    BallotKind.MILESTONE: BallotWords(
        question=gettext_lazy("Is what was shown good enough to pay the next part?"),
        explained=gettext_lazy(
            "One person has one vote. More than half of all who may vote must say yes; who does "
            "not vote says no."
        ),
        choices={
            "yes": gettext_lazy("Yes, pay the next part"),
            "no": gettext_lazy("No, not yet"),
        },
        outcomes={
            "yes": gettext_lazy("The next part can be paid."),
            "no": gettext_lazy("The next part is not paid."),
        },
    ),
}


def question_of(ballot: Ballot) -> str:
    """What a ballot asks, in the active language."""
    return str(WORDS[ballot.kind].question)


def explained_of(ballot: Ballot) -> str:
    """How it is decided."""
    return str(WORDS[ballot.kind].explained)


def choice_text(ballot: Ballot, choice: str) -> str:
    """One of its choices in words."""
    return str(WORDS[ballot.kind].choices.get(choice, choice))


def outcome_text(ballot: Ballot) -> str:
    """What it came to; empty while it is open."""
    return str(WORDS[ballot.kind].outcomes.get(ballot.outcome, ballot.outcome))


def count_lines(ballot: Ballot, counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """The votes for each choice, how many did not vote, and how many had to."""
    lines = [
        (choice_text(ballot, choice), number_text(counts.get(choice, 0)))
        for choice in ballot.options
    ]
    lines.append((_("Did not vote"), number_text(counts.get("", 0))))
    if ballot.quorum_bp:
        needed = votes_needed(eligible=sum(counts.values()), quorum_bp=ballot.quorum_bp)
        lines.append((_("Votes needed"), number_text(needed)))
    return lines
