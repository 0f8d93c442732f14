"""The tables that grow with the crowd: their key starts with the lane, so they can be split.

A lane is a small number computed once from an immutable id (`rules.canonical.lane_of`). Rows of one
lane live together; a transaction about money or about one person touches one lane only.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.core import checks
from django.db import models

from countmein.base.ids import uuid7

#: What a table hangs on: whole campaigns, single persons, a copy everywhere, or this node alone.
DISTRIBUTIONS = frozenset({"campaign", "person", "reference", "local"})
_LANE_LOOKUPS = frozenset({"lane", "lane__in", "pk", "pk__in"})


class LaneMissing(Exception):
    """A query on a table that grows with the crowd must name its lane."""


class LaneQuerySet(models.QuerySet[Any]):
    """Rows of one lane; `all_lanes()` is the visible exception, for reading in the background."""


class LaneManager(models.Manager[Any]):
    """Refuses to look anywhere without knowing the lane."""

    def get_queryset(self) -> LaneQuerySet:
        return LaneQuerySet(self.model, using=self._db)

    def filter(self, *args: Any, **lookups: Any) -> models.QuerySet[Any]:
        self._require_lane(lookups)
        return self.get_queryset().filter(*args, **lookups)

    def get(self, *args: Any, **lookups: Any) -> Any:
        self._require_lane(lookups)
        return self.get_queryset().get(*args, **lookups)

    def all(self) -> Any:
        raise LaneMissing(f"{self.model.__name__}.objects.all() crosses every lane")

    def all_lanes(self) -> models.QuerySet[Any]:
        """Return the rows of every lane: for sweeps, checks and exports, never for a pledge."""
        return self.get_queryset()

    def _require_lane(self, lookups: dict[str, Any]) -> None:
        if not _LANE_LOOKUPS & lookups.keys():
            raise LaneMissing(f"{self.model.__name__} was asked for without a lane")


class LaneModel(models.Model):
    """A row of a table that grows with the crowd."""

    distribution: ClassVar[str]
    pk = models.CompositePrimaryKey("lane", "id")
    lane = models.IntegerField()
    id = models.UUIDField(default=uuid7, editable=False)

    objects = LaneManager()

    class Meta:
        abstract = True

    @classmethod
    def check(cls, **kwargs: Any) -> list[checks.CheckMessage]:
        return [*super().check(**kwargs), *_key_faults(cls)]


def _key_faults(model: type[LaneModel]) -> list[checks.CheckMessage]:
    """Report what would stop this table from being split by lane (docs: the schema rules)."""
    faults: list[checks.CheckMessage] = []
    if model._meta.abstract:
        return faults
    if getattr(model, "distribution", None) not in DISTRIBUTIONS:
        faults.append(checks.Error("states no distribution", obj=model, id="countmein.E001"))
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint) and constraint.fields[:1] != ("lane",):
            faults.append(
                checks.Error(f"{constraint.name} lacks lane first", obj=model, id="countmein.E002")
            )
    for field in model._meta.get_fields():
        if isinstance(field, models.ForeignKey):
            faults.append(
                checks.Error(f"{field.name} is a foreign key", obj=model, id="countmein.E003")
            )
        elif isinstance(field, models.Field) and field.unique and field.name != "pk":
            faults.append(
                checks.Error(f"{field.name} is unique alone", obj=model, id="countmein.E004")
            )
    return faults
