"""What comes after the tip: failures and plans, ballots, proofs of stages, hand-overs.

New tables, and columns that are empty or have a constant default: a moment's lock each, whatever
the number of rows. The index on the gates locks that table, which has a row for each campaign, for
milliseconds.
"""

from django.db import migrations, models

import countmein.base.ids


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0003_charging_stopped"),
    ]

    operations = [
        migrations.CreateModel(
            name="Ballot",
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
                (
                    "kind",
                    models.CharField(
                        choices=[("left_over", "Left Over"), ("milestone", "Milestone")],
                        max_length=10,
                    ),
                ),
                ("number", models.SmallIntegerField()),
                ("options", models.JSONField()),
                ("quorum_bp", models.IntegerField()),
                ("opened_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
                ("outcome", models.CharField(blank=True, max_length=32)),
                ("counts", models.JSONField(default=dict)),
            ],
        ),
        migrations.CreateModel(
            name="BallotPaper",
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
                ("ballot_id", models.UUIDField()),
                ("pledge_id", models.UUIDField()),
                ("stake_minor", models.BigIntegerField()),
                ("choice", models.CharField(blank=True, max_length=32)),
                ("voted_at", models.DateTimeField(null=True)),
            ],
        ),
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
            name="HandOver",
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
                ("was_id", models.UUIDField()),
                ("now_id", models.UUIDField()),
                ("at", models.DateTimeField()),
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
        migrations.CreateModel(
            name="Proof",
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
                ("stage", models.SmallIntegerField()),
                ("number", models.SmallIntegerField()),
                ("words", models.TextField()),
                ("at", models.DateTimeField()),
                ("ballot_id", models.UUIDField()),
            ],
        ),
        migrations.CreateModel(
            name="Unproven",
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
                ("stage", models.SmallIntegerField()),
                ("kept_minor", models.BigIntegerField()),
                ("spent_minor", models.BigIntegerField()),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="campaign",
            name="commission_bp",
            field=models.IntegerField(default=0),
        ),
        migrations.AddField(
            model_name="campaign",
            name="payout",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="campaign",
            name="plan_b",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="campaign",
            name="transfer_days",
            field=models.SmallIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="gate",
            name="executing_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="gate",
            name="proof_by",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="gate",
            name="reallocate_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="pledge",
            name="fallback",
            field=models.CharField(default="refund", max_length=8),
        ),
        migrations.AddIndex(
            model_name="gate",
            index=models.Index(
                condition=models.Q(("proof_by__isnull", False)),
                fields=["proof_by"],
                name="gate_to_prove",
            ),
        ),
        migrations.AddIndex(
            model_name="ballot",
            index=models.Index(
                condition=models.Q(("closed_at", None)), fields=["ends_at"], name="ballot_work"
            ),
        ),
        migrations.AddConstraint(
            model_name="ballot",
            constraint=models.UniqueConstraint(
                fields=("lane", "campaign_id", "kind", "number"), name="one_ballot_per_number"
            ),
        ),
        migrations.AddIndex(
            model_name="ballotpaper",
            index=models.Index(fields=["lane", "pledge_id"], name="paper_by_pledge"),
        ),
        migrations.AddConstraint(
            model_name="ballotpaper",
            constraint=models.UniqueConstraint(
                fields=("lane", "ballot_id", "pledge_id"), name="one_paper_per_person"
            ),
        ),
        migrations.AddConstraint(
            model_name="failure",
            constraint=models.UniqueConstraint(
                fields=("lane", "campaign_id", "number"), name="one_failure_per_number"
            ),
        ),
        migrations.AddIndex(
            model_name="handover",
            index=models.Index(fields=["lane", "campaign_id", "at"], name="hand_over_by_campaign"),
        ),
        migrations.AddIndex(
            model_name="handover",
            index=models.Index(fields=["now_id", "at"], name="hand_over_by_organiser"),
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
        migrations.AddConstraint(
            model_name="proof",
            constraint=models.UniqueConstraint(
                fields=("lane", "campaign_id", "stage", "number"), name="one_proof_per_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="unproven",
            constraint=models.UniqueConstraint(
                fields=("lane", "campaign_id"), name="unproven_once"
            ),
        ),
    ]
