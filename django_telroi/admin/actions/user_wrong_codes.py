"""The wrong codes of the user of an attempt: what its page shows, and the page that resets them with a reason."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import ngettext, pgettext, pgettext_lazy
from django.views.decorators.debug import sensitive_variables

from django_telroi import services
from django_telroi.admin.actions.action_views import APP, actor_of, failure_sentence, require_permissions, staff_view
from django_telroi.admin.actions.number_actions import ReasonForm
from django_telroi.admin.shared.chips import listed, moment_words
from django_telroi.admin.shared.log_entries import UnnamedInLog
from django_telroi.admin.shared.old_pages import to_missing_row
from django_telroi.errors import TelroiError
from django_telroi.models import VerificationAttempt
from django_telroi.services.staff.support import wrong_codes_of_user

PERMISSION = "reset_wrong_codes"
PAGE = "admin/django_telroi/question.html"
NO_WRONG_CODES = pgettext_lazy("wrong codes of a user", "This user has no wrong codes.")


def words_for_user(user_id: object) -> str:
    """Return the wrong codes of a user in words, with the end of a wait or lock. ``""`` if there are none."""
    now = timezone.now()
    count, until = wrong_codes_of_user(user_id, now=now) if user_id is not None else (0, None)
    if not count:
        return ""
    words = ngettext("%(count)d in a row", "%(count)d in a row", count) % {"count": count}
    if until is None:
        return words
    end = pgettext("wrong codes of a user", "next call possible %(when)s") % {"when": moment_words(until, now=now)}
    return listed((words, end))


class UserWrongCodesViews(UnnamedInLog):
    """The view that resets the wrong codes of the user of an attempt."""

    def get_urls(self) -> list[URLPattern]:
        view = staff_view(self.admin_site.admin_view(self.reset_user_view))
        name = f"{APP}_verificationattempt_reset_user"
        return [path("<path:object_id>/reset_user/", view, name=name), *super().get_urls()]

    def reset_user_url(self, request: HttpRequest, attempt: VerificationAttempt) -> str:
        """Return the URL of the page, ``""`` if the user has no wrong codes or staff lack the permission."""
        if attempt.user_id is None or not request.user.has_perm(f"{APP}.{PERMISSION}"):
            return ""
        count, _ = wrong_codes_of_user(attempt.user_id, now=timezone.now())
        return self._attempt_url("reset_user", attempt) if count else ""

    @sensitive_variables()
    def reset_user_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the reason (GET), or reset the wrong codes and return to the page of the attempt (POST)."""
        attempt: VerificationAttempt | None = self.get_object(request, unquote(object_id))
        # The view permission comes first. Otherwise the answer would tell a user without it which ids exist.
        if not self.has_view_permission(request, attempt):
            raise PermissionDenied
        if attempt is None:
            return to_missing_row(self, object_id)
        require_permissions(request, PERMISSION)
        # The page may be old: the user was deleted, or another member of staff was faster.
        if (user := attempt.user) is None or not words_for_user(user.pk):
            messages.warning(request, NO_WRONG_CODES)
            return HttpResponseRedirect(self._attempt_url("change", attempt))
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            self._reset(request, attempt, user, form.cleaned_data["reason"])
            return HttpResponseRedirect(self._attempt_url("change", attempt))
        return self._reset_page(request, attempt, form)

    def _reset(self, request: HttpRequest, attempt: VerificationAttempt, user: AbstractBaseUser, reason: str) -> None:
        try:
            was_reset = services.reset_user_wrong_codes(user, reason=reason, actor=actor_of(request))
        except (TelroiError, DatabaseError) as error:
            messages.error(request, failure_sentence(error, attempt.phone))
            return
        if not was_reset:
            messages.warning(request, NO_WRONG_CODES)
            return
        done = pgettext("wrong codes of a user", "The wrong codes of the user are reset.")
        self.log_change(request, attempt, f"{done} {reason}")
        messages.success(request, done)

    def _reset_page(self, request: HttpRequest, attempt: VerificationAttempt, form: ReasonForm) -> HttpResponse:
        request.current_app = self.admin_site.name
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": pgettext("wrong codes of a user", "Reset the wrong codes of this user?"),
            "original": attempt,
            "form": form,
            "facts": [(pgettext("wrong codes of a user", "Wrong codes"), words_for_user(attempt.user_id))],
            "consequence": pgettext(
                "wrong codes of a user",
                "The wrong codes of this user no longer count, for all numbers. A wait or lock because of them ends.",
            ),
            "button": pgettext("wrong codes of a user", "Reset the wrong codes of the user"),
            "back": self._attempt_url("change", attempt),
        }
        response = TemplateResponse(request, PAGE, context)
        add_never_cache_headers(response)
        return response

    def _attempt_url(self, page: str, attempt: VerificationAttempt) -> str:
        name = f"admin:{APP}_verificationattempt_{page}"
        return reverse(name, args=[quote(str(attempt.pk))], current_app=self.admin_site.name)
