"""The limits that ``telroi_limits`` prints: all settings, and the state of one number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django_telroi import conf
from django_telroi.backends import is_own_backend
from django_telroi.domain.number_limits import DAY, HOUR, seconds_to_wait, used_in
from django_telroi.domain.phone import Phone, refuse_uncallable
from django_telroi.errors import VerificationRefused
from django_telroi.services.calls.refusals import limit_of
from django_telroi.services.shared.arguments import known_number
from django_telroi.services.shared.number_state import read_state
from django_telroi.services.shared.transactions import unavailable_without_database, write_alias
from django_telroi.services.shared.wrong_code_counts import wait_end_of

NO_LIMIT = "no limit"

LIMITS: Sequence[tuple[str, str, str]] = (
    ("COOLDOWN_SECONDS", NO_LIMIT, "seconds between two calls to a number"),
    ("CALLS_PER_HOUR", NO_LIMIT, "calls to a number in any hour"),
    ("CALLS_PER_DAY", NO_LIMIT, "calls to a number in any day"),
    ("STRANGER_CALLS_PER_HOUR", NO_LIMIT, "of the calls of an hour, those that strangers may use"),
    ("STRANGER_CALLS_PER_DAY", NO_LIMIT, "of the calls of a day, those that strangers may use"),
    ("CALLS_PER_DAY_TOTAL", NO_LIMIT, "calls of the whole site in a UTC day"),
    ("CODE_TRIES", NO_LIMIT, "codes that may be tried for one call"),
    ("WRONG_CODES", NO_LIMIT, "consecutive wrong codes over all calls"),
    ("CODE_TTL_SECONDS", NO_LIMIT, "seconds that a code is valid"),
    ("RATES", NO_LIMIT, "requests of one requester"),
    ("TRUSTED_PROXIES", "not set", "reverse proxies in front of Django"),
    ("KEY_REQUESTS_PER_MINUTE", NO_LIMIT, "requests with the API key in any minute"),
    ("QUEUE_DEADLINE_SECONDS", NO_LIMIT, "seconds that a call may wait for a worker"),
    ("ALLOWED_REGIONS", "all", "regions that are called"),
    ("BLOCKED_REGIONS", "none", "regions that are not called"),
    ("BLOCKED_PREFIXES", "none", "prefixes that are not called"),
    ("ALLOWED_LINE_TYPES", "all", "line types that are called"),
)
"""For each setting: its name, the meaning of None, and what it limits."""
TELROI_KEY_LIMIT = "KEY_REQUESTS_PER_MINUTE"


@dataclass(frozen=True)
class LimitSetting:
    """One limit: the name of the setting, its value as text, ``settings`` or ``default``, and what it limits."""

    key: str
    value: str
    source: str
    counts: str


def limits_in_force() -> Iterator[LimitSetting]:
    """Yield the limits in the order in which a start applies them."""
    site = conf.chosen()
    for key, nothing, counts in LIMITS:
        if key == TELROI_KEY_LIMIT and is_own_backend():
            continue
        source = "settings" if key in site else "default"
        if key == "RATES":
            yield from _rates(counts)
        elif key == "WRONG_CODES":
            each = conf.wrong_codes()
            value = f"told from {each.warn}, wait from {each.wait}, lock at {each.lock}"
            yield LimitSetting(key, value, source, counts)
        else:
            yield LimitSetting(key, _as_text(site.get(key, conf.DEFAULTS[key]), nothing), source, counts)


def _rates(counts: str) -> Iterator[LimitSetting]:
    """Yield one limit for each entry of ``RATES``, merged with the defaults. Each entry has its own source."""
    chosen = conf.chosen().get("RATES", {})
    for scope, rates in conf.rates().items():
        # None switches off all rates, or all of a scope.
        of_site = None if chosen is None else chosen.get(scope, {})
        for who, rate in rates.items():
            value = f"{rate.requests} in {rate.seconds} s" if rate else NO_LIMIT
            source = "settings" if of_site is None or who in of_site else "default"
            yield LimitSetting(f"RATES {scope} {who}", value, source, counts)


def _as_text(value: object, nothing: str) -> str:
    if value is None:
        return nothing
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def limits_of(number: str) -> Iterator[tuple[str, str]]:
    """Yield the state of one number as pairs of a label and a text. Raises InvalidNumber and Unavailable."""
    with unavailable_without_database():
        phone = known_number(number, using=write_alias())
    yield "number", phone.masked
    yield "country", phone.region or "none"
    yield "line", str(phone.line_type)
    yield "can be called", _callable(phone)
    with unavailable_without_database():
        state = read_state(phone, using=write_alias())
    moments, policy = (state.phone.moments if state.phone else ()), conf.policy()
    yield "calls in the last hour", f"{used_in(moments, now=state.now, window=HOUR)} of {policy.per_hour}"
    yield "calls in the last day", f"{used_in(moments, now=state.now, window=DAY)} of {policy.per_day}"
    if state.phone and state.phone.blocked_at:
        cause = "the owner asked not to be called" if state.phone.blocked_by_owner else "yes"
        yield "blocked", state.phone.blocked_reason or cause
    if state.destination and state.destination.is_active(state.now):
        until = state.destination.until
        end = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until it is unblocked"
        yield "prefix or region", f"{state.destination.destination} is blocked {end}"
    if state.phone and state.phone.wrong_codes:
        bar = wait_end_of(state.phone, now=state.now)
        end = f", no call without a user for {seconds_to_wait(bar, state.now)} s" if bar else ""
        yield "wrong codes", f"{state.phone.wrong_codes} in a row{end}"
    limit = limit_of(state, policy=policy)
    if conf.reserves_calls():
        of_strangers = limit_of(state, policy=conf.policy(is_known=False))
        wait = f"in {seconds_to_wait(of_strangers.until, state.now)} s" if of_strangers else "now"
        yield "next call for a stranger", wait
    yield "limited by", str(limit.rule) if limit else "nothing"
    yield "next call", f"in {seconds_to_wait(limit.until, state.now)} s" if limit else "now"
    if state.control.stopped_at:
        yield "all calls", "stopped by staff"


def _callable(phone: Phone) -> str:
    try:
        refuse_uncallable(phone, conf.calling_rules())
    except VerificationRefused as refusal:
        return f"no ({refusal.code})"
    return "yes"
