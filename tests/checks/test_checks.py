"""The system checks report a wrong setup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.core.checks import ERROR, WARNING, CheckMessage, Tags, run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.test import override_settings
from django.urls import include, path, reverse_lazy

from django_telroi import checks
from django_telroi.checks import queueing
from django_telroi.checks.deployment import check_production_settings
from django_telroi.conf import CONSOLE_BACKEND, key_problems

LIVE = "tlr_live_Canary0Key0Canary0Key0Canary"
TEST = "tlr_test_Canary0Key0Canary0Key0Canary"
PAGE = [path("phone/", include("django_telroi.urls"))]
API = [path("api/phone/", include("django_telroi.rest.urls"))]
LOGIN = [path("login/", include("django_telroi.contrib.login.urls"))]
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"


@pytest.fixture(autouse=True)
def _outside_of_tests(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """The setup of a site in production, for ``manage.py check``."""
    monkeypatch.delenv("TELROI_API_KEY", raising=False)
    monkeypatch.delattr("django.test.utils._TestState.saved_data")
    settings.DEBUG = False


def ours(tag: str = Tags.security) -> list[CheckMessage]:
    """Return the messages. The checks use no database."""
    return [message for message in run_checks(tags=[tag]) if (message.id or "").startswith("telroi.")]


def ids(messages: list[CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


SETTINGS: list[tuple[object, list[str]]] = [
    ({"API_KEY": LIVE}, []),
    ({"API_KEY": LIVE, "BASE_URL": "http://127.0.0.1:8000"}, []),
    ({"API_KEY": LIVE, "BASE_URL": "http://localhost:8000"}, []),
    ({"API_KEY": LIVE, "BASE_URL": "http://[::1]:8000"}, []),
    ({"API_KEY": LIVE, "BASE_URL": "https://app.telroi.ai/"}, []),
    ({"API_KEY": LIVE, "BASE_URL": "https://app.telroi.ai/v1"}, ["telroi.W016"]),
    ({"API_KEY": LIVE, "BASE_URL": "http://127.0.0.1:8000/v1/"}, ["telroi.W016"]),
    ([("API_KEY", LIVE)], ["telroi.E001"]),
    ("API_KEY", ["telroi.E001"]),
    (None, ["telroi.E001"]),
    ({"API_KEY": LIVE, "COOLDOWN_SECONDS": "60"}, ["telroi.E002"]),
    ({"API_KEY": LIVE, "CODE_LENGTH": 3, "CODE_TRIES": 0}, ["telroi.E002", "telroi.E002"]),
    ({"API_KEY": LIVE, "BASE_URL": "http://["}, ["telroi.E002"]),
    ({"BACKEND": CONSOLE_BACKEND}, ["telroi.E004"]),
    ({"API_KEY": "tlr_test_x"}, ["telroi.E005"]),
    ({"API_KEY": "tlr_test_x", "ALLOW_TEST_KEY": True}, []),
    ({}, ["telroi.W002"]),
    ({"API_KEY": "sk_live_4242"}, ["telroi.E008"]),
    ({"API_KEY": LIVE + "\n"}, ["telroi.E008"]),
    ({"API_KEY": "tlr_live_"}, ["telroi.E008"]),
    ({"API_KEY": "tlr_liveCanary"}, ["telroi.E008"]),
    ({"BACKEND": "nowhere.at.all.Backend"}, ["telroi.E009"]),
    ({"BACKEND": "django.http.HttpResponse"}, ["telroi.E009"]),
    ({"BACKEND": "django_telroi.backends.locmem"}, ["telroi.E009"]),
    ({"API_KEY": LIVE, "MAY_START": "nowhere.at_all"}, ["telroi.E011"]),
    ({"API_KEY": LIVE, "MAY_START": "tests.limits.vetoes.not_callable"}, ["telroi.E011"]),
    ({"API_KEY": LIVE, "MAY_START": "tests.backends.broken_module.may_start"}, ["telroi.E011"]),
    ({"API_KEY": LIVE, "MAY_START": "tests.limits.vetoes.lets_everybody"}, []),
    ({"API_KEY": LIVE, "BOT_CHECK": "tests.backends.broken_module.is_person"}, ["telroi.E022"]),
    ({"API_KEY": LIVE, "PHONE_RISK": "tests.backends.broken_module.phone_risk"}, ["telroi.E022"]),
    ({"BACKEND": "tests.backends.broken_module.Backend"}, ["telroi.E009"]),
    ({"API_KEY": LIVE, "CONSENT_VERSION": "1"}, ["telroi.E023"]),
    ({"API_KEY": LIVE, "CONSENT_VERSION": "1", "CONSENT_TEXT": "You agree."}, []),
    ({"API_KEY": LIVE, "BOT_CHECK": "nowhere.at_all"}, ["telroi.E022"]),
    ({"API_KEY": LIVE, "BOT_CHECK": "tests.limits.site_functions.not_callable"}, ["telroi.E022"]),
    ({"API_KEY": LIVE, "BOT_CHECK": "tests.limits.site_functions.knows_persons"}, []),
    ({"API_KEY": LIVE, "RATE_KEYS": "nowhere.at_all"}, ["telroi.E022"]),
    ({"API_KEY": LIVE, "STRANGER_CALLS_PER_HOUR": 4, "STRANGER_CALLS_PER_DAY": 19}, []),
    ({"API_KEY": LIVE, "STRANGER_CALLS_PER_HOUR": 4}, ["telroi.W028"]),
    ({"API_KEY": LIVE, "STRANGER_CALLS_PER_HOUR": 5}, ["telroi.W028", "telroi.W028"]),
    ({"API_KEY": LIVE, "STRANGER_CALLS_PER_HOUR": 9, "STRANGER_CALLS_PER_DAY": 20}, ["telroi.W028", "telroi.W028"]),
    ({"API_KEY": LIVE, "PHONE_RISK": "nowhere.at_all"}, ["telroi.E022"]),
    ({"API_KEY": LIVE, "PHONE_RISK": "tests.limits.site_functions.not_callable"}, ["telroi.E022"]),
    ({"API_KEY": LIVE, "RATE_KEYS": dict, "RATES": {"start": {"device": "5/h"}}}, []),
    ({"API_KEY": LIVE, "RATE_KEYS": dict, "RATES": {"start": {"users": "5/h"}}}, ["telroi.W025"]),
    ({"API_KEY": LIVE, "RATE_KEYS": dict, "RATES": {"start": {"Device": "5/h"}}}, ["telroi.E002"]),
    ({"API_KEY": LIVE, "RATES": {"start": {"device": "5/h"}}}, ["telroi.E002"]),
    ({"API_KEY": LIVE, "READ_TIMEOUT_SECONDS": 20}, ["telroi.W004"]),
    ({"API_KEY": LIVE, "TOTAL_TIMEOUT_SECONDS": 10}, ["telroi.W004"]),
    ({"API_KEY": LIVE, "READ_TIMEOUT_SECONDS": 21, "TOTAL_TIMEOUT_SECONDS": 21}, []),
    ({"API_KEY": LIVE, "CODE_TTL_SECONDS": 601}, ["telroi.W005"]),
    ({"API_KEY": LIVE, "CODE_TTL_SECONDS": 600}, []),
    ({"API_KEY": LIVE, "CODE_TRIES": 4}, ["telroi.W006"]),
    ({"API_KEY": LIVE, "CODE_LENGTH": 5}, ["telroi.E006"]),
    ({"API_KEY": LIVE, "CODES": "site", "CODE_LENGTH": 7}, []),
    ({"API_KEY": LIVE, "CODES": "telroi", "CODE_LENGTH": 7}, ["telroi.W017"]),
    ({"API_KEY": LIVE, "CODES": "telroi", "CODE_LENGTH": 10}, ["telroi.W017"]),
    ({"API_KEY": LIVE, "DEFAULT_REGION": "UK"}, ["telroi.E014"]),
    ({"API_KEY": LIVE, "DEFAULT_REGION": " gb "}, []),
    ({"API_KEY": LIVE, "DEFAULT_REGION": ""}, []),
    ({"API_KEY": LIVE, "ALLOWED_REGIONS": ["NG", "UK", "gh"]}, ["telroi.E014"]),
    ({"API_KEY": LIVE, "ALLOWED_REGIONS": [""]}, ["telroi.E014"]),
    ({"API_KEY": LIVE, "ALLOWED_REGIONS": []}, []),
    ({"API_KEY": LIVE, "BLOCKED_REGIONS": ["UK", "Jersey"]}, ["telroi.E014", "telroi.E014"]),
    ({"API_KEY": LIVE, "BLOCKED_REGIONS": ["", "JE"]}, []),
    ({"API_KEY": LIVE, "BLOCKED_PREFIXES": ["", " ", "+23470", "234 70", "+2", "+78", "+1900"]}, []),
    ({"API_KEY": LIVE, "BLOCKED_PREFIXES": ["0803"]}, ["telroi.E015"]),
    ({"API_KEY": LIVE, "BLOCKED_PREFIXES": ["+", "premium"]}, ["telroi.E015", "telroi.E015"]),
    ({"API_KEY": LIVE, "BASE_URL": "http://telroi.example"}, ["telroi.E007"]),
    *(({"API_KEY": LIVE, "PROXY_URL": url}, []) for url in (None, "http://proxy:3128", "https://u:p@proxy.example")),
    *(
        ({"API_KEY": LIVE, "PROXY_URL": url}, ["telroi.E055"])
        for url in ("proxy:3128", "socks5://x", "http://proxy.example:99999/", "http://pro xy")
    ),
    ({"API_KEY": LIVE, "PROXY_URL": "http://proxy:3128", "BASE_URL": "http://127.0.0.1:8000"}, ["telroi.E055"]),
    *(
        ({"API_KEY": LIVE, f"STRANGER_CALLS_PER_{period}": bad}, ["telroi.E002"])
        for period in ("HOUR", "DAY")
        for bad in (0, -1, "5", 1.5, True)
    ),
    ({"API_KEY": LIVE, "CODE_TRIES": 101}, ["telroi.E002"]),
    ({"API_KEY": LIVE, "BASE_URL": "http://127.0.0.1.example"}, ["telroi.E007"]),
    ({"API_KEY": LIVE, "BASE_URL": ""}, ["telroi.E007"]),
    ({"API_KEY": LIVE, "BASE_URL": "ftp://telroi.example"}, ["telroi.E007"]),
    *(({"API_KEY": LIVE, "LANGUAGE": tag}, []) for tag in ("en", "pt-BR", "yo", "ha-NG", "pcm", "zh-hans", "x-pirate")),
    *(({"API_KEY": LIVE, "LANGUAGE": tag}, ["telroi.W051"]) for tag in ("german", "qq", "xx-NG", "engl-GB", "12")),
    ({"API_KEY": LIVE, "COOLDOWN_SECONDS": 59.5}, ["telroi.W052"]),
    ({"API_KEY": LIVE, "COOLDOWN_SECONDS": 61, "CALLS_PER_HOUR": 4, "CALLS_PER_DAY": 19}, []),
    ({"API_KEY": LIVE, "CALLS_PER_HOUR": 6, "CALLS_PER_DAY": 21}, ["telroi.W052", "telroi.W052"]),
    ({"API_KEY": LIVE, "API_KYE": "x"}, ["telroi.W001"]),
    ({"API_KEY": LIVE, "COOLDOWN": 5, 7: 8}, ["telroi.W001", "telroi.W001"]),
]


@pytest.mark.parametrize(("chosen", "found"), SETTINGS, ids=[str(chosen)[:60] for chosen, _ in SETTINGS])
def test_each_wrong_setup_is_named(settings: Any, chosen: object, found: list[str]) -> None:
    settings.TELROI = chosen

    assert ids(ours()) == found


def test_a_site_without_time_zones_is_named(settings: Any) -> None:
    settings.TELROI, settings.USE_TZ = {"API_KEY": LIVE}, False

    assert ids(ours()) == ["telroi.E003"]


def test_a_database_without_autocommit_is_named(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TELROI = {"API_KEY": LIVE}
    monkeypatch.setitem(connection.settings_dict, "AUTOCOMMIT", False)

    assert ids(ours()) == ["telroi.E051"]


class UsersElsewhere:
    """A router that keeps the users in another database."""

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "users" if model._meta.app_label == "auth" else None


def test_users_in_another_database_are_named(settings: Any) -> None:
    settings.TELROI, settings.DATABASE_ROUTERS = {"API_KEY": LIVE}, [UsersElsewhere()]

    [message] = ours()

    assert message.id == "telroi.E056"
    assert 'in the database "users"' in message.msg


@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL stores the offset with each time")
def test_a_database_in_local_time_is_named(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TELROI = {"API_KEY": LIVE}
    monkeypatch.setitem(connection.settings_dict, "TIME_ZONE", "Africa/Lagos")

    assert ids(ours()) == ["telroi.E021"]


def test_an_error_of_the_setup_is_an_error_and_a_typing_mistake_a_warning(settings: Any) -> None:
    settings.TELROI = {"API_KYE": LIVE, "CODE_LENGTH": 4, "API_KEY": LIVE}

    assert {message.id: message.level for message in ours()} == {"telroi.W001": WARNING, "telroi.E006": ERROR}


@pytest.mark.parametrize(
    ("key", "meant"), [("API_KYE", "API_KEY"), ("api_key", "API_KEY"), ("COOLDOWN_SECOND", "COOLDOWN_SECONDS")]
)
def test_an_invalid_key_is_reported(settings: Any, key: str, meant: str) -> None:
    settings.TELROI = {"API_KEY": LIVE, key: 5}

    [message] = ours()

    assert (message.msg, message.hint) == (f'TELROI["{key}"] is not a setting.', f'Did you mean "{meant}"?')


@pytest.mark.parametrize(
    ("tag", "hint"),
    [
        ("german", 'Did you mean "de"?'),
        ("Deutsch", 'Did you mean "de"?'),
        ("germn", 'Did you mean "de"?'),
        ("qq", 'Use a BCP 47 tag such as "en" or "pt-BR".'),
    ],
)
def test_a_language_that_does_not_exist_is_named_with_the_one_that_is_meant(settings: Any, tag: str, hint: str) -> None:
    settings.TELROI = {"API_KEY": LIVE, "LANGUAGE": tag}

    [message] = ours()

    assert (message.level, message.hint) == (WARNING, hint)
    assert f'"{tag.lower()}"' in message.msg


def test_a_looser_limit_than_telroi_has_is_named_with_the_limit_and_the_refusal(settings: Any) -> None:
    settings.TELROI = {"API_KEY": LIVE, "COOLDOWN_SECONDS": 30}

    [message] = ours()

    assert message.msg == (
        'TELROI["COOLDOWN_SECONDS"] is 30, but Telroi allows one call to a number in 60 s. '
        'Calls that this site allows are refused, and the number is "held".'
    )
    assert (message.hint or "").startswith("Set it to 60. If Telroi raised the limits")


@pytest.mark.parametrize("backend", [CONSOLE_BACKEND, "tests.backends.test_other_providers.Ringwell"])
def test_the_limits_of_another_backend_are_not_those_of_telroi(settings: Any, backend: str) -> None:
    settings.DEBUG = True
    settings.TELROI = {"BACKEND": backend, "COOLDOWN_SECONDS": 0, "CALLS_PER_HOUR": 60, "CALLS_PER_DAY": 600}

    assert "telroi.W052" not in ids(ours())


def test_no_message_shows_a_value(settings: Any) -> None:
    secret = "Canary0Key0Canary"
    for chosen in (
        {"API_KEY": "tlr_test_" + secret},
        {"API_KEY": LIVE, "BASE_URL": f"http://{secret}.example"},
        {"API_KEY": LIVE, "PROXY_URL": [secret]},
        {"API_KEY": LIVE, "SECRETS": secret},
    ):
        settings.TELROI = chosen

        assert ours()
        assert secret not in " ".join(f"{message!r} {message}" for message in ours())


@pytest.mark.parametrize("chosen", [{}, {"DEFAULT_REGION": "NG"}, {"API_KEY": "tlr_test_x"}])
def test_a_new_project_has_no_message_under_debug(settings: Any, chosen: dict[str, Any]) -> None:
    settings.DEBUG, settings.TELROI = True, chosen

    assert ours() == []


def test_a_site_without_the_app_has_no_message(settings: Any) -> None:
    settings.DEBUG = True
    if hasattr(settings, "TELROI"):
        del settings.TELROI

    assert ours() == []


def test_a_live_key_in_the_environment_is_enough(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setenv("TELROI_API_KEY", LIVE)
    settings.TELROI = {}

    assert ours() == []


def test_a_test_key_in_the_environment_is_reported(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setenv("TELROI_API_KEY", "tlr_test_x")
    settings.TELROI = {}

    assert ids(ours()) == ["telroi.E005"]


@pytest.mark.parametrize("url", ["https://app.telroi.ai", "https://telroi.example"])
def test_a_live_key_under_debug_is_reported(settings: Any, url: str) -> None:
    settings.DEBUG, settings.TELROI = True, {"API_KEY": LIVE, "BASE_URL": url}

    assert ids(ours()) == ["telroi.W003"]


def test_a_simulators_live_key_under_debug_is_not_reported(settings: Any) -> None:
    settings.DEBUG, settings.TELROI = True, {"API_KEY": LIVE, "BASE_URL": "http://127.0.0.1:8000"}

    assert ours() == []


WEBHOOK = [path("telroi/", include("django_telroi.webhooks.urls"))]

PROJECTS: list[tuple[list[Any], list[str], list[str]]] = [
    (PAGE, [SESSIONS], []),
    (API, [], []),
    ([], [SESSIONS], ["telroi.W007"]),
    (PAGE, [], ["telroi.E010"]),
    (PAGE, ["tests.checks.other_sessions.OtherSessions"], []),
    (PAGE, ["tests.checks.other_sessions.a_function"], ["telroi.E010"]),
]


@pytest.mark.parametrize(("urls", "middleware", "found"), PROJECTS)
def test_missing_parts_of_the_project_are_reported(
    settings: Any, urls: list[Any], middleware: list[str], found: list[str]
) -> None:
    settings.TELROI, settings.MIDDLEWARE = {"API_KEY": LIVE}, middleware

    with override_settings(ROOT_URLCONF=tuple(urls)):
        assert ids(ours(Tags.urls)) == found


@pytest.mark.parametrize(("secrets", "found"), [([], ["telroi.W008"]), (["whsec_Canary"], [])])
def test_a_webhook_without_a_secret_is_reported(settings: Any, secrets: list[str], found: list[str]) -> None:
    settings.TELROI = {"API_KEY": LIVE, "WEBHOOK_SECRETS": secrets}

    with override_settings(ROOT_URLCONF=tuple(PAGE + WEBHOOK)):
        assert ids(ours(Tags.urls)) == found


SUCCESS_URLS: list[tuple[object, list[str]]] = [
    (None, []),
    ("/account/", []),
    ("https://other.example/", []),
    ("telroi:start", []),
    (reverse_lazy("telroi:start"), []),
    ("account", ["telroi.E013"]),
    ("accounts:profile", ["telroi.E013"]),
    ("telroi-rest:verification", ["telroi.E013"]),
    (reverse_lazy("accounts:profile"), ["telroi.E013"]),
]


@pytest.mark.parametrize("key", ["SUCCESS_URL", "ALTERNATIVE_URL"])
@pytest.mark.parametrize(("url", "found"), SUCCESS_URLS)
def test_a_url_of_the_cards_that_cannot_be_resolved_is_reported(
    settings: Any, key: str, url: object, found: list[str]
) -> None:
    settings.TELROI = {"API_KEY": LIVE, key: url}

    with override_settings(ROOT_URLCONF=tuple(PAGE + API)):
        assert ids(ours(Tags.urls)) == found
        assert ours() == []


@pytest.mark.parametrize(("urls", "found"), [(PAGE, []), (API, ["telroi.W018"]), (PAGE + API, ["telroi.W018"])])
def test_an_api_without_rest_framework_in_installed_apps_is_reported(
    settings: Any, urls: list[Any], found: list[str]
) -> None:
    settings.TELROI = {"API_KEY": LIVE}
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "rest_framework"]

    with override_settings(ROOT_URLCONF=tuple(urls)):
        assert ids(ours(Tags.urls)) == found


def test_a_project_without_our_urls_has_no_message(settings: Any) -> None:
    settings.TELROI, settings.ROOT_URLCONF = {"API_KEY": LIVE}, None

    assert ours(Tags.urls) == []


def celery_app(**options: Any) -> Celery:
    app = Celery("a site", set_as_current=False)
    app.conf.update(options)
    return app


REDIS_URL = "redis://127.0.0.1/15"
QUEUES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["telroi.E012"]),
    ({"task_always_eager": True}, []),
    ({"broker_url": REDIS_URL}, []),
    ({"broker_url": REDIS_URL, "broker_transport_options": {"visibility_timeout": 60}}, ["telroi.W014"]),
    ({"broker_url": REDIS_URL, "broker_transport_options": {"visibility_timeout": 61}}, []),
    ({"broker_url": "amqp://127.0.0.1", "broker_transport_options": {"visibility_timeout": 60}}, []),
]


@pytest.mark.parametrize(("options", "found"), QUEUES)
def test_a_queue_that_loses_or_redelivers_too_early_is_reported(
    settings: Any, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], found: list[str]
) -> None:
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    monkeypatch.setattr(queueing, "site_app", lambda: celery_app(**options))
    settings.TELROI = {"API_KEY": LIVE, "DISPATCH": "celery"}
    assert ids(ours()) == found

    settings.TELROI = {"API_KEY": LIVE}
    assert ours() == []


SAFE = {
    "API_KEY": LIVE,
    "ALLOWED_REGIONS": ["NG"],
    "ALLOWED_LINE_TYPES": ["either", "fixed_line", "mobile"],
    "TRUSTED_PROXIES": 0,
    "ALTERNATIVE_URL": "/help/",
}
REDIS = "django.core.cache.backends.redis.RedisCache"

DEPLOYMENTS: list[tuple[dict[str, Any], str, list[str]]] = [
    (SAFE, REDIS, []),
    ({**SAFE, "ALLOWED_REGIONS": None}, REDIS, ["telroi.W009"]),
    ({**SAFE, "ALTERNATIVE_URL": ""}, REDIS, ["telroi.W027"]),
    ({**SAFE, "ALLOWED_LINE_TYPES": ["mobile", "voip"]}, REDIS, ["telroi.W026"]),
    ({**SAFE, "ALLOWED_LINE_TYPES": ["mobile", "personal"]}, REDIS, ["telroi.W026"]),
    ({**SAFE, "ALLOW_TEST_KEY": True}, REDIS, ["telroi.W010"]),
    ({**SAFE, "TRUSTED_PROXIES": None}, REDIS, ["telroi.W012"]),
    ({**SAFE, "RETENTION_DAYS": None}, REDIS, ["telroi.W013"]),
    *(
        (SAFE, f"django.core.cache.backends.{name}", [found])
        for name, found in {
            "locmem.LocMemCache": "telroi.W011",
            "dummy.DummyCache": "telroi.W011",
            "db.DatabaseCache": "telroi.W020",
            "filebased.FileBasedCache": "telroi.W020",
        }.items()
    ),
]


@pytest.mark.parametrize(("chosen", "cache", "found"), DEPLOYMENTS)
def test_deploy_checks_report_unsafe_settings(
    settings: Any, chosen: dict[str, Any], cache: str, found: list[str]
) -> None:
    settings.TELROI, settings.CACHES = chosen, {"default": {"BACKEND": cache, "LOCATION": "redis://127.0.0.1"}}

    deploying = run_checks(tags=[Tags.security], include_deployment_checks=True)

    assert [message.id for message in deploying if str(message.id).startswith("telroi.")] == found
    assert ours() == []


@pytest.mark.parametrize(
    ("urls", "found"),
    [(PAGE, ["telroi.W027"]), (PAGE + API, ["telroi.W027"]), (API, []), (LOGIN, []), (None, [])],
)
def test_only_a_site_with_pages_is_asked_for_another_way(
    settings: Any, urls: list[Any] | None, found: list[str]
) -> None:
    settings.TELROI = {**SAFE, "ALTERNATIVE_URL": ""}
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": "redis://127.0.0.1"}}

    with override_settings(ROOT_URLCONF=urls and tuple(urls)):
        assert ids(list(check_production_settings())) == found


def test_a_site_that_counts_no_requesters_is_reported(settings: Any) -> None:
    settings.TELROI, settings.RATELIMIT_ENABLE = SAFE, False
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": "redis://127.0.0.1"}}

    assert ids(list(check_production_settings())) == ["telroi.W015"]


@pytest.mark.parametrize(
    ("servers", "found"),
    [
        ("redis://127.0.0.1", []),
        (["redis://127.0.0.1"], []),
        ("redis://127.0.0.1,redis://127.0.0.2", ["telroi.W020"]),
        (["redis://127.0.0.1", "redis://127.0.0.2"], ["telroi.W020"]),
    ],
)
def test_counts_that_are_read_from_a_replica_are_named(settings: Any, servers: Any, found: list[str]) -> None:
    settings.TELROI, settings.CACHES = SAFE, {"default": {"BACKEND": REDIS, "LOCATION": servers}}

    assert ids(list(check_production_settings())) == found


def test_only_the_cache_of_the_limits_is_checked(settings: Any) -> None:
    settings.TELROI, settings.RATELIMIT_USE_CACHE = SAFE, "counting"
    local = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    settings.CACHES = {"default": local, "counting": {"BACKEND": REDIS, "LOCATION": "redis://127.0.0.1"}}

    assert list(check_production_settings()) == []


def test_the_docs_contain_every_message_and_no_other() -> None:
    modules = [*Path(checks.__file__).parent.glob("*.py"), Path(key_problems.__file__)]
    given = set(re.findall(r"telroi\.[EW]\d{3}", " ".join(module.read_text() for module in modules)))
    page = Path(__file__).parents[2] / "docs" / "reference" / "checks.rst"
    documented = set(re.findall(r"^\.\. check:: (telroi\.[EW]\d{3})$", page.read_text(), re.MULTILINE))

    assert documented == given


@pytest.mark.django_db
def test_the_command_succeeds_for_a_valid_setup_and_fails_for_an_invalid_one(settings: Any) -> None:
    settings.TELROI = {"API_KEY": LIVE}
    call_command("check")

    settings.TELROI = {"API_KEY": "tlr_test_x"}
    with pytest.raises(SystemCheckError, match=r"telroi\.E005"):
        call_command("check")


class RevisionMiddleware:
    """Like that of django-reversion, which is recognized by its module."""

    atomic = True


RevisionMiddleware.__module__ = "reversion.middleware"


class WithoutTransaction(RevisionMiddleware):
    atomic = False


@pytest.mark.parametrize(("name", "found"), [("RevisionMiddleware", ["telroi.W054"]), ("WithoutTransaction", [])])
def test_a_middleware_that_opens_a_transaction_is_found(name: str, found: list[str], settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"tests.checks.test_checks.{name}"]

    assert [each for each in ids(ours(Tags.urls)) + ids(ours()) if each == "telroi.W054"] == found
