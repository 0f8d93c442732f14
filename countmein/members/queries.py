"""What can be asked about people."""

from __future__ import annotations

from countmein.members.models import Organiser


def site_owners() -> list[Organiser]:
    """Those who run the site, the first one first."""
    return list(Organiser.objects.filter(is_owner=True, is_active=True).order_by("id"))
