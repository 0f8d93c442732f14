from django.apps import AppConfig


class WatchConfig(AppConfig):
    name = "countmein.watch"
    default_auto_field = "django.db.models.BigAutoField"
