"""The limits that ``telroi_limits`` prints: all settings, and the state of one number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django_telroi import conf
from django_telroi.backends import NO_KEY, KeyInUse, is_own_backend
from django_telroi.domain.number_limits import DAY, HOUR, Limit, seconds_to_wait, used_in
from django_telroi.domain.phone import Phone, refuse_uncallable
from django_telroi.errors import (
    CallsStopped,
    Misconfigured,
    NotCallable,
    RegionNotAllowed,
    SiteLimitReached,
    TooManyWrongCodes,
    Unavailable,
    VerificationRefused,
)
from django_telroi.services.calls.refusals import REFUSAL_BY_RULE, key_without_user, limit_of
from django_telroi.services.shared.arguments import known_number
from django_telroi.services.shared.number_state import State, read_state
from django_telroi.services.shared.site_control import PauseReason, pause_for, refusal_of_block, refuse_full_day
from django_telroi.services.shared.transactions import unavailable_without_database, write_alias
from django_telroi.services.shared.wrong_code_counts import wait_end_of

NO_LIMIT = "no limit"
END_OF_TIME = datetime.max.replace(tzinfo=UTC)

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
    key, key_barrier = _key_of_call(phone)
    with unavailable_without_database():
        state = read_state(phone, using=write_alias(), key_name=key.name)
    policy = conf.policy()
    limit = limit_of(state, policy=policy)
    barriers = [
        *_barriers_of_settings(phone),
        *_barriers_of_state(state),
        *key_barrier,
        *_barriers_of_calls(state, key=key),
    ]
    yield "number", phone.masked
    yield "country", phone.region or "none"
    yield "line", str(phone.line_type)
    yield "can be called", f"no ({_longest(barriers).code})" if barriers else "yes"
    moments = state.phone.moments if state.phone else ()
    yield "calls in the last hour", f"{used_in(moments, now=state.now, window=HOUR)} of {policy.per_hour}"
    yield "calls in the last day", f"{used_in(moments, now=state.now, window=DAY)} of {policy.per_day}"
    if state.phone and state.phone.blocked_at:
        cause = "the owner asked not to be called" if state.phone.blocked_by_owner else "yes"
        yield "blocked", state.phone.blocked_reason or cause
    if state.destination and state.destination.is_active(state.now):
        until = state.destination.until
        end = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until it is unblocked"
        yield "prefix or region", f"{state.destination.destination} is blocked {end}"
    codes_end = wait_end_of(state.phone, now=state.now)
    if state.phone and state.phone.wrong_codes:
        end = f", no call without a user for {seconds_to_wait(codes_end, state.now)} s" if codes_end else ""
        yield "wrong codes", f"{state.phone.wrong_codes} in a row{end}"
    if conf.reserves_calls():
        of_strangers = limit_of(state, policy=conf.policy(is_known=False))
        yield "next call for a stranger", _next_call([*barriers, *_barriers_of_limit(of_strangers)], now=state.now)
    applying = [*barriers, *_barriers_of_limit(limit)]
    yield "limited by", _longest(applying).name if applying else "nothing"
    yield "next call", _next_call(applying, now=state.now)
    if codes_end:
        # A user has a count of their own, so the wrong codes of the number do not apply to them.
        codes = Barrier(TooManyWrongCodes.code, "wrong codes", until=codes_end)
        yield "next call without a user", _next_call([*applying, codes], now=state.now)
    if state.control.stopped_at:
        yield "all calls", "stopped by staff"


@dataclass(frozen=True)
class Barrier:
    """One reason why the number is not called now.

    ``code``: of the refusal. ``name``: what applies. ``until``: its end, None if time alone does not end it, and then
    ``next_call`` says what does.
    """

    code: str
    name: str
    until: datetime | None = None
    next_call: str = ""


def _barriers_of_settings(phone: Phone) -> Iterator[Barrier]:
    never = "never with these settings"
    try:
        refuse_uncallable(phone, conf.calling_rules())
    except NotCallable as refusal:
        yield Barrier(refusal.code, "the line type or prefix", next_call=never)
    except RegionNotAllowed as refusal:
        yield Barrier(refusal.code, "the region", next_call=never)


def _barriers_of_state(state: State) -> Iterator[Barrier]:
    if state.phone and state.phone.blocked_at:
        asked = (("staff", state.phone.has_staff_block), ("its owner", state.phone.blocked_by_owner))
        by = " and by ".join(name for name, has_asked in asked if has_asked)
        yield Barrier(NotCallable.code, f"a block of the number by {by}", next_call="after the number is unblocked")
    if state.destination and (refusal := refusal_of_block(state.destination, now=state.now)):
        name = f"a block of {state.destination.destination}"
        lifted = f"after {state.destination.destination} is unblocked"
        yield Barrier(refusal.code, name, until=state.destination.until, next_call=lifted)


def _key_of_call(phone: Phone) -> tuple[KeyInUse, list[Barrier]]:
    """Return the key of a call without a user, and why no call can be placed with it."""
    try:
        return key_without_user(phone), []
    except VerificationRefused as refusal:
        return NO_KEY, [Barrier(refusal.code, "the API key", next_call="after the API key is set")]


def _barriers_of_calls(state: State, *, key: KeyInUse) -> Iterator[Barrier]:
    """Yield what stops all calls: of the site, with this key, or of this day."""
    if state.control.stopped_at:
        yield Barrier(CallsStopped.code, "a stop of all calls by staff", next_call="after staff resume the calls")
    if pause := pause_for(state.control, key=key, now=state.now):
        code = Misconfigured.code if pause.reason == PauseReason.MISCONFIGURED else Unavailable.code
        which = f'the key "{key.name}"' if conf.has_named_keys() else "all calls"
        yield Barrier(code, f"a pause of {which}: {pause.reason}", until=pause.until)
    try:
        refuse_full_day(state)
    except SiteLimitReached as refusal:
        end = state.now + timedelta(seconds=refusal.retry_after or 0)
        yield Barrier(refusal.code, "CALLS_PER_DAY_TOTAL", until=end)


def _barriers_of_limit(limit: Limit | None) -> list[Barrier]:
    return [Barrier(REFUSAL_BY_RULE[limit.rule].code, str(limit.rule), until=limit.until)] if limit else []


def _longest(barriers: Sequence[Barrier]) -> Barrier:
    """Return the first of those that last longest."""
    return max(barriers, key=lambda barrier: barrier.until or END_OF_TIME)


def _next_call(barriers: Sequence[Barrier], *, now: datetime) -> str:
    if not barriers:
        return "now"
    longest = _longest(barriers)
    return f"in {seconds_to_wait(longest.until, now)} s" if longest.until else longest.next_call
