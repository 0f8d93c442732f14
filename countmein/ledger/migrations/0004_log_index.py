"""The public log finds what is new in the books by its time.

Built concurrently: booking goes on; a minute or two for 40 million transfers.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("ledger", "0003_money_came_back")]

    operations = [
        AddIndexConcurrently("transfer", models.Index(fields=["id"], name="transfer_by_time")),
    ]
