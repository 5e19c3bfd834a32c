"""A site with django-two-factor-auth, as its documentation installs it, and the one line of the bridge."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as STOCK_APPS
from tests.settings import MIDDLEWARE as STOCK_MIDDLEWARE

INSTALLED_APPS = [
    *STOCK_APPS,
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "two_factor",
    "two_factor.plugins.phonenumber",
]
MIDDLEWARE = [*STOCK_MIDDLEWARE, "django_otp.middleware.OTPMiddleware"]
ROOT_URLCONF = "tests.bridges.two_factor.urls"
LOGIN_URL = "two_factor:login"
LOGIN_REDIRECT_URL = "two_factor:profile"
TWO_FACTOR_CALL_GATEWAY = "django_telroi.contrib.two_factor.CallGateway"
