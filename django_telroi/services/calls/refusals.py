"""Rejected starts: by the state of a number or of its key, or without a consent, and how they are recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

from django.db import Error, connections
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf, signals
from django_telroi.backends import NO_KEY, Backend, KeyInUse, get_backend, key_of
from django_telroi.domain.consent import Consent
from django_telroi.domain.number_limits import Limit, Policy, Rule, limit_at, longest_wait, seconds_to_wait
from django_telroi.domain.phone import Phone, parse_phone, refuse_uncallable
from django_telroi.errors import (
    CallsStopped,
    ConsentRequired,
    CooldownActive,
    DailyLimitReached,
    HourlyLimitReached,
    Misconfigured,
    NotCallable,
    NumberHeld,
    TooManyWrongCodes,
    Unavailable,
    VerificationRefused,
)
from django_telroi.models import ConsentText, RefusalTally
from django_telroi.redaction import redact_arguments
from django_telroi.services.calls.request import CallRequest, StartRequest
from django_telroi.services.calls.site_decisions import VETOED, Vetoed, choose_key
from django_telroi.services.shared.arguments import storable
from django_telroi.services.shared.number_state import State, read_state
from django_telroi.services.shared.outcomes import report_refused
from django_telroi.services.shared.reviewers import refuse_reviewer_number
from django_telroi.services.shared.site_control import PauseReason, pause_for, refusal_of_block, refuse_full_day
from django_telroi.services.shared.transactions import savepoint_if_needed, unavailable_without_database, write_alias
from django_telroi.services.shared.wrong_code_counts import wait_end_of_state

logger = logging.getLogger("django_telroi")


def refuse_request(request: CallRequest, state: State, *, key: KeyInUse) -> None:
    """Raise the VerificationRefused that this requester gets, if any. A stranger may not use reserved calls."""
    policy = conf.policy(is_known=request.is_known)
    refuse_by_state(state, policy=policy, key=key, is_read_out=request.is_read_out)


SAME_MOMENT = 5
"""Seconds. Requests of the same moment may read the clock this far apart on a loaded server."""

REFUSAL_BY_RULE: dict[Rule, type[VerificationRefused]] = {
    Rule.COOLDOWN: CooldownActive,
    Rule.HOURLY_LIMIT: HourlyLimitReached,
    Rule.DAILY_LIMIT: DailyLimitReached,
    Rule.HELD: NumberHeld,
}


def refuse_by_state(
    state: State,
    *,
    policy: Policy,
    key: KeyInUse,
    moments: Sequence[datetime] | None = None,
    is_read_out: bool = False,
) -> None:
    """Raise the VerificationRefused that applies to this state, if any. Starts and queued calls are both checked here.

    ``moments``: the calls to the number that count, newest first. None for those of its row.
    ``is_read_out``: the codes of the call are checked by another package, which also counts the wrong ones.

    The block is checked first. So the answer for a blocked number is always the one for a number that is never called.
    """
    if state.phone and state.phone.blocked_at:
        raise NotCallable
    refuse_blocked_destination(state)
    if state.control.stopped_at:
        raise CallsStopped
    if pause := pause_for(state.control, key=key, now=state.now):
        wait = seconds_to_wait(pause.until, state.now)
        raise Misconfigured(wait) if pause.reason == PauseReason.MISCONFIGURED else Unavailable(wait)
    limit = limit_of(state, policy=policy, moments=moments)
    wait_end = None if is_read_out else wait_end_of_state(state)
    if wait_end and (limit is None or wait_end >= limit.until):
        raise TooManyWrongCodes(seconds_to_wait(wait_end, state.now))
    if limit:
        raise refusal_by_limit(limit, policy=policy, now=state.now)


class DestinationBlocked(Exception):
    """The number's prefix or region is blocked. This is the ``__cause__`` of the refusal that is raised."""


DESTINATION_BLOCKED = "destination_blocked"
"""The code of such a refusal in the statistics. The person gets the answer that fits the block."""


def refuse_blocked_destination(state: State) -> None:
    """Raise the refusal for a number whose prefix or region staff blocked, or the site paused by itself."""
    if refusal := refusal_of_block(state.destination, now=state.now):
        raise refusal from DestinationBlocked()


def limit_of(state: State, *, policy: Policy, moments: Sequence[datetime] | None = None) -> Limit | None:
    """Return the limit that applies to the number now, or None. ``moments`` is as in ``refuse_by_state``."""
    counted, held_until = (state.phone.moments, state.phone.held_until) if state.phone else ((), None)
    return limit_at(policy, counted if moments is None else moments, now=state.now, held_until=held_until)


def refusal_by_limit(limit: Limit, *, policy: Policy, now: datetime) -> VerificationRefused:
    """Return the refusal for ``limit``, with the seconds that remain.

    If a clock was set back, the wait may be longer than the rule allows, and the refusal reports the real wait. An
    excess of at most ``SAME_MOMENT`` is cut off: the limiting call was claimed just after ``now`` was read.
    """
    wait, longest = seconds_to_wait(limit.until, now), longest_wait(policy, limit.rule)
    is_same_moment = longest is not None and longest < wait <= longest + SAME_MOMENT
    return REFUSAL_BY_RULE[limit.rule](longest if is_same_moment else wait)


def record_refusal(refusal: VerificationRefused, phone: Phone | None, *, using: str) -> None:
    """Log, count and signal one refused start. ``phone`` is None if the input is not a phone number."""
    region, masked = (phone.region, phone.masked) if phone else ("", "")
    logger.info("refused code=%s region=%s retry_after=%s", refusal.code, region, refusal.retry_after)
    try:
        _tally(_tallied_code(refusal), region, using=using)
    except Error as error:
        logger.error("refusal_not_tallied error=%s", type(error).__name__)
    report_refused(_tallied_code(refusal), region, using=using)
    signals.verification_refused.send_robust(
        sender=type(refusal), code=refusal.code, retry_after=refusal.retry_after, number=masked
    )


