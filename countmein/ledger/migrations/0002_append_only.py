"""The books are append-only: the role that runs the site may add rows and read them, no more.

Even the owner of a table can give these rights up; a superuser cannot be bound, so the site does
not run as one. Takes a moment's lock on an empty table.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "REVOKE UPDATE, DELETE, TRUNCATE ON ledger_transfer FROM CURRENT_USER",
            "GRANT UPDATE, DELETE, TRUNCATE ON ledger_transfer TO CURRENT_USER",
        )
    ]
