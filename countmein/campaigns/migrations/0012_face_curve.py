"""The tipping curve beside the unlock distance, and what the search for words looks into.

A column with a default: the table is locked for an instant and not rewritten. The two indexes lock
campaigns and stories against writing while they are built: seconds for 100,000 campaigns.
"""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0011_uncounted"),
    ]

    operations = [
        migrations.AddField(
            model_name="tally",
            name="curve",
            field=models.JSONField(default=list),
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.search.SearchVector("title", config="simple"),
                name="campaign_words",
            ),
        ),
        migrations.AddIndex(
            model_name="storyversion",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.search.SearchVector("text", config="simple"),
                name="story_words",
            ),
        ),
    ]
