"""The page on which a user changes their number. The old number counts until the code of the new one was right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.errors import InvalidPurpose
from django_telroi.models import VerificationAttempt
from django_telroi.services import verified_phones
from django_telroi.web.card_problems import purpose_problem
from django_telroi.web.card_state import focused, phone_form, settle_and_load_attempt, unless_stopped
from django_telroi.web.cards import CardPlace, current_path, page_url
from django_telroi.web.forms import PhoneForm
from django_telroi.web.kept_call import NoCallNeeded
from django_telroi.web.notices import SAME_NUMBER, Notice
from django_telroi.web.seen_attempt import is_open
from django_telroi.web.session import Flow, pop_notice
from django_telroi.web.start_page import StartView
from django_telroi.web.steps import change_step, with_way_back
from django_telroi.web.tickets import open_number, seal_number

__all__ = ["ChangePhoneView", "NewNumberForm"]


class NewNumberForm(PhoneForm):
    """Asks for the new number."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["number"].label = _("New phone number")


class ChangePhoneView(StartView):
    """Asks for the new number of a user and requests the call. A user without a number is redirected to verify one.

    A URL without a purpose is redirected to the purpose of their newest number, if they have none for ``""``.
    ``CodeView`` checks the code and replaces the old number, for the purpose of this page.
    """

    form_class = NewNumberForm

    def reauthenticate(self) -> HttpResponseBase | None:
        """Override this to ask for the password again. Return a redirect to your page for that, or None to go on.

        It is called for each request to this page, by a user who is logged in. To use a decorator of another package
        instead, decorate the view in your URLconf.
        """
        return None

    def get_old_number(self) -> str | None:
        """Return the number to replace (E.164): the user's newest one for this purpose. None if they have none."""
        record = verified_phones(self.user).filter(purpose=self.purpose).first() if self.user else None
        return record.number if record else None

    @cached_property
    def old_number(self) -> str:
        """The number to replace, ``""`` if there is none."""
        return self.get_old_number() or ""

    def answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # The login comes first for every purpose, also one of ANONYMOUS_PURPOSES: only a user has a number to change.
        if self.user is None or not self.user.is_authenticated:
            return redirect_to_login(current_path(request))
        if self.purpose not in conf.purposes() or not conf.writes_record(self.purpose):
            return self.show(purpose_problem(), status=InvalidPurpose.http_status)
        if response := self.reauthenticate():
            return response
        if not self.old_number:
            next_ = self.ticket.next or self.flow.next
            if purpose := self._purpose_with_number():
                onward = "&" + urlencode({"next": next_}) if next_ else ""
                return HttpResponseRedirect(page_url("change", purpose) + onward)
            self.save_flow(replace(self.flow, next=next_))
            return HttpResponseRedirect(self.page_url("start"))
        return super().answer(request, *args, **kwargs)

    def _purpose_with_number(self) -> str:
        """Return the purpose of the user's newest number if this URL names no purpose, ``""`` if they have no number.

        A link without a purpose means "my number". A new number for ``""`` beside it would replace nothing.
        """
        if self.purpose or self.user is None:
            return ""
        theirs = verified_phones(self.user).values_list("purpose", flat=True)
        changeable = (each for each in theirs if each in conf.purposes() and conf.writes_record(each))
        return next(changeable, "")

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return the form for the new number, or a redirect to the code page if its call is open."""
        seen = settle_and_load_attempt(request, self.purpose)
        # The flow in the session may not be the change of this number. Its call and its notice are not of this page.
        is_of_page = open_number(self.flow.replaces, request) == self.old_number
        has_notice = is_of_page and self.has_notice("number")
        if seen and is_open(seen) and is_of_page and not has_notice and not self.flow.is_changing:
            self.save_flow(replace(self.flow, next=self.ticket.next or self.flow.next))
            return HttpResponseRedirect(self.page_url("code"))
        notice = pop_notice(request, self.purpose) if has_notice else None
        next_ = self.ticket.next or (self.flow.next if has_notice else "")
        place = CardPlace(purpose=self.purpose, next=next_, is_change=True)
        form = focused(phone_form(request, self.get_form_class(), notice, auto_id=place.auto_id))
        step = with_way_back(change_step(form, notice, self.old_number), seen if is_of_page else None)
        step = unless_stopped(step, notice)
        return self.show_at(place, step, attempt=self.flow.shown, status=200)

    @sensitive_variables()
    def compare(self, number: str, ringing: VerificationAttempt | None) -> None:
        """Raise NoCallNeeded if ``number`` (E.164) is the user's number already, or that of the call on show."""
        if number == self.old_number:
            raise NoCallNeeded(Notice("number", SAME_NUMBER))
        super().compare(number, ringing)

    @sensitive_variables()
    def begin(self, flow: Flow) -> Flow:
        flow = super().begin(flow)
        is_known = open_number(self.flow.replaces, self.request) == self.old_number
        sealed = self.flow.replaces if is_known else seal_number(self.old_number, self.request)
        return replace(flow, stored="", replaces=sealed)
