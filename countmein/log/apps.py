from django.apps import AppConfig


class LogConfig(AppConfig):
    name = "countmein.log"
    default_auto_field = "django.db.models.BigAutoField"
