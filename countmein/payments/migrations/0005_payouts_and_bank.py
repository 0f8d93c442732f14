"""What leaves: payouts, their accounts, approvals and documents, the commission. And transfers by
bank: statements, entries, orders; what is awaited, and refunds that go by order.

New tables, and columns with constant defaults: a moment's lock each. The two indexes and the unique
key on charges and refunds are empty at first, but are built under a lock that stops writes while
each row is looked at once; charging waits for that long.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import countmein.base.ids


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0004_refunds_that_came_back"),
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
            name="Document",
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
                ("payout_id", models.UUIDField(null=True)),
                ("proof_id", models.UUIDField(null=True)),
                ("stage", models.SmallIntegerField(null=True)),
                ("name", models.CharField(max_length=200)),
                ("media_type", models.CharField(max_length=64)),
                ("sha256", models.CharField(max_length=64)),
                ("bytes", models.BinaryField()),
                ("at", models.DateTimeField()),
            ],
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
        migrations.CreateModel(
            name="Payout",
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
                        choices=[("organiser", "Organiser"), ("supplier", "Supplier")],
                        max_length=10,
                    ),
                ),
                ("payee", models.CharField(max_length=48)),
                ("purpose", models.CharField(max_length=300)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("parts", models.JSONField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Asked"),
                            ("sending", "Sending"),
                            ("paid", "Paid"),
                            ("stopped", "Stopped"),
                            ("returned", "Returned"),
                        ],
                        default="asked",
                        max_length=10,
                    ),
                ),
                (
                    "delivery",
                    models.CharField(
                        choices=[
                            ("unknown", "Unknown"),
                            ("delivered", "Delivered"),
                            ("lost", "Lost"),
                        ],
                        default="unknown",
                        max_length=10,
                    ),
                ),
                ("asked_by_id", models.UUIDField()),
                ("asked_at", models.DateTimeField()),
                ("paid_at", models.DateTimeField(null=True)),
                ("reference", models.CharField(blank=True, max_length=255)),
                ("destination", models.CharField(blank=True, max_length=255)),
                ("iban", models.CharField(blank=True, max_length=34)),
                ("attempt", models.IntegerField(default=0)),
                ("agreed_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField(null=True)),
                ("claimed_at", models.DateTimeField(null=True)),
                ("is_told", models.BooleanField(default=False)),
                ("code", models.CharField(blank=True, max_length=64)),
                ("note", models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name="PayoutAccount",
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
                ("provider", models.CharField(default="stripe", max_length=16)),
                ("provider_account_id", models.CharField(blank=True, max_length=255)),
                ("bank_last4", models.CharField(blank=True, max_length=4)),
                ("bank_fingerprint", models.CharField(blank=True, max_length=64)),
                ("is_verified", models.BooleanField(default=False)),
                ("changed_at", models.DateTimeField(null=True)),
                ("looked_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="PayoutApproval",
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
                ("payout_id", models.UUIDField()),
                ("by_id", models.UUIDField()),
                ("at", models.DateTimeField()),
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
            model_name="document",
            index=models.Index(fields=["lane", "campaign_id"], name="document_by_campaign"),
        ),
        migrations.AddConstraint(
            model_name="freeze",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)),
                fields=("subject_id",),
                name="one_open_freeze_per_subject",
            ),
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(fields=["lane", "campaign_id"], name="payout_by_campaign"),
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
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="payout_pays_something"
            ),
        ),
        migrations.AddField(
            model_name="payoutaccount",
            name="organiser",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="payoutapproval",
            constraint=models.UniqueConstraint(
                fields=("lane", "payout_id", "by_id"), name="one_approval_per_person"
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
        migrations.AddConstraint(
            model_name="payoutaccount",
            constraint=models.UniqueConstraint(
                fields=("organiser",), name="one_account_per_organiser"
            ),
        ),
    ]
