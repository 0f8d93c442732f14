"""The addresses of the public pages."""

from __future__ import annotations

from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.i18n import set_language

from countmein.web.public import (
    after,
    browse,
    card,
    documents,
    freeze,
    log,
    mine,
    outbox,
    pledging,
    tickets,
    transfer,
)

urlpatterns = [
    path("", browse.home, name="home"),
    path("campaigns/", browse.campaigns, name="campaigns"),
    path("how/", browse.how, name="how"),
    # Needs no token: a stranger's page could change the language and nothing else, while a token in
    # the foot of every page would make each one somebody's own.
    path("language/", csrf_exempt(set_language), name="set_language"),
    path("c/<slug:code>/", browse.campaign, name="campaign"),
    path("c/<slug:code>/meter/", browse.meter, name="campaign_meter"),
    path("c/<slug:code>/pledge/", pledging.form, name="pledge"),
    path("c/<slug:code>/ledger/", browse.ledger, name="ledger"),
    path("c/<slug:code>/documents/<uuid:id>/", documents.document, name="document"),
    path("freeze/<uuid:id>/", freeze.freezing, name="freeze"),
    path("p/<slug:code>/", mine.page, name="my_pledge"),
    path("p/<slug:code>/confirm/", mine.confirmed, name="confirm"),
    path("p/<slug:code>/change/", mine.changed, name="change"),
    path("p/<slug:code>/withdraw/", mine.withdrawn, name="withdraw"),
    path("p/<slug:code>/card/", card.card, name="card"),
    path("p/<slug:code>/card/back/", card.back, name="card_back"),
    path("p/<slug:code>/fallback/", after.fallback, name="fallback"),
    path("p/<slug:code>/ballot/", after.ballot, name="ballot"),
    path("p/<slug:code>/transfer/", transfer.transfer, name="transfer"),
    path("p/<slug:code>/transfer.png", transfer.picture, name="transfer_picture"),
    path("p/<slug:code>/report/", mine.reported, name="report"),
    path("p/<slug:code>/ticket.png", tickets.picture, name="ticket"),
    path("p/<slug:code>/event.ics", tickets.appointment, name="appointment"),
    path("p/<slug:code>/proof/", log.proof, name="proof"),
    path("p/<slug:code>/proof.png", log.proof_picture, name="proof_picture"),
    path("log/", log.page, name="log"),
    path("log/checkpoint", log.checkpoint, name="log_checkpoint"),
    path("log/key", log.key, name="log_key"),
    path("log/export.jsonl", log.export, name="log_export"),
    path("log/tile/entries/<path:place>", log.entries, name="log_entries"),
    path("log/tile/<int:level>/<path:place>", log.tile, name="log_tile"),
    path("verify.py", log.verifier, name="verifier"),
    path("outbox/", outbox.listing, name="outbox"),
    path("outbox/<int:number>/", outbox.message, name="outbox_message"),
    path("outbox/<int:number>/html", outbox.html, name="outbox_html"),
    path("outbox/<int:number>/<int:index>/", outbox.attachment, name="outbox_attachment"),
]
