"""What a card shows now, for this person: the one path that the pages and the template tag share."""

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
from django_telroi.web.session import Flow, Notice, notice_of, read_flow, save_flow, take_notice
from django_telroi.web.steps import ABOUT_THE_NUMBER, Seen, Step, lost_step, number_step, refused_step, step_of

AnyForm = TypeVar("AnyForm", bound=Form)

TOLD_FOR = timedelta(hours=1)
"""How long after its code's end a verification that came to nothing is still spoken of."""


def seen_by(request: HttpRequest, purpose: str) -> Seen | None:
    """The attempt that this session's card shows; None where there is none, or it came to nothing long ago."""
    settle_older(request, purpose)
    flow = read_flow(request, purpose)
    standing = _followed(request, flow.shown)
    if standing is None:
        if flow.shown:
            save_flow(request, purpose, without_attempt(flow))
        return None
    is_success = flow.is_proven and standing.attempt.status == Status.VERIFIED
    holding = _holding(request, standing) if is_success else Ownership.GONE
    if is_success and holding == Ownership.GONE:
        save_flow(request, purpose, Flow(notice=flow.notice))
        return None
    return Seen(
        standing,
        is_calling_again=flow.older is not None,
        holding=holding,
        account=_account(request, standing.attempt) if is_success else "",
    )


def _account(request: HttpRequest, attempt: VerificationAttempt) -> str:
    user = getattr(request, "user", None)
    is_recorded = user is not None and user.is_authenticated and conf.writes_record(attempt.purpose)
    return user_name(user, number=attempt.number) if is_recorded else ""


def without_attempt(flow: Flow) -> Flow:
    """The flow whose attempt answers no more. A person who may be typing its code is told where it was erased."""
    is_told = flow.shown is not None and is_erased(flow.shown)
    return Flow(next=flow.next, notice=Notice("number", AttemptNotFound.code) if is_told else flow.notice)


def _holding(request: HttpRequest, standing: AttemptStatus) -> Ownership:
    return ownership_of(standing.attempt, user=getattr(request, "user", None), now=standing.now)


def settle_older(request: HttpRequest, purpose: str) -> None:
    """Let the flow say which of two calls is shown, where one was asked for again.

    The older call is shown, because its code counts, while the newer one is not placed. If the newer one certainly did
    not ring, the session goes back to the older one and is told why. Raises Unavailable.
    """
    flow = read_flow(request, purpose)
    if flow.older is None:
        return
    newer, older = _followed(request, flow.attempt), _followed(request, flow.older)
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


def _followed(request: HttpRequest, attempt: UUID | None) -> AttemptStatus | None:
    if attempt is None:
        return None
    try:
        standing = follow(attempt, user=getattr(request, "user", None))
    except AttemptNotFound:
        return None
    return None if _is_forgotten(standing) else standing


def dropped_in_step(request: HttpRequest, place: CardPlace, notice: Notice | None) -> Step:
    """The next step of a card in somebody else's page, which must not fail with it."""
    try:
        seen = seen_by(request, place.purpose)
    except (Unavailable, *DATABASE_LOST):
        return refused_step(Unavailable.code, wait=0)
    if seen is None:
        notice = take_notice(request, place.purpose) or notice
    if seen is None:
        return first_step(request, PhoneForm, notice, place=place)
    if notice and notice.about == "number":
        form = phone_form(PhoneForm, notice, auto_id=place.auto_id)
        return number_step(focused(form) if place.takes_focus else form, notice)
    code_form = CodeForm(auto_id=place.auto_id, code_length=seen.attempt.code_length)
    return step_of(seen, focused(code_form) if place.takes_focus else code_form, notice)


def first_step(
    request: HttpRequest,
    form_class: type[PhoneForm],
    notice: Notice | None,
    *,
    place: CardPlace,
    is_lost: bool = False,
) -> Step:
    """The question for a number. It says so if this browser asked for a call that its session does not know any more.

    ``is_lost``: the page was opened for such a call.
    """
    asked = None if notice else lost_request(request, place.purpose)
    form = phone_form(form_class, notice, auto_id=place.auto_id, typed=asked.typed if asked else "")
    if place.takes_focus:
        focused(form)
    if notice is None and (asked or is_lost):
        return lost_step(form, had_call=asked is None or asked.has_call)
    return number_step(form, notice)


def phone_form(form_class: type[PhoneForm], notice: Notice | None, *, auto_id: str, typed: str = "") -> PhoneForm:
    """The form as it was typed, with what is wrong about it, or an empty one. ``typed``: the number to begin with."""
    if notice is None or not (notice.typed or notice.problems):
        return form_class(auto_id=auto_id, initial={"number": typed} if typed else None)
    form = form_class(dict(notice.typed), auto_id=auto_id)
    fill_form(form, PostedValues(notice.typed, notice.problems))
    if form.is_valid() and notice.code in ABOUT_THE_NUMBER:
        form.add_error("number", sentence(notice.code))
    for name in form.errors.keys() & form.fields.keys():
        form.fields[name].help_text = ""  # what is wrong stands in its place
    return form


def focused(form: AnyForm) -> AnyForm:
    """The form, with the focus on its first field."""
    first = next(iter(form.fields.values()))
    first.widget.attrs["autofocus"] = True
    return form


def _is_forgotten(standing: AttemptStatus) -> bool:
    attempt = standing.attempt
    came_to_nothing = attempt.status in FINAL and attempt.status != Status.VERIFIED
    return came_to_nothing and attempt.expires_at + TOLD_FOR < standing.now
