"""What the site chose, read when asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.urls import reverse_lazy

from django_telroi import conf
from django_telroi.domain.phone import CALLABLE_LINE_TYPES, CallingRules, LineType
from django_telroi.domain.policy import Policy
from django_telroi.domain.rates import Rate
from django_telroi.domain.states import Dispatch

STOCK_RATES = {
    "start": {
        "ip": Rate(20, 3600),
        "ipv6_56": Rate(80, 3600),
        "ipv6_48": Rate(320, 3600),
        "user": Rate(10, 3600),
    },
    "check": {
        "ip": Rate(60, 3600),
        "ipv6_56": Rate(240, 3600),
        "ipv6_48": Rate(960, 3600),
        "user": Rate(60, 3600),
    },
}
READERS = {
    "API_KEY": conf.api_key,
    "BASE_URL": conf.base_url,
    "PROXY_URL": conf.proxy_url,
    "BACKEND": conf.backend_path,
    "ALLOW_TEST_KEY": conf.allow_test_key,
    "CONNECT_TIMEOUT_SECONDS": conf.timeouts,
    "READ_TIMEOUT_SECONDS": conf.timeouts,
    "TOTAL_TIMEOUT_SECONDS": conf.timeouts,
    "KEY_REQUESTS_PER_MINUTE": conf.key_requests_per_minute,
    "DISPATCH": conf.dispatch,
    "CELERY_QUEUE": conf.celery_queue,
    "QUEUE_DEADLINE_SECONDS": conf.queue_deadline,
    "COOLDOWN_SECONDS": conf.policy,
    "CALLS_PER_HOUR": conf.policy,
    "CALLS_PER_DAY": conf.policy,
    "CALLS_PER_DAY_TOTAL": conf.calls_per_day_total,
    "CODE_LENGTH": conf.code_length,
    "CODE_TRIES": conf.code_tries,
    "CODE_TTL_SECONDS": conf.code_ttl,
    "LANGUAGE": conf.language,
    "DEFAULT_REGION": conf.default_region,
    "ALLOWED_REGIONS": conf.calling_rules,
    "BLOCKED_REGIONS": conf.calling_rules,
    "BLOCKED_PREFIXES": conf.calling_rules,
    "ALLOWED_LINE_TYPES": conf.calling_rules,
    "RATES": conf.rates,
    "TRUSTED_PROXIES": conf.trusted_proxies,
    "MAY_START": conf.may_start_path,
    "PURPOSES": conf.purposes,
    "ANONYMOUS_PURPOSES": conf.anonymous_purposes,
    "PURPOSES_WITHOUT_RECORD": conf.purposes_without_record,
    "ONE_ACCOUNT_PER_NUMBER": conf.one_account_per_number,
    "RETENTION_DAYS": conf.retention,
    "WEBHOOK_SECRETS": conf.webhook_secrets,
    "SUCCESS_URL": conf.success_url,
}
CHOICES: list[tuple[str, Any, Any]] = [
    ("API_KEY", "tlr_live_x", "tlr_live_x"),
    ("BASE_URL", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ("PROXY_URL", "http://proxy:3128", "http://proxy:3128"),
    ("BACKEND", "site.backends.Own", "site.backends.Own"),
    ("ALLOW_TEST_KEY", True, True),
    ("CONNECT_TIMEOUT_SECONDS", 0.5, conf.Timeouts(0.5, 25, 30)),
    ("READ_TIMEOUT_SECONDS", 21, conf.Timeouts(5, 21, 30)),
    ("TOTAL_TIMEOUT_SECONDS", 40, conf.Timeouts(5, 25, 40)),
    ("KEY_REQUESTS_PER_MINUTE", 2, 2),
    ("DISPATCH", "celery", Dispatch.CELERY),
    ("CELERY_QUEUE", "calls", "calls"),
    ("QUEUE_DEADLINE_SECONDS", 30, timedelta(seconds=30)),
    ("COOLDOWN_SECONDS", 0, Policy(timedelta(0), 5, 20)),
    ("COOLDOWN_SECONDS", 90.5, Policy(timedelta(seconds=90.5), 5, 20)),
    ("CALLS_PER_HOUR", 1, Policy(timedelta(seconds=60), 1, 20)),
    ("CALLS_PER_DAY", 3, Policy(timedelta(seconds=60), 5, 3)),
    ("CALLS_PER_DAY_TOTAL", 0, 0),
    ("CALLS_PER_DAY_TOTAL", 500, 500),
    ("CODE_LENGTH", 4, 4),
    ("CODE_LENGTH", 10, 10),
    ("CODE_TRIES", 1, 1),
    ("CODE_TTL_SECONDS", 90, timedelta(seconds=90)),
    ("LANGUAGE", "yo", "yo"),
    ("LANGUAGE", "pt-br", "pt-BR"),
    ("DEFAULT_REGION", "NG", "NG"),
    ("ALLOWED_REGIONS", ["ng", "GH"], CallingRules(allowed_regions=frozenset({"NG", "GH"}))),
    ("ALLOWED_REGIONS", (), CallingRules(allowed_regions=frozenset())),
    ("BLOCKED_REGIONS", {"GB"}, CallingRules(blocked_regions=frozenset({"GB"}))),
    ("BLOCKED_PREFIXES", ("234 70",), CallingRules(blocked_prefixes=("+23470",))),
    ("ALLOWED_LINE_TYPES", ["mobile"], CallingRules(allowed_line_types=frozenset({LineType.MOBILE}))),
    (
        "RATES",
        {"start": {"ip": "5/m"}},
        {
            **STOCK_RATES,
            "start": {"ip": Rate(5, 60), "ipv6_56": Rate(20, 60), "ipv6_48": Rate(80, 60), "user": Rate(10, 3600)},
        },
    ),
    (
        "RATES",
        {"start": {"ip": None, "ipv6_56": "3x", "ipv6_48": "7/h"}},
        {
            **STOCK_RATES,
            "start": {"ip": None, "ipv6_56": None, "ipv6_48": Rate(7, 3600), "user": Rate(10, 3600)},
        },
    ),
    ("RATES", {"check": None}, {**STOCK_RATES, "check": dict.fromkeys(STOCK_RATES["check"])}),
    ("RATES", {"start": {"user": None}}, {**STOCK_RATES, "start": {**STOCK_RATES["start"], "user": None}}),
    ("RATES", None, {scope: dict.fromkeys(rates) for scope, rates in STOCK_RATES.items()}),
    ("TRUSTED_PROXIES", 0, 0),
    ("TRUSTED_PROXIES", 2, 2),
    ("MAY_START", "site.may_start", "site.may_start"),
    ("PURPOSES", ("", "payout"), ["", "payout"]),
    ("ANONYMOUS_PURPOSES", ("",), [""]),
    ("PURPOSES_WITHOUT_RECORD", ("",), [""]),
    ("ONE_ACCOUNT_PER_NUMBER", True, True),
    ("RETENTION_DAYS", 1, timedelta(days=1)),
    ("RETENTION_DAYS", None, None),
    ("WEBHOOK_SECRETS", ["whsec_old", " whsec_new\n", "", " "], ["whsec_old", "whsec_new"]),
    ("SUCCESS_URL", "/account/", "/account/"),
    ("SUCCESS_URL", reverse_lazy("telroi:done"), "/phone/done/"),
]
TEXTS = (
    "API_KEY",
    "BASE_URL",
    "PROXY_URL",
    "BACKEND",
    "CELERY_QUEUE",
    "LANGUAGE",
    "DEFAULT_REGION",
    "SUCCESS_URL",
    "MAY_START",
)
SECONDS = (
    "CONNECT_TIMEOUT_SECONDS",
    "READ_TIMEOUT_SECONDS",
    "TOTAL_TIMEOUT_SECONDS",
    "QUEUE_DEADLINE_SECONDS",
    "CODE_TTL_SECONDS",
)
COUNTS = ("KEY_REQUESTS_PER_MINUTE", "CALLS_PER_HOUR", "CALLS_PER_DAY", "CODE_TRIES", "CODE_LENGTH")
LISTS = ("ALLOWED_REGIONS", "BLOCKED_REGIONS", "BLOCKED_PREFIXES", "ALLOWED_LINE_TYPES", "PURPOSES", "WEBHOOK_SECRETS")
FLAGS = ("ALLOW_TEST_KEY", "ONE_ACCOUNT_PER_NUMBER")

WRONG: list[tuple[str, Any]] = [
    *((key, wrong) for key in TEXTS for wrong in (5, b"x", ["x"], True)),
    *((key, wrong) for key in SECONDS for wrong in (0, -1, "5", True, None, float("nan"), float("inf"), 10**300)),
    *((key, wrong) for key in COUNTS for wrong in (0, -1, 1.5, "5", True, None)),
    *((key, wrong) for key in LISTS for wrong in ("NG", 5, [5], [None])),
    *((key, wrong) for key in FLAGS for wrong in (1, 0, "True", "no")),
    ("BASE_URL", "http://["),
    *(("LANGUAGE", wrong) for wrong in ("en_US", "English, please", "en" * 18)),
    *(("DISPATCH", wrong) for wrong in (5, True, None, "", "Celery", "later")),
    ("COOLDOWN_SECONDS", -1),
    ("COOLDOWN_SECONDS", "60"),
    ("COOLDOWN_SECONDS", 10**300),
    ("CALLS_PER_DAY_TOTAL", -1),
    ("CALLS_PER_DAY_TOTAL", 1.5),
    *(("RETENTION_DAYS", wrong) for wrong in (0, -1, 1.5, "90", True, 36_501)),
    ("CODE_LENGTH", 3),
    ("CODE_LENGTH", 11),
    ("KEY_REQUESTS_PER_MINUTE", 1),
    ("ALLOWED_LINE_TYPES", ["carrier pigeon"]),
    ("PURPOSES", None),
    *(("ANONYMOUS_PURPOSES", wrong) for wrong in ("", 5, [5], [None], ["pigeon"])),
    *(("PURPOSES_WITHOUT_RECORD", wrong) for wrong in ("", 5, [5], None, [None], ["login"])),
    *(("TRUSTED_PROXIES", wrong) for wrong in (-1, 1.5, "1", True)),
    *(("RATES", {"start": {who: "4x"}}) for who in ("ip", "user")),
    *(("RATES", {"start": {"ipv6_48": wrong}}) for wrong in ("0x", "x", "4 x", "1000x", "-1x", 4)),
    *(("RATES", wrong) for wrong in ("20/h", 20, [], {"start": "20/h"}, {"call": {}}, {"start": {"session": "1/h"}})),
    *(
        ("RATES", {"start": {"ip": wrong}})
        for wrong in (20, "", "20", "20/hour", "/h", "20/0h", "1/31d", "-1/h", "٢/h")
    ),
]


@pytest.fixture(autouse=True)
def _no_key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TELROI_API_KEY", raising=False)


def test_every_setting_is_read_by_one_of_these() -> None:
    assert READERS.keys() == conf.DEFAULTS.keys() == {key for key, _, _ in CHOICES}


@pytest.mark.parametrize(("key", "value", "read"), CHOICES, ids=lambda value: str(value)[:40])
def test_a_setting_is_read_as_what_it_is(key: str, value: Any, read: Any) -> None:
    with override_settings(TELROI={key: value}):
        assert READERS[key]() == read


@pytest.mark.parametrize(("key", "value", "read"), CHOICES, ids=lambda value: str(value)[:40])
def test_a_setting_is_right_at_once_and_for_as_long_as_it_holds(key: str, value: Any, read: Any) -> None:
    with override_settings(TELROI={}):
        before = READERS[key]()
        with override_settings(TELROI={key: value}):
            inside = READERS[key]()

        assert (inside == read, READERS[key]() == before, before != read) == (True, True, True)


@pytest.mark.parametrize(("key", "value"), WRONG, ids=lambda value: repr(value)[:40])
def test_a_value_of_another_kind_is_named_and_not_shown(key: str, value: Any) -> None:
    with override_settings(TELROI={key: value}), pytest.raises(ImproperlyConfigured) as wrong:
        READERS[key]()

    assert f'TELROI["{key}"] must be' in str(wrong.value)
    assert "pigeon" not in str(wrong.value)


def test_a_site_that_says_nothing_gets_the_defaults() -> None:
    with override_settings(TELROI={}):
        assert conf.api_key() == ""
        assert conf.base_url() == "https://app.telroi.ai"
        assert conf.timeouts() == conf.Timeouts(5, 25, 30)
        assert conf.policy() == Policy(timedelta(seconds=60), 5, 20)
        assert (conf.code_length(), conf.code_tries(), conf.code_ttl()) == (6, 3, timedelta(seconds=300))
        assert conf.queue_deadline() == timedelta(seconds=120)
        assert conf.retention() == timedelta(days=90)
        assert (conf.rates(), conf.trusted_proxies(), conf.may_start_path()) == (STOCK_RATES, None, None)
        assert conf.lease() == timedelta(seconds=45)
        assert conf.calling_rules() == CallingRules(allowed_line_types=CALLABLE_LINE_TYPES)
        assert conf.key_requests_per_minute() == 600
        assert (conf.purposes(), conf.anonymous_purposes(), conf.calls_per_day_total()) == ([""], None, None)
        nothing = (conf.proxy_url(), conf.language(), conf.default_region(), conf.success_url())
        assert nothing == (None, None, None, None)


def test_a_site_without_the_dict_gets_the_defaults_too(settings: Any) -> None:
    if hasattr(settings, "TELROI"):
        del settings.TELROI

    assert conf.code_length() == 6


@pytest.mark.parametrize("value", ["x", 5, [("API_KEY", "x")], None])
def test_what_is_no_dict_is_refused(value: Any) -> None:
    with override_settings(TELROI=value), pytest.raises(ImproperlyConfigured, match=r"settings\.TELROI must be a dict"):
        conf.code_length()


class TestTheKey:
    """The setting wins over the environment."""

    def test_comes_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TELROI_API_KEY", "tlr_live_env")

        with override_settings(TELROI={}):
            assert conf.api_key() == "tlr_live_env"
        with override_settings(TELROI={"API_KEY": None}):
            assert conf.api_key() == "tlr_live_env"
        with override_settings(TELROI={"API_KEY": "tlr_live_set"}):
            assert conf.api_key() == "tlr_live_set"


@pytest.mark.parametrize("debug", [True, False])
def test_a_test_key_is_allowed_under_debug_where_the_site_says_nothing(settings: Any, debug: bool) -> None:
    settings.DEBUG = debug

    with override_settings(TELROI={}):
        assert conf.allow_test_key() is debug
    with override_settings(TELROI={"ALLOW_TEST_KEY": not debug}):
        assert conf.allow_test_key() is not debug
