"""The one callable that web processes serve: the intake, and behind it Django."""

from __future__ import annotations

from countmein.wsgi import application as pages

from countmein.intake.app import Intake  # isort: skip  (models need Django, which wsgi sets up)

application = Intake(pages=pages)
