"""The pages of staff actions. GET asks for confirmation, POST performs the action. Each needs its own permission."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connections, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext
from django.views.decorators.debug import sensitive_variables

from django_telroi import services
from django_telroi.admin.actions.number_actions import BLOCK, STAFF_ACTIONS, UNBLOCK, Answer, ReasonForm, StaffAction
from django_telroi.admin.shared.chips import isolated, masked_mark, moment_in_sentence, on_one_line
from django_telroi.admin.shared.log_entries import UnnamedInLog
from django_telroi.admin.shared.old_pages import back_to_the_button, to_missing_row
from django_telroi.errors import AlreadyBlocked, ChangedMeanwhile, TelroiError, Unavailable
from django_telroi.models import PhoneNumber
from django_telroi.services.requester import user_name

APP = "django_telroi"
CONFIRM_PAGE = "admin/django_telroi/confirm.html"
QUESTION_PAGE = "admin/django_telroi/question.html"
"""A question with the facts, the consequence, perhaps a form, and a button."""
REVEAL_PAGE = "admin/django_telroi/reveal.html"
# Each number is a transaction of its own. One request does all of them, and must end before a web server's timeout.
MAX_AT_ONCE = 500


def staff_view(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Return ``view`` outside of ``ATOMIC_REQUESTS``, so that a later error does not roll back what a service saved."""
    # For each alias, because ATOMIC_REQUESTS is a setting of each database.
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def require_permissions(request: HttpRequest, *permissions: str) -> None:
    """Raise PermissionDenied unless the user has all of ``permissions`` of this app."""
    if not request.user.has_perms([f"{APP}.{permission}" for permission in permissions]):
        raise PermissionDenied


def actor_of(request: HttpRequest) -> str:
    """Return the user name for the timeline, or ``""`` without a user."""
    return user_name(request.user) if request.user.is_authenticated else ""


