"""Checks of the API keys: set, well formed, live or test as the site needs, and one workspace for each name."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.db import connections

from django_telroi import conf
from django_telroi.backends import uses_telroi
from django_telroi.client.origin import read_base_url
from django_telroi.conf import values
from django_telroi.conf.key_problems import (
    KeyProblem,
    problems_of_keys,
    problems_of_names,
    problems_of_secrets,
    quoted_names,
)
from django_telroi.domain.states import UNFINISHED
from django_telroi.models import DbNow, VerificationAttempt

TEST_KEY_PREFIX = "tlr_test_"
LIVE_KEY_PREFIX = "tlr_live_"


def check_key() -> Iterator[CheckMessage]:
    """Yield messages about the API keys, if the backend is Telroi's: at most one for each key.

    Keys that a function in ``API_KEYS`` returns are not checked, because it may use the database. The doctor does that.
    """
    if not uses_telroi():
        return
    if not conf.has_named_keys():
        yield from _check_one("The API key", conf.api_key(), conf.DEFAULT_KEY, allowing="True")
        return
    for name, keys in conf.named_keys().items():
        for key in keys:
            yield from _check_one(f'The API key "{name}"', key, name, allowing=f'["{name}"]')


def _check_one(named: str, key: str, name: str, *, allowing: str) -> Iterator[CheckMessage]:
    # The messages never contain the key, because their output is kept in logs of deployments.
    if not key:
        yield checks.Warning(
            f"{named} is not set, so no calls are placed.",
            hint='Set TELROI["API_KEY"] or the environment variable TELROI_API_KEY.',
            id="telroi.W002",
        )
    elif not conf.KEY_FORMAT.fullmatch(key):
        yield Error(
            f"{named} is invalid. A key of Telroi is tlr_live_ or tlr_test_, followed by letters and digits.",
            hint="Copy it again, without spaces or a line break.",
            id="telroi.E008",
        )
    elif key.startswith(TEST_KEY_PREFIX) and not conf.allow_test_key(name):
        yield Error(
            f"{named} is a test key, but ALLOW_TEST_KEY is off. With a test key no phone rings, and the code 000000 "
            "verifies any number.",
            hint=f'Use a live key. Or set TELROI["ALLOW_TEST_KEY"] = {allowing} if nothing depends on a verified '
            "number.",
            id="telroi.E005",
        )
    elif key.startswith(LIVE_KEY_PREFIX) and settings.DEBUG and not _is_simulated():
        yield checks.Warning(
            f"{named} is a live key, but DEBUG is on. With a live key phones ring and every call is billed.",
            hint="Use a test key (tlr_test_), the simulator or no key for development.",
            id="telroi.W003",
        )


def check_key_names() -> Iterator[CheckMessage]:
    """Yield a message if the names of keys, their secrets and the function in ``API_KEY`` do not fit together.

    The doctor examines what functions in the settings return. A function may use the database.
    """
    if conf.has_named_keys():
        yield from _function()
    for problem in _problems():
        kind = Error if problem.is_error else checks.Warning
        yield kind(problem.says, hint=problem.hint, id=problem.id)


def _problems() -> Iterator[KeyProblem]:
    if conf.are_keys_read_by_function():
        return
    keys = conf.named_keys()
    yield from problems_of_keys(keys)
    known = keys if conf.has_named_keys() else {conf.DEFAULT_KEY: ()}
    yield from problems_of_names("ALLOW_TEST_KEY", conf.names_with_test_key(), known)
    if conf.are_secrets_read_by_function():
        return
    names = conf.names_with_secrets()
    yield from problems_of_names("WEBHOOK_SECRETS", names or (), known)
    yield from problems_of_secrets(conf.webhook_secrets_by_key(), keys, are_named=names is not None)


def _function() -> Iterator[CheckMessage]:
    function = conf.key_function()
    names = conf.named_keys()
    if function is None:
        if not conf.are_keys_read_by_function() and conf.DEFAULT_KEY not in names:
            yield Error(
                'TELROI["API_KEYS"] has no key "default", and no function in TELROI["API_KEY"] names another one, so '
                "every start is rejected.",
                hint='Name one of the keys "default", or set API_KEY to a function that returns a name.',
                id="telroi.E041",
            )
    elif isinstance(function, str) and not _is_function(function):
        yield Error(
            'TELROI["API_KEY"] is neither a function nor the dotted path of one, so every start is rejected. With '
            "API_KEYS it is no key.",
            hint="Set it to a function that takes django_telroi.services.KeyFacts and returns a name of API_KEYS.",
            id="telroi.E041",
        )
    for setting, is_function in (
        ("API_KEYS", conf.are_keys_read_by_function()),
        ("WEBHOOK_SECRETS", conf.are_secrets_read_by_function()),
    ):
        path = values.read(setting)
        if is_function and isinstance(path, str) and not _is_function(path):
            yield Error(
                f'TELROI["{setting}"] is not the dotted path of a function.',
                hint=f"Set it to a function without arguments. It returns what the setting {setting} would contain.",
                id="telroi.E042",
            )


def _is_function(path: str) -> bool:
    try:
        values.load_function(path)
    except Exception:  # noqa: BLE001 - a module of the site may raise anything
        return False
    return True


def check_removed_keys(using: str) -> Iterator[CheckMessage]:
    """Yield an error if open calls have a key that the settings do not have any more. It reads the database."""
    if VerificationAttempt._meta.db_table not in connections[using].introspection.table_names():
        return  # before the first migration
    open_calls = VerificationAttempt.objects.using(using).filter(status__in=UNFINISHED, expires_at__gt=DbNow())
    names = open_calls.order_by().values_list("key_name", flat=True).distinct()
    removed = [name for name in names if _is_removed(name)]
    if removed:
        yield Error(
            f"Calls are open whose key {quoted_names(removed)} is not in the settings any more. Those in the queue "
            "fail, and codes that Telroi made cannot be checked. No other key is used for them.",
            hint="Add the name to API_KEYS again until these calls are over.",
            id="telroi.E046",
        )


def _is_removed(name: str) -> bool:
    try:
        return conf.is_key_removed(name)
    except Exception:  # noqa: BLE001 - a function of the site may raise anything, and the doctor reports it
        return False


def _is_simulated() -> bool:
    # check_calls reports an invalid BASE_URL.
    try:
        return read_base_url(conf.base_url())[0].is_loopback
    except ValueError:
        return False
