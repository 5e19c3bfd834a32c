"""The account adapter: django-allauth makes and checks the code, and a call reads it out.

Verified numbers are in ``VerifiedPhone``. A number that is not verified yet is in the person's session, where
django-allauth itself keeps it too, and after the first call also in the row of that call.
"""

from __future__ import annotations

import time
from typing import Any

from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf, limits, services
from django_telroi.domain.phone import parse_phone
from django_telroi.domain.states import Status
from django_telroi.errors import NumberTaken, VerificationRefused
from django_telroi.models import VerifiedPhone
from django_telroi.packages import ALLAUTH
from django_telroi.services.accounts.external_verifications import number_called_for
from django_telroi.services.attempts.status import status_in_hand
from django_telroi.services.sentences import STATUS_SENTENCES, sentence
from django_telroi.services.shared.secrets import new_code
from django_telroi.services.shared.transactions import write_alias

with ALLAUTH.needed_for("django_telroi.contrib.allauth"):
    from allauth.account import app_settings
    from allauth.account.adapter import DefaultAccountAdapter
    from allauth.core import context
    from allauth.core.exceptions import ImmediateHttpResponse

    from django_telroi.contrib.allauth.headless import error_response, is_headless_request

__all__ = ["TelroiAccountAdapter", "TelroiAdapterMixin"]

SESSION_KEY = "telroi_allauth"
"""Has the user's key, their unverified number, and the code of the last call, until the number is verified."""

REFUSAL_ATTRIBUTE = "_telroi_refusal"
"""The attribute of the request that holds why its call was refused or failed."""

SENT_TEMPLATES = {"account/messages/phone_verification_sent.txt", "account/messages/login_code_sent.txt"}

# Names of allauth's URLs: of its pages ("account_…") and of its API.
PASSWORD_LOGINS = {"account_login", "login"}
PAGES_WITH_RESEND = {"account_confirm_login_code", "account_verify_phone"}
RESENDS = {"resend_login_code", "resend_phone_verification_code"}
REPEATABLE = {*RESENDS, "login", "manage_phone", "request_login_code"}

DURATION_KEY, DURATION_LIFETIME = "telroi:allauth:duration", 86_400
MAX_WAIT = 20.0
"""Seconds. A provider may need this long to answer."""


