"""The organiser's backer report, streamed as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from countmein.campaigns.backers import lines
from countmein.campaigns.models import Campaign
from countmein.web.organise.drafting import own_campaign


class _Echo:
    """What a line is written to hands it back."""

    def write(self, line: str) -> str:
        return line


@never_cache
@login_required
@require_safe
def report(request: HttpRequest, code: str) -> StreamingHttpResponse:
    """Hand out the report, a line at a time."""
    campaign = own_campaign(request, code)
    answer = StreamingHttpResponse(_written(campaign), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="backers-{campaign.code}.csv"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _written(campaign: Campaign) -> Iterator[str]:
    writer = csv.writer(_Echo())
    for line in lines(campaign):
        yield str(writer.writerow(line))
