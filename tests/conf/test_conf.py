"""Settings are read each time that they are used."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy

from django_telroi import conf
from django_telroi.domain.number_cipher import NumberEncryption
from django_telroi.domain.number_limits import Policy, WrongCodeLimits
from django_telroi.domain.phone import CALLABLE_LINE_TYPES, CallingRules, LineType
from django_telroi.domain.rates import Rate
from django_telroi.domain.states import CodeMaker, Dispatch

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
    "API_KEYS": conf.named_keys,
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
    "TASKS_BACKEND": conf.tasks_backend,
    "TASKS_QUEUE": conf.tasks_queue,
    "QUEUE_DEADLINE_SECONDS": conf.queue_deadline,
    "COOLDOWN_SECONDS": conf.policy,
    "CALLS_PER_HOUR": conf.policy,
    "CALLS_PER_DAY": conf.policy,
    "STRANGER_CALLS_PER_HOUR": conf.stranger_calls,
    "STRANGER_CALLS_PER_DAY": conf.stranger_calls,
    "CALLS_PER_DAY_TOTAL": conf.calls_per_day_total,
    "PUMPING_PAUSE_SECONDS": conf.pumping_pause,
    "CALL_PRICES": conf.call_prices,
    "CALL_PRICE_CURRENCY": conf.call_price_currency,
    "TELEMETRY": conf.telemetry,
    "TRACE_HEADERS": conf.trace_headers,
    "CODES": conf.codes,
    "CODE_LENGTH": conf.code_length,
    "CODE_TRIES": conf.code_tries,
    "WRONG_CODES": conf.wrong_codes,
    "CODE_TTL_SECONDS": conf.code_ttl,
    "LANGUAGE": conf.language,
    "DEFAULT_REGION": conf.default_region,
    "ALLOWED_REGIONS": conf.calling_rules,
    "BLOCKED_REGIONS": conf.calling_rules,
    "BLOCKED_PREFIXES": conf.calling_rules,
    "ALLOWED_LINE_TYPES": conf.calling_rules,
    "RATES": conf.rates,
    "TRUSTED_PROXIES": conf.trusted_proxies,
    "RATE_KEYS": conf.rate_keys,
    "BOT_CHECK": conf.bot_check,
    "MAY_START": conf.may_start_path,
    "PHONE_RISK": conf.phone_risk,
    "PURPOSES": conf.purposes,
    "ANONYMOUS_PURPOSES": conf.anonymous_purposes,
    "PURPOSES_WITHOUT_RECORD": conf.purposes_without_record,
    "ONE_ACCOUNT_PER_NUMBER": conf.one_account_per_number,
    "RETENTION_DAYS": conf.retention,
    "NUMBER_ENCRYPTION": conf.number_encryption,
    "NUMBER_KEYS": conf.number_keys,
    "WEBHOOK_SECRETS": conf.webhook_secrets,
    "SUCCESS_URL": conf.success_url,
    "COUNTRY_CHOICE": conf.country_choice,
    "SITE_NAME": conf.site_name,
    "PURPOSE_TEXTS": conf.purpose_texts,
    "CONSENT_TEXT": conf.consent_text,
    "CONSENT_VERSION": conf.consent_version,
    "SUBMIT_LAST_DIGIT": conf.submit_last_digit,
    "ALTERNATIVE_URL": conf.alternative_url,
    "LOGIN_ALTERNATIVE_URL": conf.login_alternative_url,
    "LOGIN_SIGN_UP_URL": conf.login_sign_up_url,
    "LOGIN_PURPOSES": conf.login_purposes,
    "LOGIN_RESPONSE": conf.login_response,
    "MAY_LOG_IN": conf.may_log_in,
    "REVIEWER_SECRET_NUMBERS": conf.reviewer_numbers,
    "REVIEWER_SECRET_NUMBERS_IN_PRODUCTION": conf.reviewer_numbers_in_production,
    "REVIEWER_SECRET_CODE": conf.reviewer_secret_code,
    "REVIEWER_LOGINS_PER_DAY": conf.reviewer_logins_per_day,
}
CHOICES: list[tuple[str, Any, Any]] = [
    ("API_KEY", "tlr_live_x", "tlr_live_x"),
    ("API_KEYS", {"shop": "tlr_live_x"}, {"shop": ("tlr_live_x",)}),
    ("API_KEYS", {"a.B-c_1": ["new", "old"], "b": ("one",)}, {"a.B-c_1": ("new", "old"), "b": ("one",)}),
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
    ("TASKS_BACKEND", "calls", "calls"),
    ("TASKS_QUEUE", "calls", "calls"),
    ("QUEUE_DEADLINE_SECONDS", 30, timedelta(seconds=30)),
    ("COOLDOWN_SECONDS", 0, Policy(timedelta(0), 5, 20)),
    ("COOLDOWN_SECONDS", 90.5, Policy(timedelta(seconds=90.5), 5, 20)),
    ("CALLS_PER_HOUR", 1, Policy(timedelta(seconds=60), 1, 20)),
    ("CALLS_PER_DAY", 3, Policy(timedelta(seconds=60), 5, 3)),
    ("STRANGER_CALLS_PER_HOUR", 4, (4, None)),
    ("STRANGER_CALLS_PER_DAY", 15, (None, 15)),
    ("CALLS_PER_DAY_TOTAL", 0, 0),
    ("CALLS_PER_DAY_TOTAL", 500, 500),
    ("PUMPING_PAUSE_SECONDS", 600, timedelta(seconds=600)),
    ("CALL_PRICES", {"ng": Decimal("0.08"), "": 1}, {"NG": 0.08, "": 1.0}),
    ("CALL_PRICE_CURRENCY", "USD", "USD"),
    ("CODES", "telroi", CodeMaker.TELROI),
    ("CODE_LENGTH", 4, 4),
    ("CODE_LENGTH", 10, 10),
    ("CODE_TRIES", 1, 1),
    ("WRONG_CODES", "strict", WrongCodeLimits(warn=3, wait=4, lock=5)),
    ("WRONG_CODES", {"warn": 1, "wait": 1, "lock": 1}, WrongCodeLimits(warn=1, wait=1, lock=1)),
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
    ("RATE_KEYS", "site.rate_keys", "site.rate_keys"),
    ("RATE_KEYS", dict, dict),
    ("BOT_CHECK", "site.bot_check", "site.bot_check"),
    ("BOT_CHECK", bool, bool),
    ("MAY_START", "site.may_start", "site.may_start"),
    ("PHONE_RISK", "site.phone_risk", "site.phone_risk"),
    ("PHONE_RISK", bool, bool),
    ("PURPOSES", ("", "payout"), ["", "payout"]),
    ("ANONYMOUS_PURPOSES", ("",), [""]),
    ("PURPOSES_WITHOUT_RECORD", ("",), [""]),
    ("ONE_ACCOUNT_PER_NUMBER", True, True),
    ("RETENTION_DAYS", 1, timedelta(days=1)),
    ("RETENTION_DAYS", None, None),
    *(("NUMBER_ENCRYPTION", mode, NumberEncryption(mode)) for mode in ("prepare", "migrate", "on")),
    ("NUMBER_KEYS", ["n" * 32, "", f" {'o' * 43} ", "n" * 32], ["n" * 32, "o" * 43]),
    ("WEBHOOK_SECRETS", ["whsec_old", " whsec_new\n", "", " "], ["whsec_old", "whsec_new"]),
    ("SUCCESS_URL", "/account/", "/account/"),
    ("SUCCESS_URL", reverse_lazy("telroi:done"), "/phone/done/"),
    ("COUNTRY_CHOICE", True, True),
    ("SITE_NAME", "Ringwell", "Ringwell"),
    ("SITE_NAME", gettext_lazy("Ringwell"), "Ringwell"),
    ("PURPOSE_TEXTS", {"": "We need it to sign you in."}, {"": "We need it to sign you in."}),
    ("PURPOSE_TEXTS", {"login": "It logs you in."}, {"login": "It logs you in."}),
    ("CONSENT_TEXT", "You agree to one call.", "You agree to one call."),
    ("CONSENT_VERSION", "2026-11", "2026-11"),
    ("SUBMIT_LAST_DIGIT", True, True),
    ("TELEMETRY", ("prometheus", "opentelemetry"), ["prometheus", "opentelemetry"]),
    ("TRACE_HEADERS", True, True),
    ("ALTERNATIVE_URL", "branch", "branch"),
    ("ALTERNATIVE_URL", reverse_lazy("telroi:done"), "/phone/done/"),
    ("LOGIN_ALTERNATIVE_URL", "passkey", "passkey"),
    ("LOGIN_ALTERNATIVE_URL", reverse_lazy("telroi:done"), "/phone/done/"),
    ("LOGIN_SIGN_UP_URL", "/sign-up/", "/sign-up/"),
    ("LOGIN_PURPOSES", ("", "payout"), ["", "payout"]),
    ("LOGIN_RESPONSE", "site.tokens_of", "site.tokens_of"),
    ("LOGIN_RESPONSE", dict, dict),
    ("MAY_LOG_IN", "site.may_log_in", "site.may_log_in"),
    ("REVIEWER_SECRET_NUMBERS", ("+2348031234567",), ["+2348031234567"]),
    ("REVIEWER_SECRET_NUMBERS_IN_PRODUCTION", ["+2348031234567"], ["+2348031234567"]),
    ("REVIEWER_SECRET_CODE", "7390284615", "7390284615"),
    ("REVIEWER_LOGINS_PER_DAY", 3, 3),
]
TEXTS = (
    "API_KEY",
    "BASE_URL",
    "PROXY_URL",
    "BACKEND",
    "CELERY_QUEUE",
    "TASKS_BACKEND",
    "TASKS_QUEUE",
    "CALL_PRICE_CURRENCY",
    "LANGUAGE",
    "DEFAULT_REGION",
    "SUCCESS_URL",
    "ALTERNATIVE_URL",
    "LOGIN_ALTERNATIVE_URL",
    "LOGIN_SIGN_UP_URL",
    "REVIEWER_SECRET_CODE",
    "MAY_START",
)
SECONDS = (
    "CONNECT_TIMEOUT_SECONDS",
    "READ_TIMEOUT_SECONDS",
    "TOTAL_TIMEOUT_SECONDS",
    "QUEUE_DEADLINE_SECONDS",
    "CODE_TTL_SECONDS",
)
COUNTS = (
    "KEY_REQUESTS_PER_MINUTE",
    "CALLS_PER_HOUR",
    "CALLS_PER_DAY",
    "CODE_TRIES",
    "CODE_LENGTH",
    "REVIEWER_LOGINS_PER_DAY",
)
LISTS = (
    "ALLOWED_REGIONS",
    "BLOCKED_REGIONS",
    "BLOCKED_PREFIXES",
    "ALLOWED_LINE_TYPES",
    "PURPOSES",
    "WEBHOOK_SECRETS",
    "LOGIN_PURPOSES",
    "REVIEWER_SECRET_NUMBERS",
    "REVIEWER_SECRET_NUMBERS_IN_PRODUCTION",
)
FLAGS = ("ALLOW_TEST_KEY", "ONE_ACCOUNT_PER_NUMBER", "COUNTRY_CHOICE", "SUBMIT_LAST_DIGIT", "TRACE_HEADERS")

WRONG: list[tuple[str, Any]] = [
    *((key, wrong) for key in TEXTS for wrong in (5, b"x", ["x"], True)),
    *((key, wrong) for key in SECONDS for wrong in (0, -1, "5", True, None, float("nan"), float("inf"), 10**300)),
    *((key, wrong) for key in COUNTS for wrong in (0, -1, 1.5, "5", True, None)),
    *((key, wrong) for key in LISTS for wrong in ("NG", 5, [5], [None])),
    *((key, wrong) for key in FLAGS for wrong in (1, 0, "True", "no")),
    *((key, wrong) for key in ("SITE_NAME", "CONSENT_TEXT") for wrong in (5, b"x", ["x"], True, None)),
    *(("PURPOSE_TEXTS", wrong) for wrong in (None, "x", [], {"": 5}, {"": None}, {"payout": "x"})),
    *(
        ("WRONG_CODES", wrong)
        for wrong in (None, 5, "lax", ["warn"], {}, {"lock": 5}, {"warn": 5, "wait": 4, "lock": 9})
    ),
    *(("WRONG_CODES", {"warn": 1, "wait": 2, "lock": wrong}) for wrong in (0, 1, True, "9", 9.5, None)),
    *(
        (key, wrong)
        for key in ("RATE_KEYS", "BOT_CHECK", "PHONE_RISK", "LOGIN_RESPONSE", "MAY_LOG_IN")
        for wrong in (5, b"x", ["x"], True)
    ),
    *(("CONSENT_VERSION", wrong) for wrong in (5, b"x", ["x"], True, "x" * 65, "pigeon\n")),
    ("BASE_URL", "http://["),
    *(("API_KEYS", wrong) for wrong in (5, True, ["tlr_live_x"], b"x")),
    *(("API_KEYS", {name: "tlr_live_x"}) for name in ("", "*", " a", "a b", "-a", "a" * 65, "ä", "a\n", 5, None)),
    *(("API_KEYS", {"shop": wrong}) for wrong in ("", " ", [], ["a", "b", "c"], ["", ""], 5, [5], True, {})),
    *(("ALLOW_TEST_KEY", wrong) for wrong in ([5], ({},), {"shop"})),
    *(("WEBHOOK_SECRETS", {"shop": wrong}) for wrong in ("whsec_x", 5, [5], None)),
    *(("LANGUAGE", wrong) for wrong in ("en_US", "English, please", "en" * 18)),
    *(("DISPATCH", wrong) for wrong in (5, True, None, "", "Celery", "later")),
    ("COOLDOWN_SECONDS", -1),
    ("COOLDOWN_SECONDS", "60"),
    ("COOLDOWN_SECONDS", 10**300),
    ("CALLS_PER_DAY_TOTAL", -1),
    *(("STRANGER_CALLS_PER_HOUR", wrong) for wrong in (0, -1, 1.5, "4", True)),
    *(("STRANGER_CALLS_PER_DAY", wrong) for wrong in (0, -1, 1.5, "4", True)),
    *(("PUMPING_PAUSE_SECONDS", wrong) for wrong in (-1, 1.5, "600", True, None, 10**300)),
    *(("CALL_PRICES", wrong) for wrong in (None, 0.1, [], {5: 1}, {"NG": "0.1"}, {"NG": -1}, {"NG": True})),
    *(("CALL_PRICES", {"NG": wrong}) for wrong in (float("nan"), float("inf"), None)),
    ("CALLS_PER_DAY_TOTAL", 1.5),
    *(("NUMBER_ENCRYPTION", wrong) for wrong in (True, None, "ON", "pigeon")),
    *(("NUMBER_KEYS", wrong) for wrong in (None, "n" * 32, ["pigeon"], [b"n" * 32])),
    *(("RETENTION_DAYS", wrong) for wrong in (0, -1, 1.5, "90", True, 36_501)),
    *(("CODES", wrong) for wrong in (5, True, None, "", "Site", "client")),
    ("CODE_LENGTH", 3),
    ("CODE_LENGTH", 11),
    ("KEY_REQUESTS_PER_MINUTE", 1),
    ("ALLOWED_LINE_TYPES", ["carrier pigeon"]),
    *(("TELEMETRY", wrong) for wrong in ("prometheus", 5, None, ["statsd"], [5])),
    ("PURPOSES", None),
    *(("ANONYMOUS_PURPOSES", wrong) for wrong in ("", 5, [5], [None], ["payout"])),
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


def test_every_setting_is_in_these_tests() -> None:
    assert READERS.keys() == conf.DEFAULTS.keys() == {key for key, _, _ in CHOICES}


@pytest.mark.parametrize(("key", "value", "read"), CHOICES, ids=lambda value: str(value)[:40])
def test_a_valid_value_is_returned(key: str, value: Any, read: Any) -> None:
    with override_settings(TELROI={key: value}):
        assert READERS[key]() == read


@pytest.mark.codes("site")
@pytest.mark.parametrize(("key", "value", "read"), CHOICES, ids=lambda value: str(value)[:40])
def test_a_setting_takes_effect_at_once_and_until_it_changes(key: str, value: Any, read: Any) -> None:
    with override_settings(TELROI={}):
        before = READERS[key]()
        with override_settings(TELROI={key: value}):
            inside = READERS[key]()

        assert (inside == read, READERS[key]() == before, before != read) == (True, True, True)


@pytest.mark.parametrize(("key", "value"), WRONG, ids=lambda value: repr(value)[:40])
def test_an_invalid_value_is_named_and_not_shown(key: str, value: Any) -> None:
    with override_settings(TELROI={key: value}), pytest.raises(ImproperlyConfigured) as wrong:
        READERS[key]()

    assert f'TELROI["{key}"] must be' in str(wrong.value)
    assert "pigeon" not in str(wrong.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PURPOSE_TEXTS", {"": "x", "sing-up": "x", "login": "x", 5: "x"}),
        ("ANONYMOUS_PURPOSES", ["sing-up", "", "5"]),
        ("PURPOSES_WITHOUT_RECORD", ["sing-up", "", "5"]),
    ],
)
def test_a_purpose_that_the_site_does_not_have_is_named(key: str, value: Any) -> None:
    with override_settings(TELROI={key: value}), pytest.raises(ImproperlyConfigured) as several:
        READERS[key]()
    with override_settings(TELROI={key: value, "PURPOSES": ["", "5"]}), pytest.raises(ImproperlyConfigured) as one:
        READERS[key]()

    assert str(several.value).endswith(': "5" and "sing-up" are not.')
    if key != "PURPOSE_TEXTS":
        assert str(one.value).endswith(': "sing-up" is not.')


def test_a_site_with_an_empty_dict_gets_the_defaults() -> None:
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
        assert (conf.site_name(), conf.purpose_texts(), conf.consent_text()) == ("", {}, "")
        assert (conf.country_choice(), conf.submit_last_digit()) == (False, False)
        nothing = (conf.proxy_url(), conf.language(), conf.default_region(), conf.success_url())
        assert nothing == (None, None, None, None)


def test_a_site_without_the_dict_gets_the_defaults_too(settings: Any) -> None:
    if hasattr(settings, "TELROI"):
        del settings.TELROI

    assert conf.code_length() == 6


@pytest.mark.parametrize("value", ["x", 5, [("API_KEY", "x")], None])
def test_a_value_that_is_not_a_dict_is_rejected(value: Any) -> None:
    with override_settings(TELROI=value), pytest.raises(ImproperlyConfigured, match=r"settings\.TELROI must be a dict"):
        conf.code_length()


class TestTheKey:
    """The setting precedes the environment variable."""

    def test_is_read_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TELROI_API_KEY", "tlr_live_env")

        with override_settings(TELROI={}):
            assert conf.api_key() == "tlr_live_env"
        with override_settings(TELROI={"API_KEY": None}):
            assert conf.api_key() == "tlr_live_env"
        with override_settings(TELROI={"API_KEY": "tlr_live_set"}):
            assert conf.api_key() == "tlr_live_set"


@pytest.mark.parametrize("debug", [True, False])
def test_a_test_key_is_allowed_under_debug_if_the_setting_is_missing(settings: Any, debug: bool) -> None:
    settings.DEBUG = debug

    with override_settings(TELROI={}):
        assert conf.allow_test_key() is debug
    with override_settings(TELROI={"ALLOW_TEST_KEY": not debug}):
        assert conf.allow_test_key() is not debug
