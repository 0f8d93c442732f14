"""Who was told that a part of a transfer came.

One column without a default and a partial index that is nearly empty: at once, whatever the size.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0005_payouts_and_bank")]

    operations = [
        migrations.AddField(
            model_name="bankentry",
            name="told_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="bankentry",
            index=models.Index(
                condition=models.Q(("state", "queued"), ("told_at", None), ("verdict", "partial")),
                fields=["campaign_id"],
                name="bank_entry_untold_part",
            ),
        ),
    ]
