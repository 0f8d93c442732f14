from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "countmein.ledger"
    default_auto_field = "django.db.models.BigAutoField"
