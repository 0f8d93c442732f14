"""Notes of what is to be counted. A new table: no lock; within a minute the rows are asked once."""

from django.db import migrations, models

import countmein.base.ids


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0010_privacy_moderation"),
    ]

    operations = [
        migrations.CreateModel(
            name="Uncounted",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "lane", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("lane", models.IntegerField()),
                ("id", models.UUIDField(default=countmein.base.ids.uuid7, editable=False)),
                ("campaign_id", models.UUIDField()),
                ("round", models.BigIntegerField()),
            ],
            options={
                "abstract": False,
            },
        ),
    ]
