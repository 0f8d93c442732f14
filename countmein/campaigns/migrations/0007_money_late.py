"""What came back after a failure was settled: who bears less since.

Columns with a constant default: a moment's lock each, whatever the number of rows.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0006_counting_tally"),
    ]

    operations = [
        migrations.AddField(
            model_name="failure",
            name="came_back_count",
            field=models.IntegerField(default=0),
        ),
        migrations.AddField(
            model_name="failure",
            name="late_count",
            field=models.SmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="planshare",
            name="relieved_minor",
            field=models.BigIntegerField(default=0),
        ),
    ]
