"""What paying out needs. Every table that is changed was empty, so nothing is locked for long."""

from django.db import migrations, models

import countmein.base.ids


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0005_payouts"),
    ]

    operations = [
        migrations.CreateModel(
            name="CommissionTaken",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "lane", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("lane", models.IntegerField()),
                ("id", models.UUIDField(default=countmein.base.ids.uuid7, editable=False)),
                ("number", models.IntegerField(default=0)),
                ("settled_minor", models.BigIntegerField(default=0)),
                ("taken_minor", models.BigIntegerField(default=0)),
                ("carried", models.IntegerField(default=0)),
                ("parts", models.JSONField(default=dict)),
                ("at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Freeze",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=countmein.base.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("subject_id", models.UUIDField()),
                ("at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by_id", models.UUIDField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name="document",
            name="proof_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="payout",
            name="agreed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="payout",
            name="destination",
            field=models.CharField(blank=True, max_length=255),
        ),
        migrations.AddField(
            model_name="payout",
            name="is_told",
            field=models.BooleanField(default=False),
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(
                condition=models.Q(("state__in", ["asked", "sending"])),
                fields=["due_at"],
                name="payout_work",
            ),
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(
                condition=models.Q(("is_told", False), ("state", "paid")),
                fields=["lane", "campaign_id", "id"],
                name="payout_news",
            ),
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(fields=["asked_by_id", "asked_at"], name="payout_by_asker"),
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(fields=["state", "asked_at"], name="payout_by_state"),
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(
                condition=models.Q(("reference", ""), _negated=True),
                fields=["reference"],
                name="payout_by_reference",
            ),
        ),
        migrations.AddConstraint(
            model_name="freeze",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)),
                fields=("subject_id",),
                name="one_open_freeze_per_subject",
            ),
        ),
    ]
