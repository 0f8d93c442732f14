"""The auditor who sits in on the runs that move money."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.auditor import audited, own_dsn


@pytest.fixture
def books_read(transactional_db: None) -> Iterator[None]:
    """R10: the books balance in every snapshot of this test."""
    with audited(own_dsn()):
        yield
