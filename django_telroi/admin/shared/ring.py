"""The answer to "did it ring?" for one attempt, in a few words: what the provider did, and what the person typed."""

from __future__ import annotations

from django.utils.translation import ngettext, pgettext

from django_telroi.admin.shared.chips import listed
from django_telroi.admin.shared.meanings import error_name
from django_telroi.domain.states import Status
from django_telroi.models import VerificationAttempt
from django_telroi.services.attempts.status import was_closed_by_lost_answers
from django_telroi.services.requester import plain
from django_telroi.services.shared.outcomes import ErrorCode
from django_telroi.services.shared.reviewers import is_of_reviewer

MAY_HAVE_RUNG = frozenset({ErrorCode.CALL_FAILED, ErrorCode.NO_REPLY, ErrorCode.LEASE_ENDED})
"""Errors after which it is unknown whether the phone rang."""


def ring_words(attempt: VerificationAttempt) -> str:
    """Return what is known of the call, such as ``accepted by the provider, no code typed``. It uses no query.

    The words follow a time, as in "Last call 21:38: …". They never say that the phone rang unless the right code shows
    it, because the provider does not know it either.
    """
    if is_of_reviewer(attempt):
        return pgettext("did it ring?", "not called: it is the number of an app reviewer")
    match Status(attempt.status):
        case Status.VERIFIED:
            return _verified_words(attempt)
        case Status.QUEUED:
            return pgettext("did it ring?", "waiting for a worker, not placed yet")
        case Status.DIALING:
            return pgettext("did it ring?", "being placed now")
        case Status.CANCELED:
            return _join(_call(attempt), pgettext("did it ring?", "canceled by the person"))
        case Status.SUPERSEDED:
            return _join(_call(attempt), pgettext("did it ring?", "replaced by a newer call"))
        case _:
            could_be_typed = attempt.placed_at or _may_have_rung(attempt)
            return _join(_call(attempt), _typed_words(attempt) if could_be_typed else "")


def _verified_words(attempt: VerificationAttempt) -> str:
    if attempt.error_code == ErrorCode.NUMBER_TAKEN:
        return pgettext("did it ring?", "it rang: the right code was typed, but another account has the number")
    return pgettext("did it ring?", "it rang: the right code was typed")


def _call(attempt: VerificationAttempt) -> str:
    """Return what the provider did with the call."""
    if attempt.placed_at:
        return pgettext("did it ring?", "accepted by the provider")
    error = plain(error_name(attempt.error_code))
    if _may_have_rung(attempt):
        words = (
            pgettext("did it ring?", "it may have rung: %(error)s")
            if error
            else pgettext("did it ring?", "it may have rung")
        )
    else:
        words = (
            pgettext("did it ring?", "it did not ring: %(error)s")
            if error
            else pgettext("did it ring?", "it did not ring")
        )
    return words % {"error": error}


def _may_have_rung(attempt: VerificationAttempt) -> bool:
    """Return whether the provider got the request of a call that it did not accept, and did not reject it."""
    if attempt.dialed_at is None or attempt.error_code == ErrorCode.DEADLINE:
        return False
    return attempt.status != Status.FAILED or attempt.error_code in MAY_HAVE_RUNG


def _typed_words(attempt: VerificationAttempt) -> str:
    if was_closed_by_lost_answers(attempt):
        return pgettext("did it ring?", "a right code was typed, but its answer was lost")
    if attempt.tries:
        words = ngettext("%(count)d wrong code typed", "%(count)d wrong codes typed", attempt.tries)
        return words % {"count": attempt.tries}
    if attempt.status == Status.LOCKED:
        return pgettext("did it ring?", "too many wrong codes")
    is_open = attempt.status in (Status.PLACED, Status.UNKNOWN)
    return pgettext("did it ring?", "no code typed yet") if is_open else pgettext("did it ring?", "no code typed")


def _join(*parts: str) -> str:
    return listed(parts)
