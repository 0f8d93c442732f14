"""Proofs of stages and hand-overs. Two columns without a rewrite; the index on the gates locks that
table, which has a row for each campaign, for milliseconds."""

from django.db import migrations, models

import countmein.base.ids


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0004_after_the_tip"),
    ]

    operations = [
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
            model_name="gate",
            name="proof_by",
            field=models.DateTimeField(null=True),
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
            model_name="handover",
            index=models.Index(fields=["lane", "campaign_id", "at"], name="hand_over_by_campaign"),
        ),
        migrations.AddIndex(
            model_name="handover",
            index=models.Index(fields=["now_id", "at"], name="hand_over_by_organiser"),
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