class StaffActionViews(UnnamedInLog):
    """The views of staff actions, for one number and for several numbers of the list."""

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, Callable[..., HttpResponse]] = {
            staff_action.name: partial(self.action_view, staff_action=staff_action) for staff_action in STAFF_ACTIONS
        }
        views["reveal"] = self.reveal_view
        ours = [
            path(
                f"<path:object_id>/{name}/",
                staff_view(self.admin_site.admin_view(view)),
                name=f"{APP}_phonenumber_{name}",
            )
            for name, view in views.items()
        ]
        # Django's own pages are not taken out of ATOMIC_REQUESTS, because they change nothing of ours.
        return [*ours, *super().get_urls()]

    def offered_actions(self, request: HttpRequest, phone: PhoneNumber) -> list[dict[str, Any]]:
        """Return the actions that apply to ``phone`` now and that the user may perform, with their URLs."""
        staff_actions = [
            staff_action
            for staff_action in STAFF_ACTIONS
            # A button that does nothing, or leads to 403, is not shown.
            if staff_action.fits(phone) and request.user.has_perm(f"{APP}.{staff_action.permission}")
        ]
        return [
            {"staff_action": staff_action, "url": self.number_url(staff_action.name, phone)}
            for staff_action in staff_actions
        ]

    def reveal_url(self, request: HttpRequest, phone: PhoneNumber) -> str:
        """Return the URL that shows the full number, or ``""`` if the user lacks the permission."""
        return self.number_url("reveal", phone) if request.user.has_perm(f"{APP}.view_full_number") else ""

    def action_view(self, request: HttpRequest, object_id: str, *, staff_action: StaffAction) -> HttpResponse:
        """Ask for confirmation (GET), or perform the action (POST with a valid form)."""
        # The view permission comes first. Otherwise the answer would tell a user without it which ids exist.
        phone = self.viewable_number(request, object_id)
        if phone is None:
            return to_missing_row(self, object_id)
        require_permissions(request, staff_action.permission)

        # The page may be old, or another member of staff was faster.
        if not staff_action.fits(phone):
            messages.warning(request, str(staff_action.idle))
            return HttpResponseRedirect(self.number_url("change", phone))
        form = reason_form(request, staff_action)
        if request.method != "POST" or (form and not form.is_valid()):
            return self.confirmation(request, staff_action, [phone], form=form, original=phone)
        # After "erase" the number's page may be gone, so the list is shown.
        if done := self.perform(request, staff_action, phone, form.cleaned_data if form else {}):
            messages.success(request, done)
        return HttpResponseRedirect(
            self.number_url("changelist") if staff_action.is_final else self.number_url("change", phone)
        )

    def perform(self, request: HttpRequest, staff_action: StaffAction, phone: PhoneNumber, answer: Answer) -> str:
        """Perform the action, log it in the admin log, and return the message for the user.

        If it fails, or another member of staff was faster, add a message about that to the request and return ``""``.
        The service writes the timeline.
        """
        try:
            result = staff_action.act(phone, actor_of(request), answer)
        except (TelroiError, DatabaseError) as error:
            messages.error(request, failure_sentence(error, phone))
            return ""
        if result is None or (isinstance(result, PhoneNumber) and not result.was_changed):
            messages.warning(request, str(staff_action.idle))
            return ""
        # Logged only after success. An entry must not claim an action that failed.
        done = str(staff_action.describe(result, answer) if staff_action.describe else staff_action.done)
        self.log_change(request, phone, " ".join(filter(None, (done, answer.get("reason")))))
        return done

    @sensitive_variables()
    def reveal_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Log the access, then show the full number in the response to this POST, which is not cached."""
        phone = self.viewable_number(request, object_id)
        if phone is None:
            return to_missing_row(self, object_id)
        require_permissions(request, "view_full_number")
        if request.method != "POST":
            return back_to_the_button(request, self.number_url("change", phone))
        # Logged first. If the database fails between the two, there is an entry too many, and never one too few.
        self.log_change(request, phone, _("The full number was shown."))
        number = services.reveal_number(phone, actor=actor_of(request))
        return self.page(
            request,
            REVEAL_PAGE,
            {
                "title": _("Full number"),
                "original": phone,
                "full_number": number,
                "back": self.number_url("change", phone),
            },
        )

    @admin.action(description=gettext_lazy("Block the selected numbers"), permissions=["block"])
    def block_selected(self, request: HttpRequest, phones: QuerySet[PhoneNumber]) -> HttpResponse | None:
        return self.perform_on_selected(request, BLOCK, phones)

    @admin.action(description=gettext_lazy("Unblock the selected numbers"), permissions=["block"])
    def unblock_selected(self, request: HttpRequest, phones: QuerySet[PhoneNumber]) -> HttpResponse | None:
        return self.perform_on_selected(request, UNBLOCK, phones)

    def has_block_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{APP}.{BLOCK.permission}")

    def perform_on_selected(
        self, request: HttpRequest, staff_action: StaffAction, phones: QuerySet[PhoneNumber]
    ) -> HttpResponse | None:
        """Ask for confirmation, or perform the action on each selected number that it applies to."""
        # One row more than allowed shows that there are too many, without a COUNT.
        rows = list(phones[: MAX_AT_ONCE + 1])
        if len(rows) > MAX_AT_ONCE:
            words = ngettext(
                "Select at most %(count)d number at once.", "Select at most %(count)d numbers at once.", MAX_AT_ONCE
            )
            messages.error(request, words % {"count": MAX_AT_ONCE})
            return None
        if not rows:
            # The list reads the selected rows with its filters, so they may exist.
            words = pgettext(
                "message", "None of the selected numbers is in this list any more. Perhaps they were deleted."
            )
            messages.warning(request, words)
            return None
        # A site may limit single numbers. Then nothing is done, as on the page of such a number.
        if not all(self.has_view_permission(request, phone) for phone in rows):
            raise PermissionDenied
        fitting = [phone for phone in rows if staff_action.fits(phone)]
        if not fitting:
            messages.warning(request, str(staff_action.idle))
            return None
        # The list posts the action first, and the confirmation page posts it again with this field.
        confirmed = "confirmed" in request.POST
        form = reason_form(request, staff_action, is_submitted=confirmed)
        if not confirmed or (form and not form.is_valid()):
            return self.confirmation(request, staff_action, fitting, form=form)
        answer = form.cleaned_data if form else {}
        done = sum(bool(self.perform(request, staff_action, phone, answer)) for phone in fitting)
        if done and staff_action.done_to:
            messages.success(request, staff_action.done_to(done) % {"count": done})
        return None

    def confirmation(
        self,
        request: HttpRequest,
        staff_action: StaffAction,
        phones: Sequence[PhoneNumber],
        *,
        form: ReasonForm | None,
        original: PhoneNumber | None = None,
    ) -> HttpResponse:
        several = ngettext("%(staff_action)s %(count)d number?", "%(staff_action)s %(count)d numbers?", len(phones))
        context = {
            "title": staff_action.question
            if original
            else several % {"staff_action": staff_action.label, "count": len(phones)},
            "staff_action": staff_action,
            "phones": phones,
            "masked": [masked_mark(phone.number) for phone in phones],
            "form": form,
            "original": original,
            "back": self.number_url("change", original) if original else self.number_url("changelist"),
            "action": None if original else f"{staff_action.name}_selected",
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return self.page(request, CONFIRM_PAGE, context)

    def page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        """Return a page inside this admin site. It is never cached."""
        # Django's templates resolve ``admin:`` URLs with it, for a site with several admin sites.
        request.current_app = self.admin_site.name
        page_context = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media, **context}
        response = TemplateResponse(request, template, page_context)
        add_never_cache_headers(response)
        return response

    def viewable_number(self, request: HttpRequest, object_id: str) -> PhoneNumber | None:
        """Return the number, None if it does not exist. Raises PermissionDenied if the user may not view it."""
        phone = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, phone):
            raise PermissionDenied
        return cast("PhoneNumber | None", phone)

    def number_url(self, page: str, phone: PhoneNumber | None = None) -> str:
        arguments = () if phone is None or page == "changelist" else (phone.pk,)
        return reverse(f"admin:{APP}_phonenumber_{page}", args=arguments, current_app=self.admin_site.name)


def reason_form(
    request: HttpRequest, staff_action: StaffAction, *, is_submitted: bool | None = None
) -> ReasonForm | None:
    """Return the form of the action, bound to the POST if it was submitted, or None if it has no form."""
    if staff_action.form is None:
        return None
    is_bound = request.method == "POST" if is_submitted is None else is_submitted
    return staff_action.form(request.POST if is_bound else None)


def failure_sentence(error: Exception, phone: PhoneNumber) -> str:
    """Return the error message for staff."""
    # After Unavailable the commit may have succeeded although its answer was lost. So that message does not say that
    # nothing was changed.
    number = {"number": on_one_line(phone.number)}
    if isinstance(error, Unavailable):
        words = _("The database failed. It is unknown whether %(number)s was changed. Check it before you try again.")
        return words % number
    if isinstance(error, AlreadyBlocked) and error.at:
        when = {"who": isolated(error.by), "when": moment_in_sentence(error.at, now=timezone.now()), **number}
        return pgettext("message", "%(who)s has blocked %(number)s already, %(when)s. Nothing was changed.") % when
    if isinstance(error, ChangedMeanwhile):
        return _("%(number)s was changed at the same time. Nothing was done. Try again.") % number
    return _("The action failed for %(number)s. Nothing was changed. Try again in a moment.") % number
