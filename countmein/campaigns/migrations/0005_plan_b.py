"""Failures and shares of them, since when it is carried out, and when a ballot was carried out.

Two new tables, and columns without a default: a moment's lock on gates and ballots, whatever their
number. The index on ballots is built anew under a lock; there are none of them before this.
"""

from django.db import migrations, models

import countmein.base.ids


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0004_after_the_tip"),
    ]

    operations = [
        migrations.CreateModel(
            name="Failure",
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
                ("number", models.SmallIntegerField()),
                ("text", models.TextField(blank=True)),
                ("failed_at", models.DateTimeField()),
                ("decide_until", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
                ("majority", models.SmallIntegerField(null=True)),
                ("plans", models.JSONField(default=list)),
                ("sums", models.JSONField(default=dict)),
            ],
        ),
        migrations.CreateModel(
            name="PlanShare",
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
                ("number", models.SmallIntegerField()),
                ("pledge_id", models.UUIDField()),
                ("borne_minor", models.BigIntegerField()),
                ("refund_minor", models.BigIntegerField()),
                ("delivered_minor", models.BigIntegerField()),
                ("left_over_minor", models.BigIntegerField()),
                ("plan", models.SmallIntegerField(null=True)),
            ],
        ),
        migrations.RemoveIndex(
            model_name="ballot",
            name="ballot_open",
        ),
        migrations.AddField(
            model_name="ballot",
            name="carried_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="gate",
            name="executing_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="ballot",
            index=models.Index(
                condition=models.Q(("carried_at", None)), fields=["ends_at"], name="ballot_work"
            ),
        ),
        migrations.AddConstraint(
            model_name="failure",
            constraint=models.UniqueConstraint(
                fields=("lane", "campaign_id", "number"), name="one_failure_per_number"
            ),
        ),
        migrations.AddIndex(
            model_name="planshare",
            index=models.Index(fields=["lane", "pledge_id"], name="share_by_pledge"),
        ),
        migrations.AddConstraint(
            model_name="planshare",
            constraint=models.UniqueConstraint(
                fields=("lane", "campaign_id", "number", "pledge_id"), name="one_share_per_failure"
            ),
        ),
    ]
