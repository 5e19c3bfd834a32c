"""Starting a verification: validate the request, claim the call, place or enqueue it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.backends import Backend, get_backend, key_of
from django_telroi.domain.consent import Consent
from django_telroi.domain.phone import parse_phone, refuse_uncallable
from django_telroi.domain.states import Judge, Status
from django_telroi.domain.typed_codes import clean_code
from django_telroi.errors import AttemptNotFound, Misconfigured, Unavailable, UserNotFound, VerificationRefused
from django_telroi.log_fields import about_key
from django_telroi.models import VerificationAttempt
from django_telroi.models.sealed import NumbersUnreadable, is_number_sealed, needed_ciphers
from django_telroi.redaction import redact_arguments
from django_telroi.services.attempts.find import another_call_id, find_and_settle, never_rang, settle_if_accessible
from django_telroi.services.calls.claim import AlreadyStarted, VerifiedMeanwhile
from django_telroi.services.calls.claim_and_call import claim_and_call
from django_telroi.services.calls.refusals import read_again, record_refusal, refuse_request, save_text, with_key
from django_telroi.services.calls.request import (
    Admission,
    Admit,
    CallRequest,
    StartRequest,
    count_nothing,
    request_of,
    with_known_requester,
)
from django_telroi.services.calls.site_decisions import ask_may_start, has_may_start
from django_telroi.services.shared.alerts import Alert, send_alert
from django_telroi.services.shared.arguments import is_gone, owner_id, typed_arguments
from django_telroi.services.shared.number_state import State, read_state, remember_state
from django_telroi.services.shared.reviewers import refuse_reviewer_number
from django_telroi.services.shared.transactions import (
    DATABASE_LOST,
    log_unreadable_numbers,
    refuse_manual_transactions,
    unavailable_without_database,
    write_alias,
)

logger = logging.getLogger("django_telroi")


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
def start_verification(
    number: str,
    *,
    user: AbstractBaseUser | None = None,
    purpose: str = "",
    language: str | None = None,
    requester_ip: str | None = None,
    attempt_uuid: UUID | None = None,
    consent: Consent | None = None,
    admit: Admit = count_nothing,
) -> VerificationAttempt:
    """Call ``number`` and have a code read out. Returns the attempt, also if the call failed or its outcome is unknown.

    ``number``: as a person types it. ``user``: owns the attempt, None for a visitor without a login. ``purpose``: your
    label, at most 64 characters. ``language``: BCP 47 tag, None for the active language. ``requester_ip``: stored for
    staff. ``attempt_uuid``: makes retries safe. If an attempt of the same number, user and purpose has this id, that
    attempt is returned and no call is placed. ``consent``: what the person agreed to, stored with the attempt; None
    stores nothing. ``admit``: called once before anything is counted, not for a retry. It returns None or an Admission.
    The Admission may say that the requester is known with the number, and so may use its reserved calls
    (``STRANGER_CALLS_PER_HOUR``). Without it the requester is known if ``user`` verified the number.

    The attempt is ``queued`` in a transaction of the caller, and then the call is placed after the commit. It is also
    ``queued`` with ``DISPATCH = "celery"``, and then a worker places the call.

    Raises a VerificationRefused if no call may be placed now; no attempt exists then. Raises AttemptNotFound if
    ``attempt_uuid`` is taken, UserNotFound if ``user`` was deleted, and InsideTransaction if autocommit is off.
    """
    raw = StartRequest(
        number=number,
        user=user,
        user_id=owner_id(user),
        purpose=purpose,
        language=language,
        requester_ip=requester_ip,
        attempt_uuid=attempt_uuid,
        consent=consent,
    )
    return _start(raw, admit, using=write_alias(), now=None)


@redact_arguments("number", "code")
@typed_arguments
@sensitive_variables()
def read_out(
    number: str,
    code: str,
    *,
    user: AbstractBaseUser | None = None,
    purpose: str = "",
    language: str | None = None,
    requester_ip: str | None = None,
    admit: Admit = count_nothing,
) -> VerificationAttempt:
    """Call ``number`` and have ``code`` read out: a code that another package made and will check.

    ``code``: 4 to 10 digits; spaces and dashes are removed. The other arguments, the limits and the exceptions are
    those of ``start_verification``, but without an Admission the requester is a stranger. Returns the attempt. It never
    becomes ``verified``: ``check_code`` answers ``judged_elsewhere``.

    The code is in no row, message or log, so this process places the call, also with ``DISPATCH = "celery"``. In a
    transaction of the caller the call is placed after the commit. If the process dies first, the attempt expires.

    Raises ValueError if ``code`` is not 4 to 10 digits, and Misconfigured if the provider rejected a code of this site
    within the last hour.
    """
    digits = clean_code(code)
    if digits is None:
        raise ValueError("code must have 4 to 10 digits.")
    raw = StartRequest(
        number=number,
        user=user,
        user_id=owner_id(user),
        purpose=purpose,
        language=language,
        requester_ip=requester_ip,
        attempt_uuid=None,
        code=digits,
    )
    return _start(raw, admit, using=write_alias(), now=None)


@typed_arguments
@sensitive_variables()
def call_again(
    attempt_uuid: UUID | str,
    *,
    user: AbstractBaseUser | None = None,
    requester_ip: str | None = None,
    now: datetime | None = None,
    admit: Admit = count_nothing,
) -> VerificationAttempt:
    """Place another call in the same flow, and return its new attempt. Raises like ``start_verification``.

    The new attempt has the consent of the old one. The old attempt accepts codes until the new call rings or may ring.
    A verified attempt is returned unchanged.
    Retries are safe: the new id is derived from ``attempt_uuid``. After a call that certainly did not ring, the same
    request starts the next call. ``now`` replaces the database's clock. Raises AttemptNotFound for an attempt of
    ``read_out``: call that again.
    """
    using = write_alias()
    refuse_manual_transactions(using)
    with unavailable_without_database():
        old, _ = find_and_settle(attempt_uuid, user=user, using=using, now=now)
    if old.judge == Judge.CALLER:
        # This site does not know the code of ``read_out``. Another code would be useless to the package that checks it.
        raise AttemptNotFound
    if old.status == Status.VERIFIED:
        return old
    raw = StartRequest(
        number=old.number,
        user=user,
        user_id=old.user_id,
        purpose=old.purpose,
        language=old.language,
        requester_ip=requester_ip,
        attempt_uuid=old.followed_by or another_call_id(old.uuid),
        supersedes=old,
    )
    return _start(raw, admit, using=using, now=now)


def _start(raw: StartRequest, admit: Admit, *, using: str, now: datetime | None) -> VerificationAttempt:
    _refuse_without_time_zones()
    phone = request = None
    try:
        phone = parse_phone(raw.number, default_region=conf.default_region())
        refuse_uncallable(phone, conf.calling_rules())
        refuse_reviewer_number(phone.number, raw.purpose)
        request = request_of(raw, phone)
        _refuse_without_number_keys()
        backend = None if request.key_name is None else get_backend(request.key_name)
        refuse_manual_transactions(using)
        return _return_repeat_or_call(request, raw, backend, admit, using=using, now=now)
    except VerificationRefused as refusal:
        if request and (started := _find_concurrent_repeat(request, using=using, now=now)):
            return started
        if isinstance(refusal, Misconfigured) and refusal.retry_after is None:
            # With a wait, the key is paused, and the call that paused it has sent the alert.
            key_name = (request.key_name if request else None) or ""
            send_alert(Alert.MISCONFIGURED, now=datetime.now(UTC), using=using, key_name=key_name)
        record_refusal(refusal, phone, using=using)
        raise


def _refuse_without_time_zones() -> None:
    """Raise Misconfigured if ``USE_TZ`` is off. Otherwise the phone would ring before the times of rows cause an error.

    A web server does not run the system checks (``telroi.E003``). The refusal is not recorded, because its time would
    cause an error too.
    """
    if not settings.USE_TZ:
        logger.error("misconfigured reason=use_tz")
        raise Misconfigured


def _refuse_without_number_keys() -> None:
    """Raise Misconfigured if numbers are encrypted and there is no key. The system checks may not have run."""
    if not is_number_sealed():
        return
    try:
        needed_ciphers()
    except NumbersUnreadable:
        log_unreadable_numbers()
        raise Misconfigured from None


def _return_repeat_or_call(
    request: CallRequest, raw: StartRequest, backend: Backend | None, admit: Admit, *, using: str, now: datetime | None
) -> VerificationAttempt:
    """Return the attempt of a repeated request. Count any other request, and place its call.

    ``backend``: None if a function chooses the key. It is asked after the request was counted.
    The SELECT that reads the number's state also finds the repeat, before ``MAY_START`` and the key's budget are used.
    A request with the id of another attempt is counted before it is rejected, so it cannot bypass the rate limit.
    """
    with unavailable_without_database():
        request, state = _read_request_state(request, using=using, now=now)
        if repeat := _settle_and_find_repeat(request, state, using=using):
            return repeat
    admission = admit(request) or Admission()
    if state.attempt:
        raise AttemptNotFound
    request = with_known_requester(request, admission, using=using)
    request, backend, state = with_key(request, raw, backend, state, using=using, now=now)
    state = state if now else state.with_current_time()
    if has_may_start() or admission.ask_risk:
        _raise_if_vetoed(request, raw, state, backend, admission.ask_risk)
        state = read_again(request, using=using, now=now)
    try:
        with about_key(conf.key_label(backend.key_name)):
            return claim_and_call(_with_saved_consent(request, using=using), state, backend, using=using, now=now)
    except AlreadyStarted:
        if started := _find_concurrent_repeat(request, using=using, now=now):
            return started
        # MariaDB and MySQL reject the row of a deleted user in the INSERT, not at the commit.
        raise (UserNotFound if is_gone(request.user_id, using=using) else AttemptNotFound) from None
    except VerifiedMeanwhile:
        with unavailable_without_database():
            return find_and_settle(request.supersedes.uuid, user=raw.user, using=using, now=now)[0]  # type: ignore[union-attr]


def _with_saved_consent(request: CallRequest, *, using: str) -> CallRequest:
    """Return the request with the row of its consent's text. The row is saved before the claim, which locks rows."""
    if request.consent is None:
        return request
    with unavailable_without_database():
        return replace(request, consent_id=save_text(request.consent, using=using))


