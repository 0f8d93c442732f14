"""Olga, who runs the site, and how a test looks as the site looks at itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from countmein.members.models import Organiser
from countmein.watch import state


@pytest.fixture
def olga(db: None) -> Organiser:
    """Olga owns the site."""
    owner: Organiser = Organiser.objects.create_user(
        email="olga@example.org", name="Olga", is_owner=True
    )
    return owner


@pytest.fixture
def metrics(settings: Any, client: Any) -> Iterator[Any]:
    """Read the page of metrics as Prometheus does: {(name, labels…): value}."""
    from prometheus_client.parser import text_string_to_metric_families

    settings.METRICS_TOKEN = "for the scraper"

    def read() -> dict[tuple[str, ...], float]:
        state.forget()
        answer = client.get("/metrics", headers={"Authorization": "Bearer for the scraper"})
        assert 200 == answer.status_code
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(answer.content.decode())
            for sample in family.samples
        }

    yield read
    state.forget()
