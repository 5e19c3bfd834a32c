"""The call that stays open while the person asks for a call to another number.

"Change number" closes nothing: the person may have pressed it by mistake while their phone rings. The call takes its
code until a call to another number is placed. It gives no more tries and no more calls: its own tries are all that it
has, and every other call passes the same limits as before.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from django_telroi import services
from django_telroi.domain.states import Status
from django_telroi.errors import AttemptNotFound, Unavailable
from django_telroi.models import VerificationAttempt
from django_telroi.services import AttemptStatus
from django_telroi.services.attempts.find import never_rang
from django_telroi.web.notices import Notice, notice_of
from django_telroi.web.session import Flow, read_flow, save_flow
from django_telroi.web.steps import ABOUT_THE_NUMBER

NOT_PLACED_YET = (Status.QUEUED, Status.DIALING)


class NoCallNeeded(Exception):
    """The typed number is the one of the open call, or one that is not called for the reason of ``notice``."""

    def __init__(self, notice: Notice | None = None) -> None:
        super().__init__()
        self.notice = notice


def settle_kept_call(request: HttpRequest, purpose: str, newer: AttemptStatus | None) -> bool:
    """Close the kept call if the call to the other number is placed. Raises Unavailable.

    ``newer``: the status of the call to the other number, None if it does not exist. If it certainly did not ring, the
    flow returns to the kept call and to the form for another number, with a notice that gives the reason. Returns
    whether the flow has returned.
    """
    flow = read_flow(request, purpose)
    if flow.kept is None:
        return False
    if newer is None or never_rang(newer.attempt):
        save_flow(request, purpose, _return_to_kept(flow, newer))
        return True
    if newer.attempt.status not in NOT_PLACED_YET:
        cancel_call(flow.kept, user=getattr(request, "user", None))
        save_flow(request, purpose, replace(flow, kept=None))
    return False


def cancel_call(attempt: UUID, *, user: AbstractBaseUser | None) -> VerificationAttempt | None:
    """Cancel the call and return its attempt, which may be verified. None if it is erased or of another user."""
    with suppress(AttemptNotFound):
        return services.cancel_verification(attempt, user=user)
    return None


def close_if_queued(attempt: UUID, *, user: AbstractBaseUser | None) -> None:
    """Cancel the call if it waits in the queue. A call that a process is placing now may ring already."""
    with suppress(AttemptNotFound):
        if services.follow(attempt, user=user).attempt.status == Status.QUEUED:
            services.cancel_verification(attempt, user=user)


def _return_to_kept(flow: Flow, newer: AttemptStatus | None) -> Flow:
    flow = replace(flow, attempt=flow.kept, kept=None, is_changing=True)
    notice = notice_of((newer and newer.refusal) or Unavailable(), about="number")
    if newer and notice.code in ABOUT_THE_NUMBER:
        notice = replace(notice, typed={"number": newer.attempt.number})  # the person corrects it
    return replace(flow, notice=notice)
