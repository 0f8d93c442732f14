"""The published schema is true: schemathesis finds nothing."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance

from countmein.wsgi import application
from tests.apps.api.conftest import Program, problem

load_all_checks()
schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)


@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.django_db(transaction=True)
def test_anybody_may_send_anything(case: Any) -> None:
    case.call_and_validate(excluded_checks=[positive_data_acceptance])


@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_an_organiser_may_send_anything(case: Any, program: Program) -> None:
    """A deadline in the future and a rule of the campaign's own kinds cannot be said in JSON
    Schema, so what conforms may still be refused; all the other checks hold."""
    case.headers["Authorization"] = f"Bearer {program.token}"
    case.call_and_validate(excluded_checks=[positive_data_acceptance])


def test_the_schema_lists_what_works_and_is_of_version_3_1(anonymous: Program, db: None) -> None:
    said = anonymous.get("/openapi.json").json()
    assert said["openapi"].startswith("3.1")
    assert {"Rule", "Condition", "Problem"} <= said["components"]["schemas"].keys()
    text = str(said)
    for later in ("x-grammar", "/log/"):
        assert later not in text


def test_there_is_no_page_that_calls_another_host(anonymous: Program, db: None) -> None:
    problem(anonymous.get("/docs"), 404, "not_found")
