"""Django as a WSGI application, for the adapter in the intake."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "countmein.settings")
application = get_wsgi_application()
