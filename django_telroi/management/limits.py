"""The limits in force, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django_telroi import conf
from django_telroi.domain.phone import Phone, parse_phone, refuse_uncallable
from django_telroi.domain.policy import DAY, HOUR, seconds_to_wait, used_in
from django_telroi.errors import VerificationRefused
from django_telroi.services.refusals import limit_of
from django_telroi.services.state import read_state
from django_telroi.services.transactions import write_alias

LIMITS: Sequence[tuple[str, str]] = (
    ("COOLDOWN_SECONDS", "seconds from one call of a number to the next"),
    ("CALLS_PER_HOUR", "calls of a number in any hour"),
    ("CALLS_PER_DAY", "calls of a number in any day"),
    ("CALLS_PER_DAY_TOTAL", "calls of the whole site in a day of UTC"),
    ("CODE_TRIES", "codes judged for one call"),
    ("CODE_TTL_SECONDS", "seconds that a code is good for"),
    ("QUEUE_DEADLINE_SECONDS", "seconds that a call may wait for a worker"),
    ("ALLOWED_REGIONS", "countries that are called"),
    ("BLOCKED_REGIONS", "countries that are not called"),
    ("BLOCKED_PREFIXES", "beginnings of numbers that are not called"),
    ("ALLOWED_LINE_TYPES", "kinds of lines that are called"),
)


@dataclass(frozen=True)
class Chosen:
    """One limit: its key, its value in words, where that comes from, and what it counts."""

    key: str
    value: str
    source: str
    counts: str


def limits_in_force() -> Iterator[Chosen]:
    """In the order that they are asked in."""
    site = conf.chosen()
    for key, counts in LIMITS:
        value = site.get(key, conf.DEFAULTS[key])
        yield Chosen(key, _in_words(value), "settings" if key in site else "default", counts)


def _in_words(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_in_words(each)}" for key, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def standing_of(number: str) -> Iterator[tuple[str, str]]:
    """How one number stands now: what, and in words. Raises InvalidNumber."""
    phone = parse_phone(number, default_region=conf.default_region())
    yield "number", phone.masked
    yield "country", phone.region or "none"
    yield "line", str(phone.line_type)
    yield "called", _callable(phone)
    state = read_state(phone.number, using=write_alias())
    moments, policy = (state.phone.moments if state.phone else ()), conf.policy()
    yield "calls in the last hour", f"{used_in(moments, now=state.now, window=HOUR)} of {policy.per_hour}"
    yield "calls in the last day", f"{used_in(moments, now=state.now, window=DAY)} of {policy.per_day}"
    if state.phone and state.phone.blocked_at:
        yield "blocked", state.phone.blocked_reason or "yes"
    limit = limit_of(state, policy=policy)
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
