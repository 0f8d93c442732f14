"""Where charging has stopped because a batch was not what had been accepted.

A new column without a default: a moment's lock on the gates, whatever their number.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0002_topup"),
    ]

    operations = [
        migrations.AddField(
            model_name="gate",
            name="charging_stopped_at",
            field=models.DateTimeField(null=True),
        ),
    ]
