"""The public log finds what is new by the round of a pledge and by the time of a move.

Built concurrently: pledging goes on; some minutes for 40 million pledges.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("campaigns", "0012_face_curve")]

    operations = [
        AddIndexConcurrently(
            "pledge",
            models.Index(fields=["lane", "campaign_id", "round", "id"], name="pledge_by_round"),
        ),
        AddIndexConcurrently("move", models.Index(fields=["id"], name="move_by_time")),
    ]
