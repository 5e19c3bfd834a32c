"""Checks of the settings for calls and codes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from difflib import get_close_matches
from urllib.parse import urlsplit

from django.conf import settings
from django.conf.locale import LANG_INFO
from django.core import checks
from django.core.checks import CheckMessage, Error

from django_telroi import conf
from django_telroi.backends import import_or_none, is_own_backend, spoken_length, uses_telroi
from django_telroi.backends.base import Backend
from django_telroi.client.origin import read_base_url, read_proxy_url
from django_telroi.domain.states import CodeMaker

# Digits. NIST SP 800-63B and OWASP ASVS require 20 bits, which six digits nearly have (19.9). Five digits have 17.
LEAST_CODE_LENGTH = 6
# Telroi stops waiting for its carrier after 15 to 20 seconds. With a shorter timeout the client would miss its answer,
# and calls that ring would be recorded as unknown.
TELROI_SECONDS = 20
# OWASP ASVS and NIST limit an out-of-band code to ten minutes.
MAX_CODE_TTL = timedelta(minutes=10)
# Telroi locks a call after three wrong codes. A fourth try of ours would be rejected and the page would promise too
# much.
TELROI_TRIES = 3
# Telroi's own limits of calls to one number. It can set others for a workspace, which its API does not show.
TELROI_COOLDOWN, TELROI_CALLS_PER_HOUR, TELROI_CALLS_PER_DAY = 60, 5, 20
# NIST SP 800-63B-4, section 3.2.2, allows no more consecutive failures.
MAX_WRONG_CODES = 100
# ISO 639-1, and the six older codes that programs still use. Django's list lacks many of them, such as Yoruba.
_CODES = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el "
    "en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik in io is it "
    "iu iw ja ji jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mo mr "
    "ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si "
    "sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi "
    "yo za zh zu"
)
LANGUAGE_CODES = frozenset(_CODES.split())
LONGEST_LANGUAGE_CODE = 3
"""Letters. ISO 639-3 has thousands of codes with three. No registered language of BCP 47 has more."""


def check_calls() -> Iterator[CheckMessage]:
    """Yield a message for each setting with which calls fail, calls are lost or codes are easy to guess."""
    yield from _backend()
    yield from _may_start()
    yield from _site_functions()
    yield from _own_rates()
    yield from _reserved_calls()
    yield from _consent()
    yield from _codes()
    yield from _wrong_codes()
    yield from _language()
    if uses_telroi():
        yield from _limits_of_telroi()
    # The client's settings, which another provider's backend does not read.
    if not is_own_backend():
        yield from _base_url()
        yield from _proxy_url()
        yield from _timeouts()
        yield from _tries()


def _backend() -> Iterator[CheckMessage]:
    path = conf.backend_path()
    # An error, because a deployment without a key would look healthy while no phone rings.
    if path == conf.CONSOLE_BACKEND and not settings.DEBUG:
        yield Error(
            'TELROI["BACKEND"] is the console backend, but DEBUG is off. It prints codes and places no calls.',
            hint='Set TELROI["API_KEY"] and remove TELROI["BACKEND"].',
            id="telroi.E004",
        )
    found = import_or_none(path)
    if not (isinstance(found, type) and issubclass(found, Backend)):
        yield Error(
            'TELROI["BACKEND"] is not the dotted path of a backend.',
            hint="Set it to the dotted path of a subclass of django_telroi.backends.Backend.",
            id="telroi.E009",
        )


def _may_start() -> Iterator[CheckMessage]:
    path = conf.may_start_path()
    if path and not callable(import_or_none(path)):
        yield Error(
            'TELROI["MAY_START"] is not the dotted path of a function, so every start is rejected.',
            hint="Set it to the dotted path of a function that takes django_telroi.services.StartFacts.",
            id="telroi.E011",
        )


def _site_functions() -> Iterator[CheckMessage]:
    for key, chosen, arguments in (
        ("BOT_CHECK", conf.bot_check(), "the keyword arguments request and token"),
        ("RATE_KEYS", conf.rate_keys(), "the request"),
        ("PHONE_RISK", conf.phone_risk(), "the keyword arguments number and request"),
    ):
        if isinstance(chosen, str) and not callable(import_or_none(chosen)):
            yield Error(
                f'TELROI["{key}"] is not the dotted path of a function, so every start is rejected.',
                hint=f"Set it to a function that takes {arguments}, or to its dotted path.",
                id="telroi.E022",
            )


def _consent() -> Iterator[CheckMessage]:
    if conf.consent_version() and not conf.consent_text():
        yield Error(
            'TELROI["CONSENT_VERSION"] is set, but TELROI["CONSENT_TEXT"] is empty. No consent is recorded.',
            hint="Set CONSENT_TEXT to the text of this version, or remove CONSENT_VERSION.",
            id="telroi.E023",
        )


def _own_rates() -> Iterator[CheckMessage]:
    """Warn of a name in ``RATES`` that is probably a misspelt built-in one. With ``RATE_KEYS`` any name is allowed."""
    for scope, rates in conf.rates().items():
        built_in = conf.DEFAULT_RATES[scope]
        for name in rates.keys() - built_in.keys():
            if near := get_close_matches(name, built_in, n=1, cutoff=0.8):
                yield checks.Warning(
                    f'TELROI["RATES"]["{scope}"]["{name}"] is a key of the site, but looks like "{near[0]}".',
                    hint=f'Write "{near[0]}", or give the key of RATE_KEYS another name.',
                    id="telroi.W025",
                )


def _reserved_calls() -> Iterator[CheckMessage]:
    if not conf.reserves_calls():
        return
    limits = conf.policy()
    of_hour, of_day = conf.stranger_calls()
    for period, of_strangers, of_all in (("HOUR", of_hour, limits.per_hour), ("DAY", of_day, limits.per_day)):
        if (of_strangers or of_all) >= of_all:
            yield checks.Warning(
                f'TELROI["STRANGER_CALLS_PER_{period}"] is not below CALLS_PER_{period}, so strangers use them all.',
                hint=f"Set it below {of_all}. Calls are reserved only if both settings are below their limits.",
                id="telroi.W028",
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
            hint="Remove the path. If your gateway needs the path, add telroi.W016 to SILENCED_SYSTEM_CHECKS.",
            id="telroi.W016",
        )


def _is_encrypted_or_local(base_url: str) -> bool:
    try:
        read_base_url(base_url)
    except ValueError:
        return False
    return True


def _proxy_url() -> Iterator[CheckMessage]:
    proxy_url = conf.proxy_url()
    if not proxy_url or not _is_encrypted_or_local(conf.base_url()):
        return
    try:
        read_proxy_url(proxy_url, read_base_url(conf.base_url())[0])
    except ValueError as error:
        # The error names no part of the URL, which may contain a password.
        yield Error(
            f'TELROI["PROXY_URL"] cannot be used, so no call can be placed: {error}',
            hint='Set a URL such as "http://proxy.example.com:3128", or None for no proxy.',
            id="telroi.E055",
        )


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
    spoken = spoken_length(conf.code_length()).expected
    if conf.codes() == CodeMaker.TELROI and spoken < conf.code_length():
        # Telroi's limit is 6 digits by default, and nothing in its API shows the limit of a workspace. So the site may
        # be right, and this is a warning.
        voice = conf.backend_path() if is_own_backend() else "Telroi"
        silence_if = (
            ""
            if is_own_backend()
            else " Telroi shortens longer codes without an error. Silence this if Telroi raised the limit of your "
            "workspace."
        )
        yield checks.Warning(
            f'TELROI["CODE_LENGTH"] is {conf.code_length()}, but {voice} reads out {spoken} digits at most.',
            hint=f"Set it to {spoken}.{silence_if}",
            id="telroi.W017",
        )
    if conf.code_ttl() > MAX_CODE_TTL:
        yield checks.Warning(
            f'TELROI["CODE_TTL_SECONDS"] is {conf.code_ttl().total_seconds():.0f}. '
            "A code should expire in ten minutes or less.",
            hint="Set it to 600 or less." + ("" if is_own_backend() else " Telroi's own codes expire after 300 s."),
            id="telroi.W005",
        )


def _wrong_codes() -> Iterator[CheckMessage]:
    lock = conf.wrong_codes().lock
    if lock > MAX_WRONG_CODES:
        yield checks.Warning(
            f'TELROI["WRONG_CODES"] locks new calls after {lock} wrong codes. NIST SP 800-63B-4 allows '
            f"{MAX_WRONG_CODES} at most.",
            hint=f'Set "lock" to {MAX_WRONG_CODES} or less.',
            id="telroi.W024",
        )


def _language() -> Iterator[CheckMessage]:
    """Warn of a tag that has the form of one, but whose language does not exist."""
    language = (conf.language() or "").partition("-")[0]
    # "x" begins a tag that the site and its provider agreed on.
    if language in ("", "x") or language in LANGUAGE_CODES:
        return
    if language.isalpha() and len(language) == LONGEST_LANGUAGE_CODE:
        return
    meant = get_close_matches(language, names := _languages_by_name(), n=1, cutoff=0.8)
    yield checks.Warning(
        f'TELROI["LANGUAGE"] begins with "{language}", which is not the code of a language. The provider may refuse '
        "the call, or speak another language.",
        hint=f'Did you mean "{names[meant[0]]}"?' if meant else 'Use a BCP 47 tag such as "en" or "pt-BR".',
        id="telroi.W051",
    )


def _languages_by_name() -> dict[str, str]:
    """Return the codes of languages by their English and their own names, as Django knows them."""
    known = [(code, about) for code, about in LANG_INFO.items() if "name" in about]
    return {about[name].lower(): code for name in ("name_local", "name") for code, about in known}


def _limits_of_telroi() -> Iterator[CheckMessage]:
    limits = conf.policy()
    cooldown = limits.cooldown.total_seconds()
    hour, day = min(limits.per_hour, TELROI_CALLS_PER_HOUR), min(limits.per_day, TELROI_CALLS_PER_DAY)
    for key, chosen, within, allowed in (
        ("COOLDOWN_SECONDS", cooldown, max(cooldown, TELROI_COOLDOWN), f"one call to a number in {TELROI_COOLDOWN} s"),
        ("CALLS_PER_HOUR", limits.per_hour, hour, f"{TELROI_CALLS_PER_HOUR} calls to a number in an hour"),
        ("CALLS_PER_DAY", limits.per_day, day, f"{TELROI_CALLS_PER_DAY} calls to a number in 24 hours"),
    ):
        if chosen != within:
            yield checks.Warning(
                f'TELROI["{key}"] is {chosen:g}, but Telroi allows {allowed}. Calls that this site allows are refused, '
                'and the number is "held".',
                hint=f"Set it to {within:g}. If Telroi raised the limits of your workspace, add telroi.W052 to "
                "SILENCED_SYSTEM_CHECKS.",
                id="telroi.W052",
            )


def _tries() -> Iterator[CheckMessage]:
    if conf.code_tries() > TELROI_TRIES:
        yield checks.Warning(
            f'TELROI["CODE_TRIES"] is {conf.code_tries()}, but Telroi allows {TELROI_TRIES} tries a call.',
            hint=f"Set it to {TELROI_TRIES} or less.",
            id="telroi.W006",
        )
