"""When a tally was counted, and as of which round its outlook is.

New columns with constant defaults: a moment's lock on the tallies, whatever their number.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0005_surge"),
    ]

    operations = [
        migrations.AddField(
            model_name="tally",
            name="counted_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="tally",
            name="outlook_round",
            field=models.BigIntegerField(default=0),
        ),
    ]
