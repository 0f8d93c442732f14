"""The addresses of the organiser's desk."""

from __future__ import annotations

from django.urls import path

from countmein.web.organise import carrying, drafting, watching

urlpatterns = [
    path("", drafting.mine, name="organise"),
    path("new/", drafting.choose, name="organise_choose"),
    path("new/<slug:template>/", drafting.new, name="organise_new"),
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
]
