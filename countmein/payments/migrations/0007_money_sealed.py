"""Names and accounts at the bank are sealed; what stood there in clear is sealed, then dropped.

A second for some ten thousand rows, while the worker and the desk for the bank stand still.
"""

from collections.abc import Iterator
from typing import Any

from django.db import migrations, models

from countmein.payments.parties import Known, sealed_party

SLICE = 1000


def _slices(rows: Any) -> Iterator[list[Any]]:
    page = list(rows.order_by("id")[:SLICE])
    while page:
        yield page
        page = list(rows.filter(id__gt=page[-1].id).order_by("id")[:SLICE])


def seal_old(apps: Any, _editor: Any) -> None:
    """Seal what was kept in clear."""
    for name, about, field, old in (
        ("BankEntry", "bank entry", "payer", ("counterparty", "counterparty_account")),
        ("BankTransfer", "bank transfer", "payee", ("name", "iban")),
    ):
        model = apps.get_model("payments", name)
        for page in _slices(model.objects.all()):
            for row in page:
                known = Known(name=getattr(row, old[0]), account=getattr(row, old[1]))
                setattr(row, field, sealed_party(known, about=f"{about} {row.id}"))
            model.objects.bulk_update(page, [field])
    payouts = apps.get_model("payments", "Payout")
    for row in payouts.objects.exclude(iban=""):
        account = sealed_party(Known(account=row.iban), about=f"payout {row.id}")
        payouts.objects.filter(lane=row.lane, id=row.id).update(account=account)


class Migration(migrations.Migration):
    dependencies = [("payments", "0006_money_part_told")]

    operations = [
        migrations.AddField("bankentry", "payer", models.BinaryField(null=True)),
        migrations.AddField("banktransfer", "payee", models.BinaryField(null=True)),
        migrations.AddField("payout", "account", models.BinaryField(null=True)),
        migrations.RunPython(seal_old, elidable=True),
        migrations.RemoveField("bankentry", "counterparty"),
        migrations.RemoveField("bankentry", "counterparty_account"),
        migrations.RemoveField("banktransfer", "name"),
        migrations.RemoveField("banktransfer", "iban"),
        migrations.RemoveField("payout", "iban"),
        migrations.AddIndex(
            "bankentry",
            models.Index(
                fields=["booked_on"],
                condition=models.Q(
                    ("payer__isnull", False), ~models.Q(("text", "")), _connector="OR"
                ),
                name="bank_entry_payer_known",
            ),
        ),
        migrations.AddIndex(
            "banktransfer",
            models.Index(
                fields=["created_at"],
                condition=models.Q(("payee__isnull", False)),
                name="bank_transfer_payee_known",
            ),
        ),
    ]
