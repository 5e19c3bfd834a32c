"""Checks of the settings for calls and codes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from django_telroi import conf
from django_telroi.backends import is_own_backend, spoken_length
from django_telroi.backends.base import Backend
from django_telroi.client.origin import read_base_url

# Digits. NIST SP 800-63B and OWASP ASVS require 20 bits, which six digits nearly have (19.9). Five digits have 17.
LEAST_CODE_LENGTH = 6
# Telroi stops waiting for its carrier after 15 to 20 seconds. With a shorter timeout the client would miss its answer,
# and calls that ring would be recorded as unknown.
TELROI_SECONDS = 20
# OWASP ASVS and NIST limit an out-of-band code to ten minutes.
LONGEST_CODE_TTL = timedelta(minutes=10)
TELROI_TRIES = 3


def check_calls() -> Iterator[CheckMessage]:
    """Yield a message for each setting with which calls fail, calls are lost or codes are easy to guess."""
    yield from _backend()
    yield from _may_start()
    yield from _time_zone()
    yield from _codes()
    if not is_own_backend():
        yield from _base_url()
        yield from _timeouts()
        yield from _tries()


def _backend() -> Iterator[CheckMessage]:
    path = conf.backend_path()
    if path == conf.CONSOLE_BACKEND and not settings.DEBUG:
        yield Error(
            'TELROI["BACKEND"] is the console backend, but DEBUG is off. It prints codes and places no calls.',
            hint='Set TELROI["API_KEY"] and remove TELROI["BACKEND"].',
            id="telroi.E004",
        )
    if not _is_backend(path):
        yield Error(
            'TELROI["BACKEND"] is not the dotted path of a backend.',
            hint="Set it to the dotted path of a subclass of django_telroi.backends.Backend.",
            id="telroi.E009",
        )


def _is_backend(path: str) -> bool:
    found = _imported(path)
    return isinstance(found, type) and issubclass(found, Backend)


def _may_start() -> Iterator[CheckMessage]:
    path = conf.may_start_path()
    if path and not callable(_imported(path)):
        yield Error(
            'TELROI["MAY_START"] is not the dotted path of a function, so every start is rejected.',
            hint="Set it to the dotted path of a function that takes django_telroi.services.StartFacts.",
            id="telroi.E011",
        )


def _imported(path: str) -> object:
    try:
        return import_string(path)
    except ImportError:
        return None


def _time_zone() -> Iterator[CheckMessage]:
    if not settings.USE_TZ:
        yield Error(
            "USE_TZ is off. django-telroi requires USE_TZ = True, because local time jumps when daylight saving starts "
            "or ends.",
            hint="Set USE_TZ = True.",
            id="telroi.E003",
        )


def _base_url() -> Iterator[CheckMessage]:
    if not _is_encrypted_or_local(conf.base_url()):
        yield Error(
            'TELROI["BASE_URL"] must be an https URL, or an address of this machine. '
            "Over http the API key and every number would be sent unencrypted.",
            hint="Remove it, or set an https URL.",
            id="telroi.E007",
        )
    if urlsplit(conf.base_url()).path.strip("/"):
        yield checks.Warning(
            'TELROI["BASE_URL"] has a path. The client adds /v1 itself, so with "/v1" here every call fails.',
            hint="Remove the path. Silence this if your gateway needs it.",
            id="telroi.W016",
        )


def _is_encrypted_or_local(base_url: str) -> bool:
    try:
        read_base_url(base_url)
    except ValueError:
        return False
    return True


def _timeouts() -> Iterator[CheckMessage]:
    timeouts = conf.timeouts()
    if min(timeouts.read, timeouts.total) <= TELROI_SECONDS:
        yield checks.Warning(
            f"READ_TIMEOUT_SECONDS or TOTAL_TIMEOUT_SECONDS is {TELROI_SECONDS} or less, but Telroi may need "
            f"{TELROI_SECONDS} s to answer. Calls that ring would be recorded as unknown.",
            hint=f"Set both above {TELROI_SECONDS}.",
            id="telroi.W004",
        )


def _codes() -> Iterator[CheckMessage]:
    if conf.code_length() < LEAST_CODE_LENGTH:
        yield Error(
            f'TELROI["CODE_LENGTH"] is {conf.code_length()}. Codes with fewer than {LEAST_CODE_LENGTH} digits are easy '
            "to guess.",
            hint=f"Set it to {LEAST_CODE_LENGTH} or more.",
            id="telroi.E006",
        )
    if (spoken := spoken_length(conf.code_length()).expected) < conf.code_length():
        yield checks.Warning(
            f'TELROI["CODE_LENGTH"] is {conf.code_length()}, but {_voice()} reads out {spoken} digits at most.',
            hint=f"Set it to {spoken}.{_silence_if()}",
            id="telroi.W017",
        )
    if conf.code_ttl() > LONGEST_CODE_TTL:
        yield checks.Warning(
            f'TELROI["CODE_TTL_SECONDS"] is {conf.code_ttl().total_seconds():.0f}. '
            "A code should expire in ten minutes or less.",
            hint="Set it to 600 or less." + ("" if is_own_backend() else " Telroi's own codes expire after 300 s."),
            id="telroi.W005",
        )


def _voice() -> str:
    return conf.backend_path() if is_own_backend() else "Telroi"


def _silence_if() -> str:
    if is_own_backend():
        return ""
    return " Telroi shortens longer codes without an error. Silence this if Telroi raised the limit of your workspace."


def _tries() -> Iterator[CheckMessage]:
    if conf.code_tries() > TELROI_TRIES:
        yield checks.Warning(
            f'TELROI["CODE_TRIES"] is {conf.code_tries()}, but Telroi allows {TELROI_TRIES} tries a call.',
            hint=f"Set it to {TELROI_TRIES} or less.",
            id="telroi.W006",
        )
