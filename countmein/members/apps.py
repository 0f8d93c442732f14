from django.apps import AppConfig


class MembersConfig(AppConfig):
    name = "countmein.members"
    default_auto_field = "django.db.models.BigAutoField"
