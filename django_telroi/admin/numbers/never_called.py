"""The page of a number that support searched for and that was never called. It can be blocked all the same."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import ngettext, pgettext, pgettext_lazy
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf, services
from django_telroi.admin.actions.action_views import (
    APP,
    StaffActionViews,
    actor_of,
    failure_sentence,
    require_permissions,
    staff_view,
)
from django_telroi.admin.actions.number_actions import BLOCK, ReasonForm
from django_telroi.admin.numbers.next_call import destination_sentence, verified_moments, verified_sentence
from django_telroi.admin.numbers.number_status import block_of_destination
from django_telroi.admin.shared.callers import NEVER_CALLED, recall_numbers, stored_phones
from django_telroi.admin.shared.chips import left_to_right, listed, on_one_line, region_name
from django_telroi.domain.phone import CallingRules, LineType, Phone, parse_phone, refuse_uncallable
from django_telroi.errors import NotCallable, RegionNotAllowed, TelroiError, VerificationRefused
from django_telroi.models import PhoneNumber

PAGE = "admin/django_telroi/never_called.html"
EVERY_CALLABLE_NUMBER = CallingRules(allowed_line_types=frozenset(LineType))
"""Rules that exclude only the numbers that no site can call."""


class BlockForm(ReasonForm):
    """Asks for a reason, and which number is meant if the caller's spelling is valid in several countries."""

    # The value is the position and not the number: the page must not contain it.
    which = forms.TypedChoiceField(
        label=pgettext_lazy("number that was never called", "Which number?"), coerce=int, widget=forms.RadioSelect
    )
    field_order = ("which", "reason")

    def __init__(self, *args: Any, phones: list[Phone], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["which"].choices = [(place, _words(phone)) for place, phone in enumerate(phones)]  # type: ignore[attr-defined]
        if len(phones) == 1:
            del self.fields["which"]

    def chosen(self) -> int:
        return int(self.cleaned_data.get("which", 0))


class NeverCalled(StaffActionViews):
    """The view of a number that was never called."""

    def get_urls(self) -> list[URLPattern]:
        view = staff_view(self.admin_site.admin_view(self.never_called_view))
        return [path("never-called/", view, name=NEVER_CALLED), *super().get_urls()]

    @sensitive_variables()
    def never_called_view(self, request: HttpRequest) -> HttpResponse:
        """Say that the number was never called (GET), or block it (POST with a reason)."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            require_permissions(request, BLOCK.permission)
        phones = [parse_phone(number) for number in recall_numbers(request)]
        # A site may limit single numbers. The rows do not exist yet, so they are made for this question.
        if not all(self.has_view_permission(request, row_of(phone)) for phone in phones):
            raise PermissionDenied
        if not phones:
            messages.warning(request, pgettext("search", "The search has expired. Search again."))
            return HttpResponseRedirect(self.number_url("changelist"))
        # Meanwhile the number may have been called, or blocked in another window.
        if stored := stored_phones(phone.number for phone in phones):
            return HttpResponseRedirect(self.number_url("change", stored[0]))
        form = BlockForm(request.POST if request.method == "POST" else None, phones=phones)
        if request.method == "POST" and form.is_valid():
            return self._block(request, phones[form.chosen()], form.cleaned_data["reason"])
        return self.page(request, PAGE, self._context(request, phones, form))

    @sensitive_variables()
    def _block(self, request: HttpRequest, phone: Phone, reason: str) -> HttpResponse:
        try:
            row = services.block_number(phone.number, reason=reason, actor=actor_of(request))
        except (TelroiError, DatabaseError) as error:
            messages.error(request, failure_sentence(error, PhoneNumber(number=phone.number)))
            return HttpResponseRedirect(self.number_url("changelist"))
        self.log_change(request, row, f"{BLOCK.done} {reason}")
        messages.success(request, str(BLOCK.done))
        return HttpResponseRedirect(self.number_url("change", row))

    def _context(self, request: HttpRequest, phones: list[Phone], form: BlockForm) -> dict[str, Any]:
        title = ngettext("This number was never called", "None of these numbers was ever called", len(phones))
        now = timezone.now()
        verified = verified_moments(phone.number for phone in phones)
        if verified:
            title = pgettext("number that was never called", "Verified, but no call is on record")
        shown = [(on_one_line(phone.number), region_name(phone.region), verified.get(phone.number)) for phone in phones]
        return {
            "title": title,
            "never_called": [
                (number, country, verified_sentence(moment, now=now) if moment else "")
                for number, country, moment in shown
            ],
            "is_verified": bool(verified),
            "form": form if request.user.has_perm(f"{APP}.{BLOCK.permission}") else None,
            "uncallable": [sentence for phone in phones if (sentence := uncallable_sentence(phone))],
            "blocked": self._block_sentences(phones),
            "consequence": BLOCK.consequence,
            "back": self.number_url("changelist"),
        }

    def _block_sentences(self, phones: list[Phone]) -> list[str]:
        """Return the sentences about blocked prefixes and regions that apply to the numbers."""
        now = timezone.now()
        blocks = services.blocked_destinations(now=now)
        found = (block_of_destination(phone.number, phone.region, blocks) for phone in phones)
        return [destination_sentence(block, now=now) for block in dict.fromkeys(filter(None, found))]


def row_of(phone: Phone) -> PhoneNumber:
    """Return an unsaved row of the number."""
    return PhoneNumber(number=phone.number, last4=phone.last4, region=phone.region)


def uncallable_sentence(phone: Phone) -> str:
    """Return why the number cannot be called at any time, ``""`` if it can. ``telroi_limits`` tells the same."""
    number = {"number": left_to_right(on_one_line(phone.number))}
    if _refuses(phone, EVERY_CALLABLE_NUMBER):
        words = pgettext(
            "number that was never called",
            "%(number)s is never called: it is a satellite, premium-rate or similar number.",
        )
        return words % number
    match _refuses(phone, conf.calling_rules()):
        case NotCallable():
            words = pgettext(
                "number that was never called",
                "%(number)s is never called: the settings of this site exclude its prefix or its type of line.",
            )
            return words % number
        case RegionNotAllowed():
            words = pgettext(
                "number that was never called",
                "%(number)s is never called: the settings of this site exclude its country.",
            )
            return words % number
    return ""


def _refuses(phone: Phone, rules: CallingRules) -> VerificationRefused | None:
    try:
        refuse_uncallable(phone, rules)
    except VerificationRefused as refusal:
        return refusal
    return None


def _words(phone: Phone) -> str:
    return listed((on_one_line(phone.number), region_name(phone.region)))
