"""Journeys go through the public doors of the real site; after each one its books must agree."""

from collections.abc import Iterator

import pytest

from tests.live import (
    Live,
    ana,
    begin,
    live,
    pytest_runtest_makereport,
)

__all__ = ["ana", "begin", "live", "pytest_runtest_makereport"]


@pytest.fixture(autouse=True)
def _keeps_its_word(request: pytest.FixtureRequest) -> Iterator[None]:
    """The self-check of every site that a journey used is green after it."""
    names = [name for name in ("live", "paced") if name in request.fixturenames]
    sites: list[Live] = [request.getfixturevalue(name) for name in names]
    yield
    for site in sites:
        site.self_check()
