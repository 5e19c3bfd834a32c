"""Which card to show for a session. The pages and the template tag share this code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.forms import Form
from django.http import HttpRequest
from django.urls import get_script_prefix, resolve, reverse

from django_telroi import conf
from django_telroi.domain.states import CHECKABLE, FINAL, UNFINISHED, Status
from django_telroi.errors import AttemptNotFound, CallsStopped, Unavailable
from django_telroi.services import AttemptStatus, call_control, follow
from django_telroi.services.accounts.ownership import Ownership, ownership_of
from django_telroi.services.accounts.phones import known_phone_record
from django_telroi.services.attempts.find import is_missing, is_of_user, never_rang
from django_telroi.services.requester import user_name
from django_telroi.services.sentences import sentence
from django_telroi.services.shared.arguments import StoredNumber, owner_id
from django_telroi.services.shared.number_state import STOP_HINT
from django_telroi.services.shared.secrets import length_of
from django_telroi.services.shared.transactions import DATABASE_LOST
from django_telroi.web import card_texts
from django_telroi.web.attempt_steps import attempt_step
from django_telroi.web.cards import CardPlace
from django_telroi.web.cookies import lost_request, was_typed_here
from django_telroi.web.forms import CodeForm, PhoneForm
from django_telroi.web.kept_call import settle_kept_call
from django_telroi.web.notices import LOGGED_OUT, SAME_NUMBER, Notice, notice_of
from django_telroi.web.posted_values import PostedValues, fill_form
from django_telroi.web.seen_attempt import Seen
from django_telroi.web.session import Flow, form_options, pop_notice, read_flow, save_flow
from django_telroi.web.steps import (
    AT_THE_FIELD,
    Step,
    lost_step,
    number_step,
    refused_step,
    stopped_step,
    stored_step,
    verified_step,
    with_way_back,
    without_other_number,
)
from django_telroi.web.tickets import open_number

AnyForm = TypeVar("AnyForm", bound=Form)

SHOW_FAILURE_FOR = timedelta(hours=1)
"""A failed verification is shown until its code has been expired for this long."""


def settle_and_load_attempt(request: HttpRequest, purpose: str) -> Seen | None:
    """Settle two competing calls, then return the attempt of this session's card.

    Returns None if there is no attempt, or if it failed long ago. It then removes the attempt from the session. Raises
    Unavailable.
    """
    settle_older_call(request, purpose)
    flow = read_flow(request, purpose)
    attempt_status = _load_status(request, flow.shown)
    if flow.kept and settle_kept_call(request, purpose, attempt_status):
        flow = read_flow(request, purpose)
        attempt_status = _load_status(request, flow.shown)
    if attempt_status is None:
        if flow.shown:
            save_flow(request, purpose, without_attempt(flow, user=getattr(request, "user", None)))
        return None

    # A verified attempt is a success only for the session that typed the right code. Another session that knows the id
    # learns nothing about the owner, and needs no query for it.
    attempt, is_calling_again = attempt_status.attempt, flow.older is not None
    is_success = flow.is_proven and attempt_status.attempt.status == Status.VERIFIED
    if not is_success:
        is_typed_here = attempt.status in UNFINISHED and was_typed_here(request, purpose, attempt.number)
        return Seen(attempt_status, is_calling_again=is_calling_again, is_typed_here=is_typed_here)

    # The number was moved or erased, or the proof has expired. The card must not say "verified" any more, so it asks
    # for a number as if nothing had happened.
    user = getattr(request, "user", None)
    ownership = ownership_of(attempt, user=user, now=attempt_status.now)
    if ownership == Ownership.GONE:
        save_flow(request, purpose, Flow(notice=flow.notice, stored=flow.stored))
        return None

    # The card names the account, because people with several accounts must see which one has the number.
    is_recorded = user is not None and user.is_authenticated and conf.writes_record(attempt.purpose)
    account = user_name(user, number=attempt.number) if is_recorded else ""
    return Seen(attempt_status, is_calling_again=is_calling_again, ownership=ownership, account=account)


def without_attempt(flow: Flow, *, user: AbstractBaseUser | None) -> Flow:
    """Return the flow without its attempt, which was not found for this user.

    If the attempt was erased, or the person was logged out, the flow gets a notice, because they may still be typing
    the code.
    """
    notice = flow.notice
    if flow.shown is not None and is_missing(flow.shown):
        notice = Notice("number", AttemptNotFound.code)
    elif flow.shown is not None and owner_id(user) is None and is_of_user(flow.shown):
        notice = Notice("number", LOGGED_OUT)
    return Flow(next=flow.next, notice=notice, stored=flow.stored, replaces=flow.replaces)


def settle_older_call(request: HttpRequest, purpose: str) -> None:
    """Update the flow if it has two calls: decide which of them the card shows.

    The older call is shown until the newer one is placed, because the older code is still valid. If the newer call
    certainly did not ring, the flow returns to the older one with a notice that gives the reason. Raises Unavailable.
    """
    flow = read_flow(request, purpose)
    if flow.older is None:
        return
    newer, older = _load_status(request, flow.attempt), _load_status(request, flow.older)
    # The older call takes no code any more. Its right code may have been typed before the newer call replaced it: then
    # it stays on the card, because it is the success. Otherwise the newer call is shown.
    if older is None or older.attempt.status not in CHECKABLE:
        is_proven = flow.is_proven and older is not None and older.attempt.status == Status.VERIFIED
        attempt = flow.older if is_proven else flow.attempt
        save_flow(request, purpose, replace(flow, attempt=attempt, older=None, is_proven=is_proven))
    # The newer call did not ring, so the code that the person has is the older one.
    elif newer is None or never_rang(newer.attempt):
        refusal = newer.refusal if newer else None
        notice = notice_of(refusal or Unavailable(), about="call")
        save_flow(request, purpose, replace(flow, attempt=flow.older, older=None, notice=notice, is_proven=False))
    # The newer call was placed or may ring. The services have replaced the older one.
    elif newer.attempt.status not in (Status.QUEUED, Status.DIALING):
        save_flow(request, purpose, replace(flow, older=None))


def _load_status(request: HttpRequest, attempt: UUID | None) -> AttemptStatus | None:
    if attempt is None:
        return None
    try:
        attempt_status = follow(attempt, user=getattr(request, "user", None))
    except AttemptNotFound:
        return None
    # A session may last for weeks. A person who comes back then wants a new call, and not the end of an old one. A
    # success stays, because a gate or a sign-up may still need it.
    status, expires_at = attempt_status.attempt.status, attempt_status.attempt.expires_at
    has_failed = status in FINAL and status != Status.VERIFIED
    return None if has_failed and expires_at + SHOW_FAILURE_FOR < attempt_status.now else attempt_status


def drop_in_step(request: HttpRequest, place: CardPlace, notice: Notice | None) -> Step:
    """Return the step of a card in a page of the site. A lost database does not raise: the page must still work."""
    try:
        seen = settle_and_load_attempt(request, place.purpose)
        if place.stored:
            return _stored_drop_in_step(request, place, place.stored, seen, notice)
    except (Unavailable, *DATABASE_LOST):
        return refused_step(Unavailable.code, wait=0)
    if seen is None:
        # The tag read the notice before. The step above may have left another one: that the attempt was erased.
        notice = pop_notice(request, place.purpose) or notice
        return first_step(request, start_form_class(request), notice, place=place)
    if read_flow(request, place.purpose).is_changing or (notice and notice.about == "number"):
        # The step above may have left another notice: that the call to another number did not ring.
        notice = pop_notice(request, place.purpose) or notice
        form = phone_form(request, start_form_class(request), notice, auto_id=place.auto_id)
        step = with_way_back(number_step(focused(form) if place.takes_focus else form, notice), seen)
        return unless_stopped(step, notice)
    return attempt_step(seen, _code_form(seen, place), notice)


def _stored_drop_in_step(
    request: HttpRequest, place: CardPlace, stored: StoredNumber, seen: Seen | None, notice: Notice | None
) -> Step:
    """Return the step of a card whose number the site supplies. Raises Unavailable or a database error."""
    flow = read_flow(request, place.purpose)
    # One session has one flow for a purpose. It may be about another number, which was typed or is of another page.
    is_of_number = open_number(flow.stored, request) == stored.number
    if seen and seen.attempt.number == stored.number and not (notice and notice.about == "number"):
        return without_other_number(attempt_step(seen, _code_form(seen, place), notice), seen)
    # The step above may have left another notice: that the attempt was erased.
    notice = (pop_notice(request, place.purpose) or notice) if is_of_number else None
    if notice is None or not notice.code:
        user = getattr(request, "user", None)
        if user is not None and conf.writes_record(place.purpose):
            record = known_phone_record(user, request=request)
            if record.has_phone(purpose=place.purpose, number=stored.number):
                return verified_step(stored.masked, user_name(user, number=stored.number))
    return stored_first_step(request, stored, notice, purpose=place.purpose)


def start_form_class(request: HttpRequest) -> Callable[..., PhoneForm]:
    """Return the form of the view that a card in a page of the site posts to, so that both have the same fields.

    The view may be a subclass of ``StartView`` with another form. If the site wrapped it in a way that hides its class,
    the form is ``PhoneForm``.
    """
    path = reverse("telroi:start").removeprefix(get_script_prefix().rstrip("/"))
    view: Any = resolve(path).func
    view_class: Any = getattr(view, "view_class", object)
    if not hasattr(view_class, "get_form_class"):
        return PhoneForm
    page = view_class(**view.view_initkwargs)
    page.setup(request)
    form_class: Callable[..., PhoneForm] = page.get_form_class()
    return form_class


def stored_first_step(
    request: HttpRequest, stored: StoredNumber, notice: Notice | None, *, purpose: str, is_lost: bool = False
) -> Step:
    """Return the step with the button that calls the number on file. ``is_lost`` is as in ``first_step``."""
    request_lost = None if notice else lost_request(request, purpose)
    message = card_texts.lost_call() if is_lost or (request_lost and request_lost.has_call) else ""
    return unless_stopped(stored_step(stored, notice, message=message), notice)


def unless_stopped(step: Step, notice: Notice | None) -> Step:
    """Return ``step``, or the card of stopped calls if it offers a call and all calls are stopped. Raises Unavailable.

    The database is asked if this process has seen the stop, or has not looked for ``STOP_HINT_LIFETIME``, or if the
    visitor's call was rejected for it.
    """
    asks_for_call = step.name == "number" or (step.name == "stored" and step.again) or step.start_again
    was_rejected = notice is not None and notice.code == CallsStopped.code
    if not asks_for_call or not (STOP_HINT.is_stopped or STOP_HINT.is_old or was_rejected):
        return step
    if call_control().stopped_at is None:
        return step
    return replace(stopped_step(notice.masked if notice else ""), back_to=step.back_to)


def _code_form(seen: Seen, place: CardPlace) -> CodeForm:
    form = CodeForm(auto_id=place.auto_id, code_length=length_of(seen.attempt).expected)
    return focused(form) if place.takes_focus else form


def first_step(
    request: HttpRequest,
    form_class: Callable[..., PhoneForm],
    notice: Notice | None,
    *,
    place: CardPlace,
    is_lost: bool = False,
) -> Step:
    """Return the step that asks for a number.

    It has a message if this browser requested a call that its session does not know any more. ``is_lost``: the page
    was opened for such a call.
    """
    # A notice is in the session, so the session is not lost.
    request_lost = None if notice else lost_request(request, place.purpose)
    typed = request_lost.typed if request_lost else ""
    form = phone_form(request, form_class, notice, auto_id=place.auto_id, typed=typed)
    if place.takes_focus:
        focused(form)
    if notice is None and (request_lost or is_lost):
        return unless_stopped(lost_step(form, had_call=request_lost is None or request_lost.has_call), notice)
    return unless_stopped(number_step(form, notice), notice)


def phone_form(
    request: HttpRequest,
    form_class: Callable[..., PhoneForm],
    notice: Notice | None,
    *,
    auto_id: str,
    typed: str = "",
) -> PhoneForm:
    """Return the form with the values and errors of the notice, else an empty one with the initial number ``typed``."""
    options = form_options(request)
    if notice is None or not (notice.typed or notice.problems):
        return form_class(auto_id=auto_id, initial={"number": typed} if typed else None, **options)
    form = form_class(dict(notice.typed), auto_id=auto_id, **options)
    fill_form(form, PostedValues(notice.typed, notice.problems))
    # These errors come from the services, so the form does not find them again.
    if form.is_valid() and notice.code in AT_THE_FIELD:
        form.add_error("number", card_texts.same_number() if notice.code == SAME_NUMBER else sentence(notice.code))
    for name in form.errors.keys() & form.fields.keys():
        form[name].help_text = ""  # the error replaces the hint; the validation has made the bound field already
    return form


def focused(form: AnyForm) -> AnyForm:
    """Set the focus on the form's first field for text. Returns the form."""
    # The choice of the country has a value already, or may be skipped.
    first = next(field for name, field in form.fields.items() if name != "phone_country")
    first.widget.attrs["autofocus"] = True
    return form
