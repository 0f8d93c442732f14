"""The pages about the rules show true numbers: their examples are run."""

import doctest
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "rules"


@pytest.mark.parametrize(
    "name", ["cards.md", "clearing.md", "money.md", "payouts.md", "plan_b.md", "transfers.md"]
)
def test_the_examples_on_a_page_come_out_as_printed(name: str) -> None:
    result = doctest.testfile(
        str(PAGES / name), module_relative=False, optionflags=doctest.IGNORE_EXCEPTION_DETAIL
    )
    assert result.attempted > 5
    assert 0 == result.failed
