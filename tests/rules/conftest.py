"""The rules are tested without a database, on any laptop."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _tests_may_empty_tables() -> None:
    """Takes the place of the fixture of that name that would start the database."""
