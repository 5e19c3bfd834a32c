"""A program that verifies a number and prints the outcome. Its first argument is the setting ``TELEMETRY``."""

from __future__ import annotations

VERIFY_A_NUMBER = """
import json, sys
import django
from django.conf import settings
from tests import settings as base
settings.configure(**{
    **{name: getattr(base, name) for name in dir(base) if name.isupper()},
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    "TELROI": {"BACKEND": "django_telroi.backends.locmem.LocmemBackend", "TELEMETRY": json.loads(sys.argv[1])},
    "LOGGING_CONFIG": None,
})
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django_telroi import services
from django_telroi.testing import last_code_for
attempt = services.start_verification("+2348031234567")
print(services.check_code(attempt.uuid, last_code_for("+2348031234567")).outcome)
"""
