"""Rejected starts: which refusal a number's state leads to, and how a refusal is recorded."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from django.db import Error, connections

from django_telroi import conf, signals
from django_telroi.domain.phone import Phone
from django_telroi.domain.policy import Limit, Policy, Rule, limit_at, longest_wait, seconds_to_wait
from django_telroi.errors import (
    CallsStopped,
    CooldownActive,
    DailyLimitReached,
    HourlyLimitReached,
    Misconfigured,
    NotCallable,
    NumberHeld,
    Unavailable,
    VerificationRefused,
)
from django_telroi.models import RefusalTally
from django_telroi.services.calls.request import VETOED, CallRequest, Vetoed
from django_telroi.services.shared.number_state import State, read_state
from django_telroi.services.shared.site_control import PauseReason, pause_for
from django_telroi.services.shared.transactions import lone_statement

logger = logging.getLogger("django_telroi")


def refusal_of_slower_request(request: CallRequest, *, key_digest: str, using: str) -> VerificationRefused:
    """Return the refusal for a request that lost the claim of its number, from the state that is there now."""
    state = read_state(request.phone.number, using=using)
    try:
        refuse_by_state(state, policy=conf.policy(), key_digest=key_digest)
    except VerificationRefused as refusal:
        return refusal
    return CooldownActive(1)


SAME_MOMENT = 5
"""Seconds. Requests of the same moment may read the clock this far apart on a loaded server."""

REFUSAL_BY_RULE: dict[Rule, type[VerificationRefused]] = {
    Rule.COOLDOWN: CooldownActive,
    Rule.HOURLY_LIMIT: HourlyLimitReached,
    Rule.DAILY_LIMIT: DailyLimitReached,
    Rule.HELD: NumberHeld,
}


def refuse_by_state(state: State, *, policy: Policy, key_digest: str) -> None:
    """Raise the VerificationRefused that applies to this state, if any.

    The block is checked first. So the answer for a blocked number is always the one for a number that is never called.
    """
    if state.phone and state.phone.blocked_at:
        raise NotCallable
    if state.control.stopped_at:
        raise CallsStopped
    if pause := pause_for(state.control, key_digest=key_digest, now=state.now):
        wait = seconds_to_wait(pause.until, state.now)
        raise Misconfigured(wait) if pause.reason == PauseReason.MISCONFIGURED else Unavailable(wait)
    if limit := limit_of(state, policy=policy):
        raise refusal_by_limit(limit, policy=policy, now=state.now)


def limit_of(state: State, *, policy: Policy) -> Limit | None:
    """Return the limit that applies to the number now, or None."""
    if state.phone is None:
        return None
    return limit_at(policy, state.phone.moments, now=state.now, held_until=state.phone.held_until)


def refusal_by_limit(limit: Limit, *, policy: Policy, now: datetime) -> VerificationRefused:
    """Return the refusal for ``limit``, with the seconds that remain.

    If a clock was set back, the wait may be longer than the rule allows, and the refusal reports the real wait. An
    excess of at most ``SAME_MOMENT`` is cut off: the limiting call was claimed just after ``now`` was read.
    """
    wait, longest = seconds_to_wait(limit.until, now), longest_wait(policy, limit.rule)
    is_same_moment = longest is not None and longest < wait <= longest + SAME_MOMENT
    return REFUSAL_BY_RULE[limit.rule](longest if is_same_moment else wait)


def note_refusal(refusal: VerificationRefused, phone: Phone | None, *, using: str) -> None:
    """Log, count and signal one refused start. ``phone`` is None if the input is not a phone number."""
    region, masked = (phone.region, phone.masked) if phone else ("", "")
    logger.info("refused code=%s region=%s retry_after=%s", refusal.code, region, refusal.retry_after)
    try:
        _tally(VETOED if isinstance(refusal.__cause__, Vetoed) else refusal.code, region, using=using)
    except Error as error:
        logger.error("refusal_not_tallied error=%s", type(error).__name__)
    signals.verification_refused.send_robust(
        sender=type(refusal), code=refusal.code, retry_after=refusal.retry_after, number=masked
    )


def _tally(code: str, region: str, *, using: str) -> None:
    """Add one to the count of this refusal, in one statement, so concurrent requests lose no count.

    The statement is SQL because ``bulk_create`` can replace an existing count but cannot add to it.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    table, count = quote(RefusalTally._meta.db_table), quote("count")
    columns = ", ".join(quote(name) for name in ("hour", "code", "region", "count"))
    upsert = (
        "ON DUPLICATE KEY UPDATE"
        if connection.vendor == "mysql"
        else f"ON CONFLICT ({quote('hour')}, {quote('code')}, {quote('region')}) DO UPDATE SET"
    )
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    values = [connection.ops.adapt_datetimefield_value(hour), code, region]
    with lone_statement(using), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) VALUES (%s, %s, %s, 1) {upsert} {count} = {table}.{count} + 1", values
        )
