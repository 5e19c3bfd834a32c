"""Refusals on the pages of django-two-factor-auth.

Its login page and the page for a backup phone do not catch exceptions of a gateway, so a refusal would be an error 500.
The setup page catches them and shows a general text. None of them can be configured to do more. So two of its classes
get a further base class: the one of all its pages with several steps, and the one of the method "Phone call". These
classes call ``super()``, so subclasses of a site are covered too. A middleware would be a second line in the settings
and could not add an error to a form.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.forms import BaseForm
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from django_telroi import limits, services
from django_telroi.domain.states import Status
from django_telroi.errors import CooldownActive, VerificationRefused
from django_telroi.packages import TWO_FACTOR
from django_telroi.redaction import Secret, redact_arguments
from django_telroi.services.attempts.status import status_in_hand, status_of
from django_telroi.services.sentences import sentence, status_sentence

with TWO_FACTOR.needed_for("django_telroi.contrib.two_factor"):
    from phonenumber_field.phonenumber import to_python
    from two_factor.plugins.phonenumber.method import PhoneCallMethod
    from two_factor.plugins.phonenumber.models import PhoneDevice
    from two_factor.views.utils import IdempotentSessionWizardView

PURPOSE = "two-factor"
"""The purpose of these calls in the admin and in ``MAY_START``. It need not be in ``PURPOSES``, which is for pages."""

NOT_CALLED = _("We did not call your phone just now. If you have the digits of an earlier call, enter them.")
CALLED_BEFORE = _("Enter the digits of our last call.")

IS_CALLED = "telroi_is_called"
"""The attribute of a device that says whether the request has called it. It is missing if it was not to be called."""

NUMBER, CALLED, KEYS = "telroi_number", "telroi_called", "telroi_keys"
"""What a wizard keeps in its session: the digest of its number, those that it called, and the keys of the others."""
OWN_KEYS = ("keys", "key")
"""Where the two wizards of django-two-factor-auth keep the key of their codes."""


@dataclass
class WizardPage:
    """A request to one of the pages, and what its form must show about the call.

    ``is_called``: the phone rings or may ring. ``is_refused``: no call was placed. ``is_cooldown``: because the number
    was called a moment ago. ``message``: the sentence for the person, ``""`` for none.
    """

    request: HttpRequest = field(repr=False)
    is_called: bool = False
    is_refused: bool = False
    is_cooldown: bool = False
    message: str = ""


_page: ContextVar[WizardPage | None] = ContextVar("django_telroi_two_factor_page", default=None)


@redact_arguments("token")
@sensitive_variables()
def read_out_token(device: PhoneDevice, token: str) -> None:
    """Call the device's number and read out ``token``. On a page, store a refusal for its form; otherwise raise it."""
    page = _page.get()
    # A backup phone has no user until it is saved.
    user = device.user if device.user_id else getattr(page and page.request, "user", None)
    number = Secret(device.number.as_e164)
    # A saved device is called after the password of its user.
    is_known = True if device.user_id and device.pk else None
    try:
        if page:  # then the requester's address and user are counted too
            attempt = limits.read_out(page.request, number, token, user=user, purpose=PURPOSE, is_known=is_known)
        else:
            admission = services.Admission(is_known=is_known)
            attempt = services.read_out(number, token, user=user, purpose=PURPOSE, admit=lambda _call: admission)
        if attempt.status == Status.FAILED and (refusal := status_of(attempt, user=user).refusal):
            raise refusal
    except VerificationRefused as refused:
        if page is None:
            raise
        page.is_refused, page.is_cooldown = True, isinstance(refused, CooldownActive)
        page.message = sentence(refused.code, retry_after=refused.retry_after)
        setattr(device, IS_CALLED, False)
        return
    setattr(device, IS_CALLED, True)
    if page:
        page.is_called = True
        page.message = status_sentence(status_in_hand(attempt)) if attempt.status == Status.UNKNOWN else ""


class ShowsRefusals:
    """A base class of two-factor's pages: it shows on the form why no call was placed.

    A wizard of django-two-factor-auth has one key, whose codes fit every number that is typed into it. With this class
    each number has a key of its own. So only a code that was read out to a number sets this number up.
    """

    dispatch: Any  # defined by Django's View
    storage: Any  # defined by the wizard

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)  # type: ignore[misc]
        # The page's own ``dispatch`` may be decorated, and ``method_decorator`` bound that of the base class before
        # this class was inserted. So it is wrapped on the instance.
        self.dispatch = _known_as_page(self.dispatch)

    @sensitive_variables()
    def process_step(self, form: BaseForm) -> Any:
        number = getattr(form, "cleaned_data", {}).get("number")
        if number:
            spelled_alike = str(to_python(number))
            self._use_key_of(salted_hmac("django_telroi.two_factor", spelled_alike, algorithm="sha256").hexdigest())
        return super().process_step(form)  # type: ignore[misc]

    def _use_key_of(self, number: str) -> None:
        """Put the key of the last number aside, and use the key of this one. ``number``: its digest."""
        kept = self.storage.extra_data
        keys = kept.setdefault(KEYS, {})
        keys[kept.get(NUMBER, number)] = {name: kept.pop(name) for name in OWN_KEYS if name in kept}
        kept |= keys.get(number, {})
        kept[NUMBER] = number

    def render_next_step(self, form: BaseForm, **kwargs: Any) -> HttpResponseBase:
        """Stay at the step with the number if it was not called.

        In a cooldown, go on if this wizard has called the number: the code of that call is still valid.
        """
        page, kept = _page.get(), self.storage.extra_data
        if page and page.is_called and NUMBER in kept:
            kept[CALLED] = [*kept.get(CALLED, []), kept[NUMBER]]
        if page and page.is_refused and not (page.is_cooldown and kept.get(NUMBER) in kept.get(CALLED, [])):
            return self.render(form, **kwargs)
        return super().render_next_step(form, **kwargs)  # type: ignore[misc,no-any-return]

    def render(self, form: BaseForm | None = None, **kwargs: Any) -> HttpResponseBase:
        page = _page.get()
        if page and page.message:
            form = form or self.get_form()  # type: ignore[attr-defined]
            if not hasattr(form, "cleaned_data"):
                form.cleaned_data = {}  # ``add_error`` reads it, and the form of the next step is not bound yet
            form.add_error(None, page.message)
        return super().render(form, **kwargs)  # type: ignore[misc,no-any-return]


def _known_as_page(dispatch: Any) -> Any:
    """Return ``dispatch`` so that the gateway knows the request, and error reports show no token of its frames."""

    @sensitive_variables()
    def dispatch_as_page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        before = _page.set(WizardPage(request))
        try:
            response: HttpResponseBase = dispatch(request, *args, **kwargs)
            return response
        finally:
            _page.reset(before)

    return dispatch_as_page


class SaysWhetherCalled:
    """A base class of the method "Phone call": it does not say "We are calling your phone" if no call was placed."""

    def get_verbose_action(self, device: PhoneDevice) -> str:
        # By the device, because a response may be rendered after the page's ``dispatch``.
        is_called = getattr(device, IS_CALLED, None)
        if is_called is None:  # the page is shown again after a wrong code
            return str(CALLED_BEFORE)
        if not is_called:
            return str(NOT_CALLED)
        return super().get_verbose_action(device)  # type: ignore[misc,no-any-return]


def show_refusals() -> None:
    """Insert the two base classes. A second call changes nothing."""
    for base, into in ((ShowsRefusals, IdempotentSessionWizardView), (SaysWhetherCalled, PhoneCallMethod)):
        if not issubclass(into, base):
            into.__bases__ = (base, *into.__bases__)
