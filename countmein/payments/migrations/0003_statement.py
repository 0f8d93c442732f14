"""The provider's statement, differences from it, disputed money by kind, refunds gone moot.

New tables and a column with a constant default: a moment's lock each. The indexes on attempts,
disputes and refunds are built under a lock that stops writes, about a second for each million
rows; at 40M attempts some 40 s, for which the work on money simply waits.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import countmein.base.ids


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0002_cards"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Discrepancy",
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
                ("provider", models.CharField(max_length=16)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("only_in_ledger", "Only In Ledger"),
                            ("only_at_provider", "Only At Provider"),
                            ("amount_differs", "Amount Differs"),
                        ],
                        max_length=16,
                    ),
                ),
                ("event", models.CharField(max_length=16)),
                ("about", models.CharField(max_length=255)),
                ("ours_minor", models.BigIntegerField(null=True)),
                ("theirs_minor", models.BigIntegerField(null=True)),
                ("currency", models.CharField(max_length=3)),
                ("first_seen_at", models.DateTimeField()),
                ("note", models.TextField(blank=True)),
                ("resolved_at", models.DateTimeField(null=True)),
                ("resolved_by", models.CharField(blank=True, max_length=16)),
            ],
        ),
        migrations.CreateModel(
            name="ProviderLine",
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
                ("provider", models.CharField(max_length=16)),
                ("line_id", models.CharField(max_length=255)),
                ("kind", models.CharField(max_length=16)),
                ("source_id", models.CharField(blank=True, max_length=255)),
                ("provider_charge_id", models.CharField(blank=True, max_length=255)),
                ("reference", models.UUIDField(null=True)),
                ("amount_minor", models.BigIntegerField()),
                ("fee_minor", models.BigIntegerField()),
                ("net_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("created_at", models.DateTimeField()),
                ("read_at", models.DateTimeField()),
                ("matched_lane", models.IntegerField(null=True)),
                ("matched_id", models.UUIDField(null=True)),
                ("campaign_id", models.UUIDField(null=True)),
                ("is_fee_booked", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="Statement",
            fields=[
                ("provider", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("began_at", models.DateTimeField()),
                ("since", models.DateTimeField()),
                ("after", models.CharField(blank=True, max_length=255)),
                ("newest_at", models.DateTimeField(null=True)),
                ("read_at", models.DateTimeField(null=True)),
                ("lines_due_at", models.DateTimeField()),
                ("disputes_due_at", models.DateTimeField()),
                ("compare_due_at", models.DateTimeField()),
            ],
        ),
        migrations.RemoveIndex(
            model_name="refund",
            name="refund_news",
        ),
        migrations.AddField(
            model_name="dispute",
            name="parts",
            field=models.JSONField(default=dict),
        ),
        migrations.AlterField(
            model_name="refund",
            name="state",
            field=models.CharField(
                choices=[
                    ("due", "Due"),
                    ("doing", "Doing"),
                    ("done", "Done"),
                    ("stuck", "Stuck"),
                    ("moot", "Moot"),
                ],
                default="due",
                max_length=8,
            ),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(
                condition=models.Q(("outcome__in", ["started", "unknown"])),
                fields=["about_id"],
                name="attempt_open",
            ),
        ),
        migrations.AddIndex(
            model_name="dispute",
            index=models.Index(fields=["lane", "charge_id"], name="dispute_by_charge"),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(
                condition=models.Q(("is_read", False), ("state__in", ["done", "moot"])),
                fields=["lane", "campaign_id"],
                name="refund_news",
            ),
        ),
        migrations.AddField(
            model_name="discrepancy",
            name="owner",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="providerline",
            index=models.Index(
                condition=models.Q(("matched_id", None)), fields=["kind"], name="line_unmatched"
            ),
        ),
        migrations.AddIndex(
            model_name="providerline",
            index=models.Index(
                condition=models.Q(
                    ("is_fee_booked", False),
                    ("matched_id__isnull", False),
                    models.Q(("fee_minor", 0), _negated=True),
                ),
                fields=["id"],
                name="line_fee_to_book",
            ),
        ),
        migrations.AddConstraint(
            model_name="providerline",
            constraint=models.UniqueConstraint(
                fields=("provider", "line_id"), name="one_row_per_line"
            ),
        ),
        migrations.AddConstraint(
            model_name="discrepancy",
            constraint=models.UniqueConstraint(
                condition=models.Q(("resolved_at", None)),
                fields=("provider", "event", "about", "currency"),
                name="one_open_row_per_difference",
            ),
        ),
    ]
