"""A project with dj-rest-auth, django-allauth and django-ninja, for the recipes of the docs."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "django.contrib.sites",
    "rest_framework.authtoken",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "dj_rest_auth",
    "dj_rest_auth.registration",
    "django_telroi.contrib.login",
]
MIDDLEWARE = [*MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
SITE_ID = 1
ROOT_URLCONF = "tests.bridges.recipes.urls"
ACCOUNT_EMAIL_VERIFICATION = "none"
REST_AUTH = {"REGISTER_SERIALIZER": "tests.bridges.recipes.urls.PhoneRegisterSerializer"}
TELROI = {"PURPOSES": ["", "sign-up"], "LOGIN_ALTERNATIVE_URL": "rest_login"}
