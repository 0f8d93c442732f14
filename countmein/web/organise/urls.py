"""The addresses of the organiser's desk."""

from __future__ import annotations

from django.urls import path

from countmein.web.organise import (
    account,
    backers,
    carrying,
    drafting,
    handing,
    payouts,
    watching,
)

urlpatterns = [
    path("", drafting.mine, name="organise"),
    path("new/", drafting.choose, name="organise_choose"),
    path("new/<slug:template>/", drafting.new, name="organise_new"),
    path("account/", account.account, name="organise_account"),
    path("account/back/", account.back, name="organise_account_back"),
    path("<slug:code>/", watching.watch, name="organise_campaign"),
    path("<slug:code>/edit/", drafting.change, name="organise_edit"),
    path("<slug:code>/rehearse/", drafting.rehearsal, name="organise_rehearse"),
    path("<slug:code>/launch/", drafting.ask_launch, name="organise_ask_launch"),
    path("<slug:code>/launch/now/", drafting.do_launch, name="organise_launch"),
    path("<slug:code>/story/", watching.story, name="organise_story"),
    path("<slug:code>/thank/", watching.thanks, name="organise_thank"),
    path("<slug:code>/execute/", carrying.executing, name="organise_execute"),
    path("<slug:code>/fail/", carrying.failing, name="organise_fail"),
    path("<slug:code>/finish/", carrying.finishing, name="organise_finish"),
    path("<slug:code>/cancel/", watching.cancelling, name="organise_cancel"),
    path("<slug:code>/payouts/", payouts.payouts, name="organise_payouts"),
    path("<slug:code>/payouts/<uuid:id>/stop/", payouts.stop, name="organise_payout_stop"),
    path(
        "<slug:code>/payouts/<uuid:id>/delivery/",
        payouts.delivered,
        name="organise_payout_delivery",
    ),
    path("<slug:code>/proof/", payouts.proof, name="organise_proof"),
    path("offered/<slug:code>/", handing.offered, name="organise_offered"),
    path("<slug:code>/hand-over/", handing.handing, name="organise_hand_over"),
    path("<slug:code>/backers.csv", backers.report, name="organise_backers"),
]
