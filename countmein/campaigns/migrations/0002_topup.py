"""A round for what is missing, and asking anew for cards that will expire.

New columns without a default: a moment's lock on the gates, whatever their number. The constraint
on moves is built anew under a lock: about a second for a million of them.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0001_initial"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="move",
            name="one_move_of_a_kind",
        ),
        migrations.AddField(
            model_name="gate",
            name="reminded_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="gate",
            name="topup_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddConstraint(
            model_name="move",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("state__in", ["open", "tipped", "topup", "lapsed", "cancelled", "released"])
                ),
                fields=("lane", "campaign_id", "state"),
                name="one_move_of_a_kind",
            ),
        ),
    ]
