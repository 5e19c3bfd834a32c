"""Which card to show for a session. The pages and the template tag share this code."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from django.forms import Form
from django.http import HttpRequest

from django_telroi import conf
from django_telroi.domain.states import CHECKABLE, FINAL, Status
from django_telroi.errors import AttemptNotFound, Unavailable
from django_telroi.models import VerificationAttempt
from django_telroi.services import AttemptStatus, follow
from django_telroi.services.accounts.ownership import Ownership, ownership_of
from django_telroi.services.attempts.find import is_erased, never_rang
from django_telroi.services.requester import user_name
from django_telroi.services.sentences import sentence
from django_telroi.services.shared.transactions import DATABASE_LOST
from django_telroi.web.asked import lost_request
from django_telroi.web.cards import CardPlace
from django_telroi.web.forms import CodeForm, PhoneForm
from django_telroi.web.posted_values import PostedValues, fill_form
from django_telroi.web.session import Flow, Notice, notice_of, pop_notice, read_flow, save_flow
from django_telroi.web.steps import ABOUT_THE_NUMBER, Seen, Step, attempt_step, lost_step, number_step, refused_step

AnyForm = TypeVar("AnyForm", bound=Form)

SHOW_FAILURE_FOR = timedelta(hours=1)
"""A failed verification is shown until its code has been expired for this long."""


def load_seen_attempt(request: HttpRequest, purpose: str) -> Seen | None:
    """Settle two competing calls, then return the attempt of this session's card.

    Returns None if there is no attempt, or if it failed long ago. It then removes the attempt from the session. Raises
    Unavailable.
    """
    settle_older_call(request, purpose)
    flow = read_flow(request, purpose)
    attempt_status = _load_status(request, flow.shown)
    if attempt_status is None:
        if flow.shown:
            save_flow(request, purpose, without_attempt(flow))
        return None
    is_success = flow.is_proven and attempt_status.attempt.status == Status.VERIFIED
    ownership = Ownership.GONE
    if is_success:
        user = getattr(request, "user", None)
        ownership = ownership_of(attempt_status.attempt, user=user, now=attempt_status.now)
    if is_success and ownership == Ownership.GONE:
        save_flow(request, purpose, Flow(notice=flow.notice))
        return None
    return Seen(
        attempt_status,
        is_calling_again=flow.older is not None,
        ownership=ownership,
        account=_account(request, attempt_status.attempt) if is_success else "",
    )


def _account(request: HttpRequest, attempt: VerificationAttempt) -> str:
    user = getattr(request, "user", None)
    is_recorded = user is not None and user.is_authenticated and conf.writes_record(attempt.purpose)
    return user_name(user, number=attempt.number) if is_recorded else ""


def without_attempt(flow: Flow) -> Flow:
    """Return the flow without its attempt, which was not found.

    If the attempt was erased, the flow gets a notice, because the person may still be typing the code.
    """
    was_erased = flow.shown is not None and is_erased(flow.shown)
    return Flow(next=flow.next, notice=Notice("number", AttemptNotFound.code) if was_erased else flow.notice)


def settle_older_call(request: HttpRequest, purpose: str) -> None:
    """Update the flow if it has two calls: decide which of them the card shows.

    The older call is shown until the newer one is placed, because the older code is still valid. If the newer call
    certainly did not ring, the flow returns to the older one with a notice that gives the reason. Raises Unavailable.
    """
    flow = read_flow(request, purpose)
    if flow.older is None:
        return
    newer, older = _load_status(request, flow.attempt), _load_status(request, flow.older)
    if older is None or older.attempt.status not in CHECKABLE:
        is_proven = flow.is_proven and older is not None and older.attempt.status == Status.VERIFIED
        attempt = flow.older if is_proven else flow.attempt
        save_flow(request, purpose, replace(flow, attempt=attempt, older=None, is_proven=is_proven))
    elif newer is None or never_rang(newer.attempt):
        refusal = newer.refusal if newer else None
        notice = notice_of(refusal or Unavailable(), about="call")
        save_flow(request, purpose, Flow(flow.older, flow.next, notice))
    elif newer.attempt.status not in (Status.QUEUED, Status.DIALING):
        save_flow(request, purpose, replace(flow, older=None))


def _load_status(request: HttpRequest, attempt: UUID | None) -> AttemptStatus | None:
    if attempt is None:
        return None
    try:
        attempt_status = follow(attempt, user=getattr(request, "user", None))
    except AttemptNotFound:
        return None
    return None if _is_too_old(attempt_status) else attempt_status


def drop_in_step(request: HttpRequest, place: CardPlace, notice: Notice | None) -> Step:
    """Return the step of a card in a page of the site. A lost database does not raise: the page must still work."""
    try:
        seen = load_seen_attempt(request, place.purpose)
    except (Unavailable, *DATABASE_LOST):
        return refused_step(Unavailable.code, wait=0)
    if seen is None:
        notice = pop_notice(request, place.purpose) or notice
    if seen is None:
        return first_step(request, PhoneForm, notice, place=place)
    if notice and notice.about == "number":
        form = phone_form(PhoneForm, notice, auto_id=place.auto_id)
        return number_step(focused(form) if place.takes_focus else form, notice)
    code_form = CodeForm(auto_id=place.auto_id, code_length=seen.attempt.code_length)
    return attempt_step(seen, focused(code_form) if place.takes_focus else code_form, notice)


def first_step(
    request: HttpRequest,
    form_class: type[PhoneForm],
    notice: Notice | None,
    *,
    place: CardPlace,
    is_lost: bool = False,
) -> Step:
    """Return the step that asks for a number.

    It has a message if this browser requested a call that its session does not know any more. ``is_lost``: the page
    was opened for such a call.
    """
    request_lost = None if notice else lost_request(request, place.purpose)
    form = phone_form(form_class, notice, auto_id=place.auto_id, typed=request_lost.typed if request_lost else "")
    if place.takes_focus:
        focused(form)
    if notice is None and (request_lost or is_lost):
        return lost_step(form, had_call=request_lost is None or request_lost.has_call)
    return number_step(form, notice)


def phone_form(form_class: type[PhoneForm], notice: Notice | None, *, auto_id: str, typed: str = "") -> PhoneForm:
    """Return the form with the values and errors of the notice, else an empty one with the initial number ``typed``."""
    if notice is None or not (notice.typed or notice.problems):
        return form_class(auto_id=auto_id, initial={"number": typed} if typed else None)
    form = form_class(dict(notice.typed), auto_id=auto_id)
    fill_form(form, PostedValues(notice.typed, notice.problems))
    if form.is_valid() and notice.code in ABOUT_THE_NUMBER:
        form.add_error("number", sentence(notice.code))
    for name in form.errors.keys() & form.fields.keys():
        form.fields[name].help_text = ""  # the error replaces the hint
    return form


def focused(form: AnyForm) -> AnyForm:
    """Set the focus on the form's first field. Returns the form."""
    first = next(iter(form.fields.values()))
    first.widget.attrs["autofocus"] = True
    return form


def _is_too_old(attempt_status: AttemptStatus) -> bool:
    attempt = attempt_status.attempt
    has_failed = attempt.status in FINAL and attempt.status != Status.VERIFIED
    return has_failed and attempt.expires_at + SHOW_FAILURE_FOR < attempt_status.now