class TelroiAdapterMixin(DefaultAccountAdapter):  # type: ignore[misc]
    """Calls phone numbers for django-allauth. Put it before the other base classes of your adapter.

    ``telroi_purpose``: the purpose of the calls and of the ``VerifiedPhone`` records. A login uses only these records.
    """

    telroi_purpose = ""

    # Numbers of users

    def get_phone(self, user: AbstractBaseUser) -> tuple[str, bool] | None:
        """Return the user's newest verified number and True, else the number that waits for its code and False."""
        record = services.verified_phones(user).filter(purpose=self.telroi_purpose).first()
        if record is not None:
            return record.number, True
        pending = self._note().get("phone") if self._note().get("user") == str(user.pk) else None
        pending = pending or number_called_for(user, purpose=self.telroi_purpose)
        return (pending, False) if pending else None

    def set_phone(self, user: AbstractBaseUser, phone: str, verified: bool) -> None:  # noqa: FBT001 - allauth's signature
        """Keep ``phone`` until it is verified by a call.

        ``verified`` is ignored. It comes from another provider (social login), and a record in ``VerifiedPhone`` must
        mean that this site called the number.
        """
        self.request.session[SESSION_KEY] = {"user": str(user.pk), "phone": phone}

    def set_phone_verified(self, user: AbstractBaseUser, phone: str) -> None:
        """Write the ``VerifiedPhone``. A new number replaces the user's earlier ones of this purpose."""
        try:
            services.record_verification(user, phone, purpose=self.telroi_purpose, replace=True)
        except NumberTaken:
            # The form has found no owner, so another account verified the number since then.
            raise ImmediateHttpResponse(self._answer_to_slower_account()) from None
        self.request.session.pop(SESSION_KEY, None)

    def _answer_to_slower_account(self) -> HttpResponseBase:
        """Return the form's error ``phone_taken``: as JSON for the API, else on the page of the code, loaded again."""
        error = self.validation_error("phone_taken")
        if is_headless_request(self.request):
            return error_response(self.request, error)
        self.add_message(self.request, messages.ERROR, message=" ".join(error.messages))
        return HttpResponseRedirect(self.request.path)

    def get_user_by_phone(self, phone: str) -> AbstractBaseUser | None:
        """Return the user who verified ``phone`` last for ``telroi_purpose``. None if no user has verified it.

        An account with an unverified number is not found. Otherwise a stranger could sign up with the number of
        another person, never verify it, and so keep that person from signing up.
        """
        records = VerifiedPhone.objects.using(write_alias()).filter(purpose=self.telroi_purpose, number=phone)
        newest = records.select_related("user").order_by("-verified_at", "-pk").first()
        return None if newest is None else newest.user

    # Forms

    def phone_form_field(self, **kwargs: Any) -> Any:
        """Return the field of a number. With ``DEFAULT_REGION`` it also accepts national spellings."""
        # With user names, allauth calls this field to find out whether a text is a number. "12345678" is none then.
        if conf.default_region() and "username" not in app_settings.LOGIN_METHODS:
            kwargs.setdefault("validators", [])
        return super().phone_form_field(**kwargs)

    @sensitive_variables()
    def clean_phone(self, phone: str) -> str:
        """Return the number in E.164 form. Raises ValidationError if it is none, or cannot be called now.

        The answer is the same whether or not an account has the number. A login with a password places no call, so it
        must also work while calls are stopped.
        """
        request = context.request
        try:
            number = parse_phone(phone, default_region=conf.default_region()).number
            if not _is_password_login(request):
                limits.check_start(request, number, user=request.user)
        except VerificationRefused as refusal:
            raise _form_error(refusal) from None
        return str(super().clean_phone(number))

    # Codes and calls

    def generate_phone_verification_code(self, *, user: AbstractBaseUser, phone: str) -> str:
        """Return digits, because a call reads them out. A repeated call reads out the code of the call before.

        Otherwise a repeated call that is refused would make the code invalid that the person has already heard.
        """
        note = self._note()
        if _is_resend(context.request) and note.get("phone") == phone and "code" in note:
            return str(note["code"])
        return str(new_code(conf.code_length()))

    @sensitive_variables()
    def send_verification_code_sms(self, user: AbstractBaseUser, phone: str, code: str, **kwargs: Any) -> None:
        """Call the number and have the code read out. A refusal is shown on the next page, or answered as JSON."""
        self.request.session[SESSION_KEY] = {"user": str(user.pk), "phone": phone, "code": str(code)}
        begun = time.monotonic()
        try:
            attempt = limits.read_out(self.request, phone, code, user=user, purpose=self.telroi_purpose)
        except VerificationRefused as refusal:
            self._show(refusal)
            return
        cache.set(DURATION_KEY, time.monotonic() - begun, DURATION_LIFETIME)
        if refusal_of_call := status_in_hand(attempt).refusal:
            self._show(refusal_of_call)

    def send_unknown_account_sms(self, phone: str, **kwargs: Any) -> None:
        """Place no call: no account has this number, and a site must not call strangers."""
        self._count_decoy(phone)

    def send_account_already_exists_sms(self, phone: str) -> None:
        """Place no call: the owner of the account did not ask for this sign-up."""
        self._count_decoy(phone)

    @sensitive_variables()
    def _count_decoy(self, phone: str) -> None:
        """Count, refuse and take as long as a call, so that the answer does not show which numbers have an account."""
        try:
            limits.count_decoy(self.request, phone)
        except VerificationRefused as refusal:
            self._show(refusal)
            return
        time.sleep(min(cache.get(DURATION_KEY, 0.0), MAX_WAIT))

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        """Show that a call was placed instead of "a code was sent", or why there is no call."""
        if message_template in SENT_TEMPLATES and "phone" in (message_context or {}):
            refusal: VerificationRefused | None = getattr(request, REFUSAL_ATTRIBUTE, None)
            message_template, message = None, str(STATUS_SENTENCES[Status.PLACED])
            if refusal:
                level, message = messages.ERROR, _sentence(refusal)
        super().add_message(request, level, message_template, message_context, extra_tags, message)

    def _show(self, refusal: VerificationRefused) -> None:
        """Let the next page show why there is no call. Raises an answer with the error for the API.

        A sign-up over the API is not answered with an error, because its user exists and waits for a code. The client
        asks for another call, and that request is answered with the error.
        """
        setattr(self.request, REFUSAL_ATTRIBUTE, refusal)
        if is_headless_request(self.request) and _url_name(self.request) in REPEATABLE:
            raise ImmediateHttpResponse(error_response(self.request, _form_error(refusal)))

    def _note(self) -> dict[str, str]:
        note: dict[str, str] = self.request.session.get(SESSION_KEY, {})
        return note


class TelroiAccountAdapter(TelroiAdapterMixin):
    """The adapter for a site that has none of its own."""


def _url_name(request: HttpRequest) -> str | None:
    return None if request.resolver_match is None else request.resolver_match.url_name


def _is_password_login(request: HttpRequest) -> bool:
    return _url_name(request) in PASSWORD_LOGINS


def _is_resend(request: HttpRequest) -> bool:
    """Return whether this request repeats a call of a code that is checked now.

    Not every request with ``action=resend``: a request that starts anew resets the count of wrong codes, so it must get
    a new code.
    """
    is_page = _url_name(request) in PAGES_WITH_RESEND and request.POST.get("action") == "resend"
    return is_page or _url_name(request) in RESENDS


def _sentence(refusal: VerificationRefused) -> str:
    return sentence(refusal.code, retry_after=refusal.retry_after)


def _form_error(refusal: VerificationRefused) -> ValidationError:
    return ValidationError(_sentence(refusal), code=refusal.code)
