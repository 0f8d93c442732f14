"""Offers to hand a campaign over, which the other one has to accept.

A new table: no lock.
"""

from django.db import migrations, models

import countmein.base.ids


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0007_money_late"),
    ]

    operations = [
        migrations.CreateModel(
            name="HandOverOffer",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "lane", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("lane", models.IntegerField()),
                ("id", models.UUIDField(default=countmein.base.ids.uuid7, editable=False)),
                ("campaign_id", models.UUIDField()),
                ("by_id", models.UUIDField()),
                ("to_id", models.UUIDField()),
                ("at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("lane", "campaign_id"),
                        name="one_open_offer_per_campaign",
                    )
                ],
            },
        ),
    ]