def _tallied_code(refusal: VerificationRefused) -> str:
    """Return the code in the statistics. It distinguishes reasons that the person must not learn."""
    if isinstance(refusal.__cause__, Vetoed):
        return VETOED
    return DESTINATION_BLOCKED if isinstance(refusal.__cause__, DestinationBlocked) else refusal.code


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
    with savepoint_if_needed(using), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) VALUES (%s, %s, %s, 1) {upsert} {count} = {table}.{count} + 1", values
        )


@redact_arguments("number")
@sensitive_variables()
def admit_number(
    number: str,
    *,
    admit: Callable[[], None],
    decoys_of: Callable[[Phone], Sequence[datetime]],
    is_known_to: Callable[[str], bool | None],
) -> tuple[Phone, datetime]:
    """Return the phone of ``number`` and the database's time, if a call to it is allowed now.

    Raises a VerificationRefused otherwise. No call is counted or placed, and ``MAY_START`` is not asked.

    ``admit`` rejects the requester. ``decoys_of`` returns moments that count like calls to the number, newest first.
    ``is_known_to`` returns whether the requester is known with the number (E.164): no decoy counts for them. None if no
    calls are reserved.
    It is for ``read_out``, so wrong codes do not matter.
    """
    phone, using = None, write_alias()
    try:
        phone = parse_phone(number, default_region=conf.default_region())
        refuse_uncallable(phone, conf.calling_rules())
        refuse_reviewer_number(phone.number, purpose="")
        admit()
        with unavailable_without_database():
            key = key_without_user(phone)
            state = read_state(phone, using=using, key_name=key.name)
        is_known = is_known_to(phone.number)
        decoys = () if is_known else decoys_of(phone)
        calls = sorted((*(state.phone.moments if state.phone else ()), *decoys), reverse=True)
        refuse_by_state(state, policy=conf.policy(is_known=is_known), key=key, moments=calls, is_read_out=True)
        refuse_full_day(state)
        return phone, state.now
    except VerificationRefused as refusal:
        record_refusal(refusal, phone, using=using)
        raise


def key_without_user(phone: Phone) -> KeyInUse:
    """Return the key of a call for an account that does not exist. ``NO_KEY`` if the function in ``API_KEY`` needs one.

    A refusal of the function would tell strangers that there is no account.
    """
    try:
        return key_of(get_backend(choose_key(None, "", phone.region)))
    except VerificationRefused:
        if conf.key_function() is None:
            raise
        return NO_KEY


def current_consent() -> Consent | None:
    """Return the consent that a form must show now. None if ``CONSENT_TEXT`` or ``CONSENT_VERSION`` is not set."""
    version, text = conf.consent_version(), conf.consent_text()
    return Consent(version, text) if version and text else None


def consent_shown(digest: str) -> Consent | None:
    """Return the current consent if ``digest``, from the form, is that of its text. None on a site without one.

    Raises ConsentRequired if the form showed another text, or none.
    """
    consent = current_consent()
    return _accepted(consent, is_accepted=consent is not None and constant_time_compare(digest, consent.digest))


def consent_to_version(version: str) -> Consent | None:
    """Return the current consent if ``version``, from a client of the API, is its version. None on a site without one.

    Raises ConsentRequired if the client showed another version, or none.
    """
    consent = current_consent()
    return _accepted(consent, is_accepted=consent is not None and constant_time_compare(version, consent.version))


def save_text(consent: Consent, *, using: str) -> int:
    """Save the text if it is new, and return the primary key of its row."""
    row, _ = ConsentText.objects.using(using).get_or_create(
        sha256=consent.digest,
        # Replaced and not rejected: a text with an emoji must not stop all calls of a site whose tables are in utf8mb3.
        defaults={"version_name": storable(consent.version, using=using), "text": storable(consent.text, using=using)},
    )
    return int(row.pk)


def _accepted(consent: Consent | None, *, is_accepted: bool) -> Consent | None:
    if consent is None or is_accepted:
        return consent
    record_refusal(ConsentRequired(), None, using=write_alias())
    raise ConsentRequired


STALE_AFTER = 1.0
"""Seconds after which a start reads the state again before it claims its call."""


def with_key(
    request: CallRequest,
    raw: StartRequest,
    backend: Backend | None,
    state: State,
    *,
    using: str,
    now: datetime | None,
) -> tuple[CallRequest, Backend, State]:
    """Return the request with the name of its key, the backend for it, and the state with the row of that key.

    The function in ``API_KEY`` is asked if no limit of the number rejects the call. A worker does not ask it again.
    """
    if backend is None:
        refuse_request(request, state, key=NO_KEY)
        user = raw.user if request.user_id is not None else None
        name = choose_key(user, request.purpose, request.phone.region)
        request, backend = replace(request, key_name=name), get_backend(name)
        return request, backend, read_again(request, using=using, now=now)
    if now is None and monotonic() - state.read_at > STALE_AFTER:
        # A slow cache, or the other half of a double click. Staff may have stopped all calls meanwhile.
        state = read_again(request, using=using, now=now)
    return request, backend, state


def read_again(request: CallRequest, *, using: str, now: datetime | None) -> State:
    with unavailable_without_database():
        return read_state(request.phone, using=using, now=now, user_id=request.user_id, key_name=request.key_name)
