"""What the checks, the URLs and the backend say if a package is not installed.

``tests/project/test_light_sites.py`` shows the same in projects whose Python does not find the packages.
"""

from __future__ import annotations

import logging
import runpy
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, Tags, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory

import django_telroi
from django_telroi import packages
from django_telroi.backends import get_backend
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.errors import Misconfigured
from django_telroi.packages import CELERY, DJANGO_RATELIMIT, REQUESTS, REST_FRAMEWORK, Package
from django_telroi.rest.missing_framework import missing_framework

PACKAGE = Path(django_telroi.__file__).parent
URLS_OF_THE_API = ("rest/urls.py", "contrib/login/api_urls.py", "contrib/phone_verify/urls.py")
REAL = {"API_KEY": "tlr_live_" + 32 * "x", "BACKEND": "django_telroi.backends.telroi.TelroiBackend"}


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The modules that this process does not find. A test adds some."""
    modules: set[str] = set()
    monkeypatch.setattr(packages, "_is_found", lambda module: module not in modules)
    return modules


def missing() -> Iterator[CheckMessage]:
    return (message for message in run_checks(tags=[Tags.security, Tags.urls]) if message.id == "telroi.E039")


@pytest.mark.parametrize(
    ("telroi", "package", "part"),
    [
        ({"DISPATCH": "celery"}, CELERY, 'TELROI["DISPATCH"] = "celery"'),
        (REAL, DJANGO_RATELIMIT, "The request budget of the API key"),
        (REAL, REQUESTS, "The backend of Telroi's API"),
        ({}, REST_FRAMEWORK, "The API"),
    ],
)
def test_the_check_names_the_package_and_the_command(
    settings: Any, absent: set[str], telroi: dict[str, object], package: Package, part: str
) -> None:
    settings.TELROI = telroi
    assert not list(missing())
    absent.add(package.module)

    (message,) = missing()

    assert message.msg == f"{part} needs {package.title}, which is not installed."
    assert message.hint == f'Install it: python -m pip install "{package.requirement}"'


@pytest.mark.parametrize("module", ["celery", "django_ratelimit", "requests"])
def test_a_package_that_the_settings_do_not_need_may_be_missing(absent: set[str], module: str) -> None:
    absent.add(module)

    assert not list(missing())


@pytest.mark.parametrize("urls", URLS_OF_THE_API)
def test_the_urls_of_an_api_can_be_included_without_the_framework(absent: set[str], urls: str) -> None:
    absent.add("rest_framework")

    patterns = runpy.run_path(str(PACKAGE / urls))["urlpatterns"]

    assert {pattern.callback for pattern in patterns} == {missing_framework}


def test_a_request_to_the_api_says_what_to_install(rf: RequestFactory) -> None:
    with pytest.raises(ImproperlyConfigured, match=r'pip install "djangorestframework>='):
        missing_framework(rf.post("/"))


@pytest.mark.parametrize("module", ["django_ratelimit", "requests"])
def test_no_call_is_placed_without_a_package_of_the_client(
    settings: Any, absent: set[str], caplog: pytest.LogCaptureFixture, module: str
) -> None:
    settings.TELROI = {**REAL, "BASE_URL": "http://127.0.0.1:1"}
    assert isinstance(get_backend(), TelroiBackend)
    absent.add(module)

    with caplog.at_level(logging.ERROR), pytest.raises(Misconfigured):
        get_backend()

    assert caplog.messages == [f"misconfigured reason=missing_package({module})"]


def test_an_import_says_what_to_install_and_keeps_the_name_of_the_module() -> None:
    package = Package("no_such_package", "No such package", "no-such-package>=1")

    with pytest.raises(ModuleNotFoundError) as caught, package.needed_for("A part"):
        import_module("no_such_package")

    assert str(caught.value) == (
        'A part needs No such package, which is not installed. Install it: python -m pip install "no-such-package>=1"'
    )
    assert caught.value.name == "no_such_package"


def test_an_import_that_fails_inside_the_package_is_not_explained_as_a_missing_package() -> None:
    package = Package("json", "JSON", "json")

    with pytest.raises(ModuleNotFoundError) as caught, package.needed_for("A part"):
        import_module("no_such_package")

    assert str(caught.value) == "No module named 'no_such_package'"
