"""How far walks over all rows of a table have come. A new table: nobody waits for its lock."""

import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("base", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Walk",
            fields=[
                ("name", models.CharField(max_length=48, primary_key=True, serialize=False)),
                ("after_lane", models.IntegerField(default=-1)),
                ("after_id", models.UUIDField(default=uuid.UUID(int=0))),
                ("done_at", models.DateTimeField(null=True)),
            ],
        ),
    ]
