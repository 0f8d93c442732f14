"""Finds what came back to a campaign.

The index locks the books against writing while it is built, some seconds for ten million entries.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0002_append_only"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(
                condition=models.Q(("kind__in", ["payout_back", "commission_back", "dispute_won"])),
                fields=["lane", "campaign_id"],
                name="transfer_came_back",
            ),
        ),
    ]
