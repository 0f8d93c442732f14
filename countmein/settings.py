"""Settings: all from the environment that `countmein up` prepares; see docs/guide/operate.md."""

from __future__ import annotations

import os
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from csp.constants import NONE, SELF

from countmein.base.sealing import derived_key, keys_in

BASE_DIR = Path(__file__).resolve().parent

SANDBOX = os.environ.get("COUNTMEIN_SANDBOX") == "1"
SITE_URL = os.environ.get("COUNTMEIN_URL", "http://127.0.0.1:8000").rstrip("/")
SITE_NAME = os.environ.get("COUNTMEIN_NAME", "Countmein")
DEBUG = False
# For those who build the site: the page of all parts in all states, at /styleguide/.
SHOWS_STYLEGUIDE = SANDBOX and os.environ.get("COUNTMEIN_DEBUG") == "1"

_UNSET_KEY = "unset-" * 10
_key_file = os.environ.get("COUNTMEIN_SECRET_KEY_FILE")
SECRET_KEY = Path(_key_file).read_text().strip() if _key_file else _UNSET_KEY

# What is personal is sealed by the newest of these; older ones open what they once sealed. A site
# that is given no file of keys has one of its secret key, under the number 0.
_sealing_file = os.environ.get("COUNTMEIN_SEALING_KEYS_FILE")
SEALING_KEYS = {
    0: derived_key(SECRET_KEY),
    **(keys_in(Path(_sealing_file).read_text()) if _sealing_file else {}),
}

# Whoever has it may read the metrics; without one nobody may.
_metrics_file = os.environ.get("COUNTMEIN_METRICS_TOKEN_FILE")
METRICS_TOKEN = Path(_metrics_file).read_text().strip() if _metrics_file else ""

ALLOWED_HOSTS = (
    ["127.0.0.1", "localhost", "[::1]"]
    if SITE_URL.startswith("http://")
    else [urlsplit(SITE_URL).hostname or ""]
)
TRUSTED_PROXIES = tuple(filter(None, os.environ.get("TRUSTED_PROXIES", "").split(",")))


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    host = options.pop("host", None) or unquote(parts.hostname or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "countmein",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        # A connection a thread is kept: the web server's threads are few and long-lived.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": False,
    }


DATABASES = {"default": _database(os.environ.get("DATABASE_URL", "postgresql:///countmein"))}

INSTALLED_APPS = [
    "countmein.base",
    "countmein.members",
    "countmein.ledger",
    "countmein.log",
    "countmein.payments",
    "countmein.outreach",
    "countmein.campaigns",
    "countmein.watch",
    "countmein.web",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "procrastinate.contrib.django",
    "allauth",
    "allauth.account",
    "csp",
    "ninja",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "countmein.urls"
WSGI_APPLICATION = "countmein.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "web" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "countmein.web.context.site",
            ],
        },
    }
]

AUTH_USER_MODEL = "members.Organiser"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
LOGIN_URL = "/account/login/"
LOGIN_REDIRECT_URL = "/organise/"

LANGUAGE_CODE = "en-gb"
# The languages that visitors are offered.
_NAMES = {"en-gb": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "ar": "العربية"}
_OFFERED = os.environ.get("COUNTMEIN_LANGUAGES", "en-gb,de,fr,es,ar").split(",")
LANGUAGES = [(code, name) for code, name in _NAMES.items() if code in _OFFERED]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
# Files are served straight from the packages, found once at start; nothing is built.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

_HTTPS = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = _HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
STRIPE_API_BASE = os.environ.get("STRIPE_API_BASE", "")
CHECKOUT_ORIGIN = STRIPE_API_BASE or "https://checkout.stripe.com"
ACCOUNTS_ORIGIN = STRIPE_API_BASE or "https://connect.stripe.com"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        # A form that ends in the provider's page for cards, or for an organiser's account: browsers
        # judge the whole way there.
        "form-action": [SELF, *sorted({CHECKOUT_ORIGIN, ACCOUNTS_ORIGIN})],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
# 16 KiB is the contract for pledges; stories and rules of campaigns may be longer.
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024

STRIPE_API_KEY = os.environ.get("STRIPE_API_KEY", "")
STRIPE_WEBHOOK_SECRET = os.environ.get("STRIPE_WEBHOOK_SECRET", "")
# Stripe allows 25 requests a second on one endpoint; the sandbox bears more.
CHARGES_PER_SECOND = int(os.environ.get("CHARGES_PER_SECOND", "500" if SANDBOX else "20"))

# Where the log keeps its key and the last checkpoint it signed: never in the database.
LOG_DIR = os.environ.get("COUNTMEIN_LOG_DIR") or os.environ.get("COUNTMEIN_HOME", ".countmein")
# What happened is written into the log, and signed, at most so often.
LOG_PAUSE_SECONDS = float(os.environ.get("LOG_PAUSE_SECONDS", "2"))

# A campaign into which people pour is counted at most so often; any other one at once.
COUNT_PAUSE_SECONDS = float(os.environ.get("COUNT_PAUSE_SECONDS", "1"))

# What one person may pay out alone, in minor units of any currency; above it a second one agrees.
PAYOUT_ALONE_UP_TO_MINOR = int(os.environ.get("PAYOUT_ALONE_UP_TO_MINOR", "100000"))
# The site's own share of what is settled, in basis points; fixed for a campaign when it launches.
COMMISSION_BP = int(os.environ.get("COMMISSION_BP", "0"))
# The site's own account, for transfers after the tip; the sandbox has one at a bank that is none.
BANK_IBAN = os.environ.get("BANK_IBAN", "NL41MOCK0000000001" if SANDBOX else "")
BANK_BIC = os.environ.get("BANK_BIC", "")
BANK_NAME = os.environ.get("BANK_NAME", SITE_NAME)

# How many days the details of members are kept: of what came to nothing (unconfirmed, withdrawn,
# let go), and of what came about, counted from the end of the campaign.
UNCONFIRMED_DAYS = int(os.environ.get("UNCONFIRMED_DAYS", "30"))
DETAILS_DAYS = int(os.environ.get("DETAILS_DAYS", "180"))

SMTP_URL = os.environ.get("SMTP_URL", "smtp://127.0.0.1:25")
OUTBOX_URL = os.environ.get("OUTBOX_URL", "")
MAIL_FROM = os.environ.get("MAIL_FROM", f"{SITE_NAME} <hello@countmein.example>")
DEFAULT_FROM_EMAIL = MAIL_FROM
# Whom to write to about a weakness, told in security.txt.
SECURITY_CONTACT = os.environ.get("SECURITY_CONTACT") or parseaddr(MAIL_FROM)[1]
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
_smtp = urlsplit(SMTP_URL)
EMAIL_HOST, EMAIL_PORT = _smtp.hostname or "127.0.0.1", _smtp.port or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_smtp.username or ""), unquote(_smtp.password or "")
EMAIL_USE_TLS = _smtp.scheme == "smtp+tls"
EMAIL_TIMEOUT = 10

PROCRASTINATE_AUTODISCOVER_MODULE_NAME = ""
PROCRASTINATE_IMPORT_PATHS = ["countmein.schedule"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "countmein.base.logs.formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("COUNTMEIN_LOG", "INFO")},
    "loggers": {
        "procrastinate": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "stripe": {"level": "WARNING"},
    },
}
