"""What the desk took out of a count. New tables: nobody waits for their locks."""

from django.db import migrations, models

import countmein.base.ids


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0009_privacy_by_mailbox"),
    ]

    operations = [
        migrations.CreateModel(
            name="ModeratedPledge",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "lane", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("lane", models.IntegerField()),
                ("id", models.UUIDField(default=countmein.base.ids.uuid7, editable=False)),
                ("moderation_id", models.UUIDField()),
                ("pledge_id", models.UUIDField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("lane", "moderation_id", "pledge_id"),
                        name="one_pledge_per_moderation",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Moderation",
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
                (
                    "verdict",
                    models.CharField(
                        choices=[("held", "Held"), ("invalid", "Invalid")], max_length=8
                    ),
                ),
                ("reason", models.CharField(max_length=16)),
                ("note", models.CharField(blank=True, max_length=500)),
                ("choice", models.JSONField()),
                ("by", models.UUIDField()),
                ("at", models.DateTimeField()),
                ("after", models.UUIDField(null=True)),
                ("people", models.BigIntegerField(default=0)),
                ("done_at", models.DateTimeField(null=True)),
                ("lift_asked_at", models.DateTimeField(null=True)),
                ("lifted_at", models.DateTimeField(null=True)),
                ("lifted_people", models.BigIntegerField(default=0)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["lane", "campaign_id"], name="moderation_by_campaign"),
                    models.Index(
                        condition=models.Q(
                            ("done_at__isnull", True),
                            models.Q(("lift_asked_at__isnull", False), ("lifted_at__isnull", True)),
                            _connector="OR",
                        ),
                        fields=["lane", "id"],
                        name="moderation_undone",
                    ),
                ],
            },
        ),
    ]
