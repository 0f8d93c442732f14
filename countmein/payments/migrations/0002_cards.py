"""Consents, hosted pages, the ladder of refused charges, disputes.

New tables and columns with constant defaults: a moment's lock each. The indexes and constraints on
charges, mandates and refunds are built under a lock, about a second for each million rows.
"""

from django.db import migrations, models

import countmein.base.ids


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Consent",
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
                ("pledge_id", models.UUIDField()),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("latest_charge_at", models.DateTimeField()),
                ("words", models.TextField()),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Dispute",
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
                ("pledge_id", models.UUIDField()),
                ("charge_id", models.UUIDField()),
                ("provider_dispute_id", models.CharField(max_length=255)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("reason", models.CharField(blank=True, max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("won", "Won"), ("lost", "Lost")],
                        default="open",
                        max_length=8,
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("answer_by", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="HostedPage",
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
                ("pledge_id", models.UUIDField()),
                ("provider", models.CharField(default="stripe", max_length=16)),
                (
                    "kind",
                    models.CharField(
                        choices=[("card", "Card"), ("payment", "Payment")], max_length=8
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("wanted", "Wanted"),
                            ("open", "Open"),
                            ("closing", "Closing"),
                            ("done", "Done"),
                            ("over", "Over"),
                        ],
                        default="wanted",
                        max_length=8,
                    ),
                ),
                ("provider_page_id", models.CharField(blank=True, max_length=255)),
                ("provider_customer_id", models.CharField(blank=True, max_length=255)),
                ("url", models.TextField(blank=True)),
                ("charge_id", models.UUIDField(null=True)),
                ("asked", models.JSONField()),
                ("opened_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("returned_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="mandate",
            name="one_mandate_per_pledge",
        ),
        migrations.RemoveConstraint(
            model_name="refund",
            name="one_refund_per_reason",
        ),
        migrations.RemoveIndex(
            model_name="charge",
            name="charge_work",
        ),
        migrations.AddField(
            model_name="attempt",
            name="mandate_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="attempt",
            name="page_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="charge",
            name="asks",
            field=models.SmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="charge",
            name="asks_told",
            field=models.SmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="charge",
            name="decline",
            field=models.CharField(blank=True, max_length=12),
        ),
        migrations.AddField(
            model_name="charge",
            name="refused_mandate_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="charge",
            name="steps",
            field=models.SmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="mandate",
            name="card_brand",
            field=models.CharField(blank=True, max_length=32),
        ),
        migrations.AddField(
            model_name="mandate",
            name="card_expires_on",
            field=models.DateField(null=True),
        ),
        migrations.AddField(
            model_name="mandate",
            name="card_last4",
            field=models.CharField(blank=True, max_length=4),
        ),
        migrations.AddField(
            model_name="refund",
            name="stage",
            field=models.SmallIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="charge",
            name="state",
            field=models.CharField(
                choices=[
                    ("due", "Due"),
                    ("doing", "Doing"),
                    ("on_page", "On Page"),
                    ("paid", "Paid"),
                    ("failed", "Failed"),
                ],
                default="due",
                max_length=8,
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(
                condition=models.Q(("state__in", ["due", "doing", "on_page"])),
                fields=["due_at"],
                name="charge_work",
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(
                condition=models.Q(("asks__gt", models.F("asks_told"))),
                fields=["lane", "campaign_id"],
                name="charge_to_ask_about",
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(
                condition=models.Q(("provider_charge_id", ""), _negated=True),
                fields=["provider_charge_id"],
                name="charge_by_provider_id",
            ),
        ),
        migrations.AddConstraint(
            model_name="mandate",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "wanted")),
                fields=("lane", "pledge_id"),
                name="one_card_checked_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="mandate",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "made")),
                fields=("lane", "pledge_id"),
                name="one_mandate_per_pledge",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.UniqueConstraint(
                fields=("lane", "charge_id", "reason", "stage"), name="one_refund_per_reason"
            ),
        ),
        migrations.AddIndex(
            model_name="consent",
            index=models.Index(fields=["lane", "pledge_id", "id"], name="consent_by_pledge"),
        ),
        migrations.AddIndex(
            model_name="dispute",
            index=models.Index(fields=["lane", "campaign_id"], name="dispute_by_campaign"),
        ),
        migrations.AddIndex(
            model_name="dispute",
            index=models.Index(
                condition=models.Q(("state", "open")), fields=["opened_at"], name="dispute_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.UniqueConstraint(
                fields=("lane", "provider_dispute_id"), name="one_row_per_dispute"
            ),
        ),
        migrations.AddIndex(
            model_name="hostedpage",
            index=models.Index(
                condition=models.Q(("state__in", ["wanted", "open", "closing"])),
                fields=["due_at"],
                name="page_work",
            ),
        ),
        migrations.AddConstraint(
            model_name="hostedpage",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["wanted", "open"])),
                fields=("lane", "pledge_id"),
                name="one_open_page_per_pledge",
            ),
        ),
    ]
