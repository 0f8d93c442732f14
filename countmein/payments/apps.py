from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "countmein.payments"
    default_auto_field = "django.db.models.BigAutoField"
