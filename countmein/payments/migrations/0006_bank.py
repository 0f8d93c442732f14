"""Transfers by bank: statements, entries, orders; what is awaited, and refunds that go by order.

New tables and columns with constant defaults: a moment's lock each. The two indexes and the unique
key on charges and refunds are empty at first and built under a lock that stops writes, about a
second for each million rows; at 40M charges some 40 s each, for which charging simply waits.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import countmein.base.ids


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0005_payouts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BankEntry",
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
                ("entry_id", models.CharField(max_length=64)),
                ("account", models.CharField(max_length=34)),
                ("statement_id", models.CharField(blank=True, max_length=64)),
                ("is_proved", models.BooleanField(default=False)),
                ("booked_on", models.DateField()),
                ("valued_on", models.DateField()),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("direction", models.CharField(max_length=6)),
                ("reversal", models.BooleanField(default=False)),
                ("bank_reference", models.TextField(blank=True)),
                ("end_to_end_id", models.TextField(blank=True)),
                ("references", models.JSONField(default=list)),
                ("text", models.TextField(blank=True)),
                ("counterparty", models.TextField(blank=True)),
                ("counterparty_account", models.CharField(blank=True, max_length=64)),
                ("imported_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "New"),
                            ("booked", "Booked"),
                            ("queued", "Queued"),
                            ("returning", "Returning"),
                            ("returned", "Returned"),
                            ("noted", "Noted"),
                            ("left", "Left"),
                        ],
                        default="new",
                        max_length=10,
                    ),
                ),
                ("verdict", models.CharField(blank=True, max_length=20)),
                ("act", models.CharField(blank=True, max_length=16)),
                ("candidates", models.JSONField(default=list)),
                ("excess_minor", models.BigIntegerField(default=0)),
                ("assigned", models.CharField(blank=True, max_length=25)),
                ("charge_lane", models.IntegerField(null=True)),
                ("charge_id", models.UUIDField(null=True)),
                ("campaign_id", models.UUIDField(null=True)),
                ("booked_minor", models.BigIntegerField(default=0)),
                ("decided_at", models.DateTimeField(null=True)),
                ("note", models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name="BankOrder",
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
                ("message_id", models.CharField(max_length=35, unique=True)),
                ("created_at", models.DateTimeField()),
                ("execute_on", models.DateField()),
                ("currency", models.CharField(max_length=3)),
                ("name", models.CharField(max_length=70)),
                ("iban", models.CharField(max_length=34)),
                ("bic", models.CharField(blank=True, max_length=11)),
                ("transfer_count", models.IntegerField()),
                ("total_minor", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="BankStatement",
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
                ("account", models.CharField(max_length=34)),
                ("statement_id", models.CharField(blank=True, max_length=64)),
                ("content", models.CharField(max_length=64)),
                ("entry_count", models.IntegerField()),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("opening_minor", models.BigIntegerField(null=True)),
                ("closing_minor", models.BigIntegerField(null=True)),
                ("opening_on", models.DateField(null=True)),
                ("closing_on", models.DateField(null=True)),
                ("imported_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="BankTransfer",
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
                (
                    "kind",
                    models.CharField(
                        choices=[("refund", "Refund"), ("return", "Return"), ("payout", "Payout")],
                        max_length=8,
                    ),
                ),
                ("about_lane", models.IntegerField(null=True)),
                ("about_id", models.UUIDField()),
                ("campaign_id", models.UUIDField(null=True)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("name", models.CharField(blank=True, max_length=70)),
                ("iban", models.CharField(blank=True, max_length=34)),
                ("text", models.CharField(blank=True, max_length=140)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("due", "Due"),
                            ("ordered", "Ordered"),
                            ("done", "Done"),
                            ("rejected", "Rejected"),
                            ("came_back", "Came Back"),
                        ],
                        default="due",
                        max_length=10,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=64)),
                ("words", models.CharField(blank=True, max_length=300)),
                ("created_at", models.DateTimeField()),
                ("entry_id", models.UUIDField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name="charge",
            name="provider",
            field=models.CharField(default="stripe", max_length=16),
        ),
        migrations.AddField(
            model_name="charge",
            name="reference",
            field=models.CharField(blank=True, max_length=25),
        ),
        migrations.AddField(
            model_name="charge",
            name="remind_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="charge",
            name="state",
            field=models.CharField(
                choices=[
                    ("due", "Due"),
                    ("doing", "Doing"),
                    ("on_page", "On Page"),
                    ("awaited", "Awaited"),
                    ("paid", "Paid"),
                    ("failed", "Failed"),
                ],
                default="due",
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="refund",
            name="state",
            field=models.CharField(
                choices=[
                    ("due", "Due"),
                    ("doing", "Doing"),
                    ("by_bank", "By Bank"),
                    ("done", "Done"),
                    ("stuck", "Stuck"),
                    ("moot", "Moot"),
                ],
                default="due",
                max_length=8,
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(
                condition=models.Q(("state", "awaited")), fields=["due_at"], name="charge_awaited"
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(
                condition=models.Q(("state", "awaited")),
                fields=["remind_at"],
                name="charge_to_remind",
            ),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(
                condition=models.Q(("state", "by_bank")), fields=["id"], name="refund_by_bank"
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.UniqueConstraint(
                condition=models.Q(("reference", ""), _negated=True),
                fields=("lane", "reference"),
                name="one_charge_per_reference",
            ),
        ),
        migrations.AddField(
            model_name="bankentry",
            name="decided_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="bankorder",
            name="made_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="bankstatement",
            name="imported_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="banktransfer",
            name="order",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="transfers",
                to="payments.bankorder",
            ),
        ),
        migrations.AddIndex(
            model_name="bankentry",
            index=models.Index(
                condition=models.Q(("state__in", ["new", "queued"])),
                fields=["booked_on", "entry_id"],
                name="bank_entry_open",
            ),
        ),
        migrations.AddIndex(
            model_name="bankentry",
            index=models.Index(
                condition=models.Q(("charge_id__isnull", False)),
                fields=["charge_id"],
                name="bank_entry_by_charge",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankentry",
            constraint=models.UniqueConstraint(fields=("entry_id",), name="one_row_per_bank_entry"),
        ),
        migrations.AddConstraint(
            model_name="bankentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("booked_minor__gte", 0), ("booked_minor__lte", models.F("amount_minor"))
                ),
                name="no_more_booked_than_came",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankstatement",
            constraint=models.UniqueConstraint(
                fields=("account", "statement_id", "content"), name="one_row_per_bank_statement"
            ),
        ),
        migrations.AddIndex(
            model_name="banktransfer",
            index=models.Index(
                condition=models.Q(("state__in", ["due", "ordered", "rejected", "came_back"])),
                fields=["id"],
                name="bank_transfer_open",
            ),
        ),
        migrations.AddIndex(
            model_name="banktransfer",
            index=models.Index(fields=["about_id"], name="bank_transfer_by_about"),
        ),
        migrations.AddConstraint(
            model_name="banktransfer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["due", "ordered", "done"])),
                fields=("kind", "about_id"),
                name="one_live_transfer_each",
            ),
        ),
        migrations.AddConstraint(
            model_name="banktransfer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("entry_id__isnull", False)),
                fields=("entry_id",),
                name="one_transfer_per_debit",
            ),
        ),
        migrations.AddConstraint(
            model_name="banktransfer",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="transfer_pays_something"
            ),
        ),
    ]
