"""An index by which refunds that came back are found; most sites have none in it.

Built under a lock that stops the reading of the statement, which simply goes on afterwards.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0003_statement")]

    operations = [
        migrations.AddIndex(
            model_name="providerline",
            index=models.Index(
                condition=models.Q(("kind", "refund_failed"), ("matched_id__isnull", False)),
                fields=["matched_id"],
                name="line_refund_came_back",
            ),
        ),
    ]
