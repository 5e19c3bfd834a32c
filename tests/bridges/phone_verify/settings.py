"""A site that moves from django-phone-verify: the old endpoints and the new ones side by side."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as APPS

INSTALLED_APPS = [*APPS, "phone_verify", "django_telroi.contrib.phone_verify"]
ROOT_URLCONF = "tests.bridges.phone_verify.urls"
PHONE_VERIFICATION = {
    "BACKEND": "tests.bridges.phone_verify.sms.SmsBackend",
    "OPTIONS": {},
    "TOKEN_LENGTH": 6,
    "MESSAGE": "Your code is {security_code}.",
    "APP_NAME": "A site",
    "SECURITY_CODE_EXPIRATION_SECONDS": 600,
    "VERIFY_SECURITY_CODE_ONLY_ONCE": False,
}
