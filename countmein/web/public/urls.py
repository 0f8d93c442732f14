"""The addresses of the public pages."""

from __future__ import annotations

from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.i18n import set_language

from countmein.web.public import (
    after,
    browse,
    card,
    disown,
    documents,
    embed,
    freeze,
    mine,
    my_data,
    outbox,
    picture,
    pledging,
    removed,
    site,
    styleguide,
    tickets,
    transfer,
)

urlpatterns = [
    path("", browse.home, name="home"),
    path("campaigns/", browse.campaigns, name="campaigns"),
    path("how/", browse.how, name="how"),
    path("feed/", site.feed, name="feed"),
    path("sitemap.xml", site.sitemap, name="sitemap"),
    path("robots.txt", site.robots, name="robots"),
    path(".well-known/security.txt", site.security, name="security"),
    path(".well-known/change-password", site.change_password, name="change_password"),
    # Needs no token: a stranger's page could change the language and nothing else, while a token in
    # the foot of every page would make each one somebody's own.
    path("language/", csrf_exempt(set_language), name="set_language"),
    path("c/<slug:code>/", browse.campaign, name="campaign"),
    path("c/<slug:code>/meter/", browse.meter, name="campaign_meter"),
    path("c/<slug:code>/pledge/", pledging.form, name="pledge"),
    path("c/<slug:code>/removed/", removed.removed, name="removed"),
    path("c/<slug:code>/ledger/", browse.ledger, name="ledger"),
    path("c/<slug:code>/share.png", picture.share_image, name="share_image"),
    path("c/<slug:code>/qr.svg", picture.qr, name="qr"),
    path("c/<slug:code>/poster/", picture.poster, name="poster"),
    path("c/<slug:code>/documents/<uuid:id>/", documents.document, name="document"),
    path("embed/<slug:code>/", embed.embed, name="embed"),
    path("styleguide/", styleguide.page, name="styleguide"),
    path("freeze/<uuid:id>/", freeze.freezing, name="freeze"),
    path("my-data/", my_data.asked, name="my_data"),
    path("my-data/<slug:who>/", my_data.page, name="my_data_page"),
    path("my-data/<slug:who>/export.json", my_data.export, name="my_data_export"),
    path("my-data/<slug:who>/erase/", my_data.erased, name="my_data_erase"),
    path("p/<slug:code>/", mine.page, name="my_pledge"),
    path("p/<slug:code>/confirm/", mine.confirmed, name="confirm"),
    path("p/<slug:code>/not-me/", disown.disowned, name="disown"),
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
    path("outbox/", outbox.listing, name="outbox"),
    path("outbox/<int:number>/", outbox.message, name="outbox_message"),
    path("outbox/<int:number>/html", outbox.html, name="outbox_html"),
    path("outbox/<int:number>/<int:index>/", outbox.attachment, name="outbox_attachment"),
]