def _read_request_state(request: CallRequest, *, using: str, now: datetime | None) -> tuple[CallRequest, State]:
    """Read the number's state and the attempt that has the request's id. Returns the request with its final id.

    The id of another call is derived from the previous attempt. If that id has a call that certainly did not ring, the
    next id is derived from it.
    """
    while True:
        state = read_state(
            request.phone,
            using=using,
            now=now,
            attempt_uuid=request.attempt_uuid,
            user_id=request.user_id,
            key_name=request.key_name,
        )
        if request.supersedes is None or state.attempt is None or not never_rang(state.attempt):
            return request, state
        silent = state.attempt.uuid
        request = replace(request, attempt_uuid=another_call_id(silent), silent_tries=(*request.silent_tries, silent))


def _settle_and_find_repeat(request: CallRequest, state: State, *, using: str) -> VerificationAttempt | None:
    """Return the attempt that the same request made before, or None. An overdue status is updated first."""
    attempt = state.attempt
    asked = (state.phone and state.phone.pk, request.user_id, request.purpose)
    if attempt and (attempt.phone_id, attempt.user_id, attempt.purpose) == asked:
        with suppress(AttemptNotFound):
            settle_if_accessible(attempt, user_id=request.user_id, now=state.now, using=using)
            remember_state(attempt, replace(state, attempt=None))
            return attempt
    return None


def _find_concurrent_repeat(request: CallRequest, *, using: str, now: datetime | None) -> VerificationAttempt | None:
    """Return the attempt of the first click of a double click, after the second click was rejected. None otherwise."""
    with suppress(*DATABASE_LOST, NumbersUnreadable):
        if request.attempt_uuid:
            return _settle_and_find_repeat(*_read_request_state(request, using=using, now=now), using=using)
    return None


def _raise_if_vetoed(
    request: CallRequest, raw: StartRequest, state: State, backend: Backend, ask_risk: Callable[[], None] | None
) -> None:
    """Ask ``MAY_START`` and ``PHONE_RISK`` unless a limit rejects the call. They may be slow: read the state again."""
    with suppress(Unavailable):  # a pause may end while the claim waits
        refuse_request(request, state, key=key_of(backend))
    if has_may_start():
        ask_may_start(request, raw)
    if ask_risk:
        ask_risk()
