"""A site whose accounts are of django-allauth: phone sign-up, phone login and login by code."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as APPS
from tests.settings import MIDDLEWARE as MIDDLEWARE_BEFORE

INSTALLED_APPS = [*APPS, "allauth", "allauth.account", "allauth.headless", "django_telroi.contrib.allauth"]
MIDDLEWARE = [*MIDDLEWARE_BEFORE, "allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
ROOT_URLCONF = "tests.bridges.allauth.urls"
LOGIN_REDIRECT_URL = "/"

ACCOUNT_ADAPTER = "django_telroi.contrib.allauth.adapter.TelroiAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"phone"}
ACCOUNT_SIGNUP_FIELDS = ["phone*", "password1*"]
ACCOUNT_LOGIN_BY_CODE_ENABLED = True

# Options of allauth that these tests use, besides the lines that a site must write.
ACCOUNT_PHONE_VERIFICATION_SUPPORTS_CHANGE = True
ACCOUNT_PHONE_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_REAUTHENTICATION_REQUIRED = False
ACCOUNT_RATE_LIMITS = False  # the tests are about our limits
HEADLESS_CLIENTS = ("app", "browser")
