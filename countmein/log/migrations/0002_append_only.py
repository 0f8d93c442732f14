"""Entries and signed checkpoints are append-only: the role that runs the site may add and read.

Even the owner of a table can give these rights up; a superuser cannot be bound, so what a person
with all rights does is found by the checkpoints they cannot sign. Takes a moment's lock on empty
tables.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("log", "0001_initial")]

    operations = [
        migrations.RunSQL(
            f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM CURRENT_USER",
            f"GRANT UPDATE, DELETE, TRUNCATE ON {table} TO CURRENT_USER",
        )
        for table in ("log_entry", "log_signedcheckpoint", "log_fact")
    ]
