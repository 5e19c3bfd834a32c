"""System checks: a set-up that is wrong is said before it hurts. None of them asks the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from django_telroi import conf

READERS: tuple[Callable[[], object], ...] = (
    conf.api_key,
    conf.base_url,
    conf.proxy_url,
    conf.backend_path,
    conf.allow_test_key,
    conf.timeouts,
    conf.queue_deadline,
    conf.policy,
    conf.calls_per_day_total,
    conf.code_length,
    conf.code_tries,
    conf.code_ttl,
    conf.language,
    conf.default_region,
    conf.calling_rules,
    conf.purposes,
    conf.one_account_per_number,
    conf.success_url,
)
LEAST_CODE_LENGTH = 6


@register(Tags.security)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Read every setting once. What cannot be read hides what follows from it."""
    if not isinstance(getattr(settings, "TELROI", {}), dict):
        return [Error("settings.TELROI must be a dict.", hint='For example TELROI = {"API_KEY": …}.', id="telroi.E001")]
    unknown = list(_unknown_keys())
    unreadable = list(_unreadable())
    return unknown + (unreadable or list(_dangerous()))


def _unknown_keys() -> Iterator[CheckMessage]:
    for key in conf.chosen().keys() - conf.DEFAULTS.keys():
        near = get_close_matches(str(key).upper(), conf.DEFAULTS, n=1)
        hint = f'Did you mean "{near[0]}"?' if near else "The settings page of the docs lists every key."
        yield checks.Warning(f'TELROI["{key}"] is not a setting.', hint=hint, id="telroi.W001")


def _unreadable() -> Iterator[CheckMessage]:
    for read in READERS:
        try:
            read()
        except ImproperlyConfigured as error:
            yield Error(str(error), hint="The settings page of the docs says what each key takes.", id="telroi.E002")


def _dangerous() -> Iterator[CheckMessage]:
    if not settings.USE_TZ:
        yield Error(
            "django-telroi counts calls in time that never jumps, and USE_TZ is off.",
            hint="Set USE_TZ = True.",
            id="telroi.E003",
        )
    if conf.backend_path() == conf.CONSOLE_BACKEND and not settings.DEBUG:
        yield Error(
            "The console backend prints codes instead of calling, and DEBUG is off.",
            hint='Set TELROI["API_KEY"] and remove TELROI["BACKEND"].',
            id="telroi.E004",
        )
    if conf.api_key().startswith("tlr_test_") and not conf.allow_test_key():
        yield Error(
            "A test key approves everyone: 000000 verifies any number.",
            hint="Use a live key, or set ALLOW_TEST_KEY where nothing depends on a verified number.",
            id="telroi.E005",
        )
    if conf.code_length() < LEAST_CODE_LENGTH:
        yield Error(
            f"A code of {conf.code_length()} digits can be guessed.",
            hint=f'Set TELROI["CODE_LENGTH"] to {LEAST_CODE_LENGTH} or more.',
            id="telroi.E006",
        )
    if not _is_private(conf.base_url()):
        yield Error(
            'TELROI["BASE_URL"] would send the key and every number in the clear.',
            hint="Use https, or an address of this machine.",
            id="telroi.E007",
        )


def _is_private(url: str) -> bool:
    parts = urlsplit(url)
    is_loopback = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback)
