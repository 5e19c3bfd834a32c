"""How calls are placed and codes judged."""

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

# 20 bits, as NIST SP 800-63B and OWASP ASVS ask of a code: 5 digits have 17.
LEAST_CODE_LENGTH = 6
# Telroi gives up on its carrier at 15 to 20 seconds. Who stops listening earlier never learns of calls that ring.
TELROIS_OWN_SECONDS = 20
# ASVS and NIST: a code that is read out lives ten minutes at most.
LONGEST_CODE_TTL = timedelta(minutes=10)
TELROIS_TRIES = 3


def unsafe_calls() -> Iterator[CheckMessage]:
    """What would ring nobody, lose calls, or let a code be guessed."""
    yield from _backend()
    yield from _veto()
    yield from _site()
    yield from _codes()
    if not is_own_backend():
        yield from _address()
        yield from _timeouts()
        yield from _tries()


def _backend() -> Iterator[CheckMessage]:
    path = conf.backend_path()
    if path == conf.CONSOLE_BACKEND and not settings.DEBUG:
        yield Error(
            "The console backend prints codes instead of calling, and DEBUG is off.",
            hint='Set TELROI["API_KEY"] and remove TELROI["BACKEND"].',
            id="telroi.E004",
        )
    if not _is_backend(path):
        yield Error(
            'TELROI["BACKEND"] does not lead to a backend.',
            hint="It is the dotted path of a subclass of django_telroi.backends.Backend.",
            id="telroi.E009",
        )


def _is_backend(path: str) -> bool:
    found = _imported(path)
    return isinstance(found, type) and issubclass(found, Backend)


def _veto() -> Iterator[CheckMessage]:
    path = conf.may_start_path()
    if path and not callable(_imported(path)):
        yield Error(
            'TELROI["MAY_START"] does not lead to a function, so nobody is called.',
            hint="It is the dotted path of a function that takes django_telroi.services.StartFacts.",
            id="telroi.E011",
        )


def _imported(path: str) -> object:
    try:
        return import_string(path)
    except ImportError:
        return None


def _site() -> Iterator[CheckMessage]:
    if not settings.USE_TZ:
        yield Error(
            "django-telroi counts calls in time that never jumps, and USE_TZ is off.",
            hint="Set USE_TZ = True.",
            id="telroi.E003",
        )


def _address() -> Iterator[CheckMessage]:
    if not _is_private(conf.base_url()):
        yield Error(
            'TELROI["BASE_URL"] would send the key and every number in the clear.',
            hint="Use https, or an address of this machine.",
            id="telroi.E007",
        )
    if urlsplit(conf.base_url()).path.strip("/"):
        yield checks.Warning(
            'TELROI["BASE_URL"] has a path. Telroi\'s own routes begin with /v1, so "/v1" here makes every call fail.',
            hint="Remove the path, or silence this if a gateway of yours expects it.",
            id="telroi.W016",
        )


def _is_private(base_url: str) -> bool:
    try:
        read_base_url(base_url)
    except ValueError:
        return False
    return True


def _timeouts() -> Iterator[CheckMessage]:
    timeouts = conf.timeouts()
    if min(timeouts.read, timeouts.total) <= TELROIS_OWN_SECONDS:
        yield checks.Warning(
            f"Telroi may take {TELROIS_OWN_SECONDS} seconds to place a call, and this site stops listening earlier.",
            hint="Set READ_TIMEOUT_SECONDS and TOTAL_TIMEOUT_SECONDS above it, or calls that ring end as unknown.",
            id="telroi.W004",
        )


def _codes() -> Iterator[CheckMessage]:
    if conf.code_length() < LEAST_CODE_LENGTH:
        yield Error(
            f"A code of {conf.code_length()} digits can be guessed.",
            hint=f'Set TELROI["CODE_LENGTH"] to {LEAST_CODE_LENGTH} or more.',
            id="telroi.E006",
        )
    if (spoken := spoken_length(conf.code_length()).expected) < conf.code_length():
        yield checks.Warning(
            f'TELROI["CODE_LENGTH"] is {conf.code_length()}, and {_reader()} reads out {spoken} digits at most.',
            hint=f'Set TELROI["CODE_LENGTH"] to {spoken}.{_why_silence()}',
            id="telroi.W017",
        )
    if conf.code_ttl() > LONGEST_CODE_TTL:
        yield checks.Warning(
            "A code is taken for longer than ten minutes after its call.",
            hint='Set TELROI["CODE_TTL_SECONDS"] to 600 or less.' + _telrois_ttl(),
            id="telroi.W005",
        )


def _reader() -> str:
    return conf.backend_path() if is_own_backend() else "Telroi"


def _why_silence() -> str:
    if is_own_backend():
        return ""
    return " Telroi shortens the code without saying so. Silence this if Telroi raised the limit of your workspace."


def _telrois_ttl() -> str:
    return "" if is_own_backend() else " Telroi ends its own codes after 300."


def _tries() -> Iterator[CheckMessage]:
    if conf.code_tries() > TELROIS_TRIES:
        yield checks.Warning(
            f"Telroi judges {TELROIS_TRIES} codes a call, and this site promises {conf.code_tries()}.",
            hint=f'Set TELROI["CODE_TRIES"] to {TELROIS_TRIES} or less.',
            id="telroi.W006",
        )
