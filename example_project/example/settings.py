"""A small site with phone verification.

Three ways to place calls, chosen by the environment:

* ``TELROI_API_KEY``: Telroi, so real phones ring (``TELROI_BASE_URL`` for another URL).
* ``EXAMPLE_SIMULATOR_URL`` and ``EXAMPLE_SIMULATOR_KEY``: a simulator, so the handset rings. ``make demo`` sets them.
  ``EXAMPLE_SIMULATOR_SECRET`` signs its webhooks, as ``TELROI_WEBHOOK_SECRETS`` does for Telroi.
* neither: the console backend, so call and code are printed in the terminal.

With ``EXAMPLE_BROKER_URL`` workers place the calls (see ``example/celery.py``), otherwise the web request does.

This is a demo for the loopback interface. ``DEBUG`` is on and the key below is public. Do not serve it to others.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf.locale import LANG_INFO
from django.utils.translation import gettext_lazy as _

import django_telroi
from example.clock import local_time_zone

PROJECT = Path(__file__).resolve().parent.parent
STATE = Path(os.environ.get("EXAMPLE_STATE_DIR", PROJECT.parent / ".demo"))
STATE.mkdir(parents=True, exist_ok=True)


def telroi_settings(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return a part of the setting ``TELROI`` from the environment. An API key takes precedence over a simulator."""
    if key := environ.get("TELROI_API_KEY"):
        secrets = environ.get("TELROI_WEBHOOK_SECRETS", "").split(",")
        url = environ.get("TELROI_BASE_URL", "https://app.telroi.ai")
        return {"API_KEY": key, "BASE_URL": url, "WEBHOOK_SECRETS": secrets}
    if url := environ.get("EXAMPLE_SIMULATOR_URL"):
        secret = environ.get("EXAMPLE_SIMULATOR_SECRET", "")
        return {"API_KEY": environ["EXAMPLE_SIMULATOR_KEY"], "BASE_URL": url, "WEBHOOK_SECRETS": [secret]}
    return {}


def languages() -> list[tuple[str, str]]:
    """Return the languages of django-telroi. The shop has words in all of them."""
    folders = Path(django_telroi.__file__).parent.glob("locale/*/LC_MESSAGES/django.mo")
    codes = {"en", *(path.parts[-3].replace("_", "-").lower() for path in folders)}
    return [(code, LANG_INFO[code]["name_local"]) for code in sorted(codes & LANG_INFO.keys())]


CELERY_BROKER_URL = os.environ.get("EXAMPLE_BROKER_URL")
# A sweep that waited longer than 10 s is dropped, because the next one does its work. Otherwise sweeps would pile up
# while no worker runs.
CELERY_BEAT_SCHEDULE = {
    "telroi-sweep": {"task": "django_telroi.tasks.sweep", "schedule": 10.0, "options": {"expires": 10.0}},
}

TELROI = {
    "PURPOSES": ["", "signup"],
    "SITE_NAME": _("Example shop"),
    "PURPOSE_TEXTS": {
        "": _("It shows that the number is yours."),
        "signup": _("We need your number to create your account."),
        "login": _("It logs you in to your account."),
    },
    "LOGIN_ALTERNATIVE_URL": "log-in",
    "LOGIN_SIGN_UP_URL": "sign-up",
    "LOGIN_PURPOSES": ["", "signup", "login"],
    "TRUSTED_PROXIES": 0,  # the demo's server has no proxy in front of it
    # All visitors of the demo have the IP address of this machine.
    "RATES": {"start": {"ip": "300/h", "user": "100/h"}, "check": {"ip": "900/h", "user": "300/h"}},
    "DISPATCH": "celery" if CELERY_BROKER_URL else "inline",
    **telroi_settings(os.environ),
}
if os.environ.get("EXAMPLE_WITHOUT_RATES"):  # for a fuzzer, which sends many requests
    TELROI["RATES"] = None
SILENCED_SYSTEM_CHECKS = ["telroi.W029"]  # the accounts of a demo share numbers
if not any(TELROI.get("WEBHOOK_SECRETS", ())):  # the console backend sends no webhooks
    SILENCED_SYSTEM_CHECKS += ["telroi.W008"]
SIMULATOR_URL = None if os.environ.get("TELROI_API_KEY") else TELROI.get("BASE_URL")

SECRET_KEY = "a public key, for the demo only"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "members",
    "example",  # before django_telroi, because it overrides its base template
    "django_telroi",
    "django_telroi.contrib.login",
]
if find_spec("drf_spectacular"):  # with the extra "openapi": the API's schema, and a page that shows it
    INSTALLED_APPS += ["drf_spectacular"]
    REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
    SPECTACULAR_SETTINGS = {"TITLE": "Example shop", "VERSION": "1", "SERVE_INCLUDE_SCHEMA": False}

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "example.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "example.handset.where_calls_go",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": STATE / "db.sqlite3",
        "OPTIONS": {
            # Without it, two concurrent transactions that read before they write fail with "database is locked" at
            # once, instead of waiting for each other. WAL lets readers work while one writes.
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    },
}

ROOT_URLCONF = "example.urls"
WSGI_APPLICATION = "example.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "log-in"
LOGIN_REDIRECT_URL = "members"
LOGOUT_REDIRECT_URL = "home"
# Other projects on this machine use cookies for the same host.
SESSION_COOKIE_NAME = "example_session"
CSRF_COOKIE_NAME = "example_csrf"
STATIC_URL = "static/"
LANGUAGES = languages()
TIME_ZONE = local_time_zone()
USE_TZ = True
