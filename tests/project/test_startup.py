"""A site starts without the packages that only some of its processes use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
HEAVY = ("rest_framework", "celery", "kombu", "requests", "urllib3", "phonenumbers", "django_ratelimit")
SITE: dict[str, Any] = {
    "SECRET_KEY": "not a secret",
    "USE_TZ": True,
    "INSTALLED_APPS": [
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
        "django_telroi",
    ],
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    "ROOT_URLCONF": "django_telroi.urls",
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    "TELROI": {
        "API_KEY": "tlr_live_x",
        "BACKEND": "django_telroi.backends.telroi.TelroiBackend",
        "DEFAULT_REGION": "NG",
        "TRUSTED_PROXIES": 0,
    },
}
SET_UP = "import json, sys, django\nfrom django.conf import settings\nsettings.configure(**json.loads(sys.argv[1]))\n"


def loaded_after(steps: str) -> set[str]:
    """Run ``steps`` in a new process of the site. Returns the names of its modules."""
    command = f"{SET_UP}django.setup()\n{steps}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", command, json.dumps(SITE)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", HEAVY)
def test_the_start_imports_no_package_that_it_does_not_need(module: str, started: set[str]) -> None:
    assert module not in started


@pytest.fixture(scope="module")
def started() -> set[str]:
    loaded = loaded_after("")
    assert {"django_telroi.admin.attempts.attempt_admin", "django_telroi.checks", "django_telroi.models"} <= loaded
    return loaded


def test_the_system_checks_run_and_import_no_client() -> None:
    loaded = loaded_after("from django.core.management import call_command\ncall_command('check')")

    assert {"django_telroi.checks.region_names", "django_telroi.backends.telroi", "django_telroi.web.views"} <= loaded
    assert not {"rest_framework", "celery", "requests", "urllib3"} & loaded


def test_a_number_imports_the_metadata_of_its_region_only() -> None:
    loaded = loaded_after("from django_telroi.domain.phone import parse_phone\nparse_phone('+2348031234567')")

    assert {name for name in loaded if name.startswith("phonenumbers.data.region_")} == {"phonenumbers.data.region_NG"}


def test_the_client_is_imported_at_first_use() -> None:
    step = "import django_telroi.client\nassert 'requests' not in sys.modules\n"
    names = step + "from django_telroi.client import *\nassert TelroiClient('k').session"

    assert {"requests", "django_telroi.client.telroi_client"} <= loaded_after(names)


@pytest.mark.parametrize("command", ["telroi_doctor", "telroi_webhook"])
def test_the_help_of_a_command_needs_no_requests(command: str) -> None:
    step = f"from django.core.management import load_command_class\nload_command_class('django_telroi', '{command}')"

    assert not {"requests", "urllib3"} & loaded_after(step)


def test_the_client_package_has_no_other_names() -> None:
    loaded_after("import django_telroi.client\nassert not hasattr(django_telroi.client, 'Missing')")
