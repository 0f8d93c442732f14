"""All pledges of one mailbox, for export and erasure; and those that still know one of somebody
who was erased.

Both are built without holding up anybody (three minutes at 40M rows); a try that was killed leaves
a broken index, which the next one drops.
"""

import uuid

from django.contrib.postgres.indexes import HashIndex
from django.db import migrations, models

OF_ERASED = models.Index(
    fields=["lane", "campaign_id"],
    condition=models.Q(contact_id=uuid.UUID(int=0)),
    name="pledge_of_erased",
)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("campaigns", "0008_money_offers")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "DROP INDEX CONCURRENTLY IF EXISTS pledge_by_mailbox", migrations.RunSQL.noop
                ),
                migrations.RunSQL(
                    "CREATE INDEX CONCURRENTLY pledge_by_mailbox ON campaigns_pledge"
                    " USING hash (mailbox)",
                    "DROP INDEX CONCURRENTLY IF EXISTS pledge_by_mailbox",
                ),
                migrations.RunSQL(
                    "DROP INDEX CONCURRENTLY IF EXISTS pledge_of_erased", migrations.RunSQL.noop
                ),
                migrations.RunSQL(
                    "CREATE INDEX CONCURRENTLY pledge_of_erased ON campaigns_pledge"
                    " (lane, campaign_id)"
                    " WHERE contact_id = '00000000-0000-0000-0000-000000000000'",
                    "DROP INDEX CONCURRENTLY IF EXISTS pledge_of_erased",
                ),
            ],
            state_operations=[
                migrations.AddIndex(
                    "pledge", HashIndex(fields=["mailbox"], name="pledge_by_mailbox")
                ),
                migrations.AddIndex("pledge", OF_ERASED),
            ],
        )
    ]
