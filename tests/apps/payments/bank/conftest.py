"""Statements made by hand, and what is expected under the references in them."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from countmein.payments.bank.camt import read
from countmein.payments.bank.entries import Entry, Statement

FILES = Path(__file__).parents[3] / "vectors" / "bank"


@pytest.fixture
def file() -> Callable[[str], bytes]:
    """The bytes of a file made by hand."""
    return lambda name: (FILES / f"{name}.xml").read_bytes()


@pytest.fixture
def statement(file: Callable[[str], bytes]) -> Callable[[str], list[Entry | Statement]]:
    """What is read in a file made by hand."""
    return lambda name: list(read(BytesIO(file(name))))


@pytest.fixture
def entries(
    statement: Callable[[str], list[Entry | Statement]],
) -> Callable[[str], list[Entry]]:
    """Its entries alone."""
    return lambda name: [item for item in statement(name) if isinstance(item, Entry)]
