"""The addresses of the desk of the site's owner."""

from __future__ import annotations

from django.urls import path

from countmein.web.desk import alarms, bank, erasures, moderation, money, payouts

urlpatterns = [
    path("", alarms.listing, name="desk"),
    path("money/", money.differences, name="desk_money"),
    path("money/<uuid:id>/", money.note, name="desk_money_note"),
    path("payouts/", payouts.listing, name="desk_payouts"),
    path("payouts/freeze/<uuid:id>/", payouts.go_on, name="desk_freeze"),
    path("payouts/<uuid:id>/", payouts.one, name="desk_payout"),
    path("payouts/<uuid:id>/<slug:verb>/", payouts.act, name="desk_payout_act"),
    path("erasures/", erasures.erasures, name="desk_erasures"),
    path("moderation/", moderation.campaigns, name="desk_moderated"),
    path("moderation/<slug:code>/", moderation.campaign, name="desk_moderation"),
    path("moderation/<slug:code>/<uuid:id>/", moderation.lifted, name="desk_moderation_lift"),
    path("bank/", bank.desk, name="desk_bank"),
    path("bank/import/", bank.imported, name="desk_bank_import"),
    path("bank/entry/<uuid:id>/", bank.entry, name="desk_bank_entry"),
    path("bank/transfer/<uuid:id>/", bank.transfer, name="desk_bank_transfer"),
    path("bank/order/", bank.ordered, name="desk_bank_order"),
    path("bank/order/<uuid:id>.xml", bank.order_file, name="desk_bank_order_file"),
]
