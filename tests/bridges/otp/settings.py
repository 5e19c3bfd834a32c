"""A site with django-otp and the app of the bridge."""

from __future__ import annotations

from pathlib import Path

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as STOCK_APPS
from tests.settings import MIDDLEWARE as STOCK_MIDDLEWARE
from tests.settings import TEMPLATES as STOCK_TEMPLATES

INSTALLED_APPS = [*STOCK_APPS, "django_otp", "django_telroi.contrib.otp"]
MIDDLEWARE = [*STOCK_MIDDLEWARE, "django_otp.middleware.OTPMiddleware"]
ROOT_URLCONF = "tests.bridges.otp.urls"
LOGIN_REDIRECT_URL = "/verified/"
TEMPLATES = [{**STOCK_TEMPLATES[0], "DIRS": [Path(__file__).parent / "templates"]}]
