"""The system checks name settings with which a login by phone does not work, or is not safe."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import Tags, run_checks
from django.test import Client

from tests.login.conftest import Configure


def ids(tag: str = Tags.security, *, deploy: bool = False) -> list[str]:
    """Return the ids of our messages, without that of the missing key."""
    found = [str(each.id) for each in run_checks(tags=[tag], include_deployment_checks=deploy)]
    return [each for each in found if each.startswith("telroi.") and each != "telroi.W002"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, []),
        ({"LOGIN_ALTERNATIVE_URL": ""}, ["telroi.E024"]),
        ({"LOGIN_RESPONSE": "nowhere.at_all"}, ["telroi.E025"]),
        ({"LOGIN_RESPONSE": "tests.backends.broken_module.token_of"}, ["telroi.E025"]),
        ({"LOGIN_RESPONSE": "tests.login.site.token_of"}, []),
        ({"MAY_LOG_IN": "tests.login.site.urlpatterns"}, ["telroi.E025"]),
        ({"ONE_ACCOUNT_PER_NUMBER": False}, ["telroi.W029"]),
        ({"PURPOSES": ["", "login"], "PURPOSES_WITHOUT_RECORD": ["login"]}, []),
        ({"PURPOSES_WITHOUT_RECORD": [""]}, ["telroi.W030"]),
    ],
)
def test_a_setting_is_checked(configure: Configure, keys: dict[str, Any], expected: list[str]) -> None:
    configure(**keys)

    assert ids() == expected


def test_production_is_warned_if_a_call_alone_opens_the_accounts_of_staff(site: Any, configure: Configure) -> None:
    assert "telroi.W053" not in ids()
    assert "telroi.W053" in ids(deploy=True)

    configure(MAY_LOG_IN="tests.login.site.token_of")
    assert "telroi.W053" not in ids(deploy=True)

    configure(MAY_LOG_IN=None)
    site.INSTALLED_APPS = [app for app in site.INSTALLED_APPS if app != "django_telroi.contrib.login"]
    assert "telroi.W053" not in ids(deploy=True)


def test_a_site_without_the_login_is_not_checked(site: Any) -> None:
    site.INSTALLED_APPS = [app for app in site.INSTALLED_APPS if app != "django_telroi.contrib.login"]
    site.TELROI = {}

    assert ids() == []


@pytest.mark.parametrize("key", ["LOGIN_ALTERNATIVE_URL", "LOGIN_SIGN_UP_URL"])
def test_a_url_of_nothing_is_an_error(configure: Configure, key: str) -> None:
    assert "telroi.E013" not in ids(Tags.urls)

    configure(**{key: "nowhere"})

    assert "telroi.E013" in ids(Tags.urls)


def test_the_login_alone_is_a_page_that_needs_sessions(site: Any) -> None:
    site.ROOT_URLCONF = "tests.login.only_login"
    assert ids(Tags.urls) == []

    site.MIDDLEWARE = [each for each in site.MIDDLEWARE if "Session" not in each]

    assert ids(Tags.urls) == ["telroi.E010"]


def test_the_api_can_be_opened_in_a_browser(db: None) -> None:
    reply = Client().get("/api/log-in/", headers={"accept": "text/html"})

    assert (reply.status_code, "Log" in reply.content.decode()) == (405, True)
