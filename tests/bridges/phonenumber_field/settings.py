"""A site with a user model of its own, which has a number on file."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as APPS

INSTALLED_APPS = [*APPS, "phonenumber_field", "tests.bridges.phonenumber_field.people"]
AUTH_USER_MODEL = "people.Member"
ROOT_URLCONF = "tests.bridges.phonenumber_field.urls"
PHONENUMBER_DEFAULT_FORMAT = "NATIONAL"  # the hardest spelling to compare
PHONENUMBER_DEFAULT_REGION = "NL"
