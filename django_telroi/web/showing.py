"""What a card shows now, for this person: the one path that the pages and the template tag share."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from django.forms import Form
from django.http import HttpRequest

from django_telroi.domain.states import FINAL, Status
from django_telroi.errors import AttemptNotFound, Unavailable
from django_telroi.services import Standing, follow
from django_telroi.services.sentences import sentence
from django_telroi.web.cards import Place
from django_telroi.web.flow import Notice, keep_flow, read_flow
from django_telroi.web.forms import CodeForm, PhoneForm
from django_telroi.web.steps import ABOUT_THE_NUMBER, Step, number_step, refused_step, step_of

AnyForm = TypeVar("AnyForm", bound=Form)

TOLD_FOR = timedelta(hours=1)
"""How long after its code's end a verification that came to nothing is still spoken of."""


def standing_of(request: HttpRequest, purpose: str) -> Standing | None:
    """How this person's attempt stands; None where there is none, or it came to nothing long ago."""
    flow = read_flow(request, purpose)
    if flow.attempt is None:
        return None
    try:
        standing = follow(flow.attempt, user=getattr(request, "user", None))
    except AttemptNotFound:
        standing = None
    if standing is None or _is_forgotten(standing):
        keep_flow(request, purpose, replace(flow, attempt=None))
        return None
    return standing


def dropped_in_step(request: HttpRequest, place: Place, notice: Notice | None) -> Step:
    """The next step of a card in somebody else's page, which must not fail with it."""
    try:
        standing = standing_of(request, place.purpose)
    except Unavailable:
        return refused_step(Unavailable.code, wait=0)
    if standing is None or (notice and notice.about == "number"):
        form = phone_form(PhoneForm, notice, auto_id=place.auto_id)
        return number_step(focused(form) if place.takes_focus else form, notice)
    code_form = CodeForm(auto_id=place.auto_id)
    return step_of(standing, focused(code_form) if place.takes_focus else code_form, notice)


def phone_form(form_class: type[PhoneForm], notice: Notice | None, *, auto_id: str) -> PhoneForm:
    """The form as it was typed, with what is wrong about it, or an empty one."""
    if notice is None or not notice.typed:
        return form_class(auto_id=auto_id)
    form = form_class(dict(notice.typed), auto_id=auto_id)
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


def _is_forgotten(standing: Standing) -> bool:
    attempt = standing.attempt
    came_to_nothing = attempt.status in FINAL and attempt.status != Status.VERIFIED
    return came_to_nothing and attempt.expires_at + TOLD_FOR < standing.now
