"""Contacts are sealed under a key of their member's; erasures and what is not to be brought back.

New columns that may be empty, and defaults in the database: a moment's lock, whatever the number of
rows.
"""

from django.db import migrations, models

import countmein.base.ids


class Migration(migrations.Migration):
    dependencies = [("members", "0001_initial")]

    operations = [
        migrations.AddField("member", "wrapped_key", models.BinaryField(null=True)),
        migrations.AddField("contact", "sealed", models.BinaryField(null=True)),
        migrations.AlterField(
            "contact",
            "address",
            models.CharField(blank=True, db_default="", default="", max_length=254),
        ),
        migrations.AlterField(
            "contact",
            "name",
            models.CharField(blank=True, db_default="", default="", max_length=100),
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "lane",
                        "id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("lane", models.IntegerField()),
                ("id", models.UUIDField(default=countmein.base.ids.uuid7, editable=False)),
                ("mailbox", models.CharField(blank=True, max_length=64)),
                ("by", models.CharField(max_length=8)),
                ("asked_at", models.DateTimeField()),
                ("done_at", models.DateTimeField(null=True)),
                ("withdrawn", models.IntegerField(default=0)),
                ("kept", models.IntegerField(default=0)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("done_at__isnull", True)),
                        fields=["lane", "id"],
                        name="erasure_undone",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("done_at__isnull", True)),
                        fields=("lane", "mailbox"),
                        name="one_erasure_at_a_time",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "lane",
                        "id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("lane", models.IntegerField()),
                ("id", models.UUIDField(default=countmein.base.ids.uuid7, editable=False)),
                ("digest", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("lane", "digest"), name="one_suppression_per_mailbox"
                    )
                ],
            },
        ),
    ]
