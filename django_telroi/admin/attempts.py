"""Every attempt, as it stands by now, and its story."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from django_telroi.admin import marks
from django_telroi.admin.attempt_numbers import take_number, with_numbers
from django_telroi.admin.attempts_csv import export_attempts
from django_telroi.admin.chips import moment_mark, moment_words
from django_telroi.admin.filters import (
    DayFilter,
    ErrorFilter,
    LinkedFilter,
    ModeFilter,
    PurposeFilter,
    RegionFilter,
    StatusFilter,
)
from django_telroi.admin.paging import FixedOrderChangeList, UncountedList
from django_telroi.admin.readonly import ReadOnly, masked_mark
from django_telroi.admin.search import FoundFilter, Narrowing, PostedSearch, last_digits_in, number_in, uuid_in
from django_telroi.admin.story import story_of
from django_telroi.models import VerificationAttempt
from django_telroi.services.attempts import settle_attempt
from django_telroi.services.names import user_name
from django_telroi.services.overdue import show_as_it_stands

EXPORT = "django_telroi.export_attempts"


class AttemptChangeList(FixedOrderChangeList):
    """Shows what is overdue as what it has become, and writes nothing."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        now = timezone.now()
        for attempt in self.result_list:
            show_as_it_stands(take_number(attempt), now=now)


class VerificationAttemptAdmin(ReadOnly, PostedSearch, UncountedList):
    """Attempts, each with its story. Evidence: nobody changes any of it here."""

    list_display = ("requested", "masked", "standing", "asker", "tries_used", "took")
    list_display_links = ("requested", "masked")
    list_filter = (
        FoundFilter,
        LinkedFilter,
        DayFilter,
        StatusFilter,
        ErrorFilter,
        PurposeFilter,
        RegionFilter,
        ModeFilter,
    )
    list_select_related = ("user",)
    ordering = ("-created_at", "-id")
    linked_lookups = ("status", "error_code", "purpose", "region", "livemode")
    fields = ("masked",)
    posted_search_help = _(
        "A full number, its last four digits, a user, the public id of an attempt, or Telroi's id of a call."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[VerificationAttempt]:
        rows: QuerySet[VerificationAttempt] = super().get_queryset(request)
        return with_numbers(rows)

    @admin.display(description=_("requested"))
    def requested(self, attempt: VerificationAttempt) -> SafeString:
        return moment_mark(attempt.created_at, moment_words(attempt.created_at, now=timezone.now()))

    @admin.display(description=_("number"))
    def masked(self, attempt: VerificationAttempt) -> SafeString:
        return masked_mark(attempt.number)

    @admin.display(description=_("status"))
    def standing(self, attempt: VerificationAttempt) -> SafeString:
        return marks.standing(attempt)

    @admin.display(description=_("user and purpose"))
    def asker(self, attempt: VerificationAttempt) -> SafeString:
        return marks.asker(user_name(attempt.user, number=attempt.number), attempt.purpose)

    @admin.display(description=_("tries"))
    def tries_used(self, attempt: VerificationAttempt) -> SafeString:
        return marks.labelled(gettext("tries"), marks.tries(attempt))

    @admin.display(description=_("placed → verified"))
    def took(self, attempt: VerificationAttempt) -> SafeString:
        dispatch = marks.small(str(attempt.get_dispatch_display()))
        return marks.labelled(gettext("placed → verified"), format_html("{} {}", marks.took(attempt), dispatch))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[AttemptChangeList]:
        return AttemptChangeList

    @sensitive_variables()
    def find(self, request: HttpRequest, term: str) -> Model | Narrowing | None:
        rows = VerificationAttempt.objects.all()
        uuid = uuid_in(term)
        if attempt := (uuid and rows.filter(uuid=uuid).first()) or rows.filter(telroi_id=term).first():
            return attempt
        if phone := number_in(term):
            return Narrowing(str(phone), {"phone__id": phone.pk})
        if last4 := last_digits_in(term):
            return Narrowing(gettext("ends in %(digits)s") % {"digits": last4}, {"phone__last4": last4})
        users = get_user_model()
        user = users._default_manager.filter(**{users.USERNAME_FIELD: term}).first()
        return Narrowing(user_name(user), {"user": str(user.pk)}) if user else None

    def get_urls(self) -> list[URLPattern]:
        export = path(
            "export/", self.admin_site.admin_view(self.export_view), name="django_telroi_verificationattempt_export"
        )
        return [export, *super().get_urls()]

    def has_export_permission(self, request: HttpRequest) -> bool:
        return bool(self.has_view_permission(request) and request.user.has_perm(EXPORT))

    @method_decorator(require_POST)
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The list as it is filtered, as CSV; it streams, so that no number of rows fills the memory."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        try:
            rows: QuerySet[VerificationAttempt] = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return HttpResponseRedirect(
                reverse("admin:django_telroi_verificationattempt_changelist", current_app=self.admin_site.name)
            )
        return export_attempts(request, rows)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_export = {"telroi_may_export": self.has_export_permission(request)}
        return super().changelist_view(request, {**may_export, **(extra_context or {})})

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> VerificationAttempt | None:
        """What is overdue is settled before anybody reads it: the page tells what the row then says."""
        if self.has_view_permission(request) and unquote(object_id).isdecimal():
            settle_attempt(int(unquote(object_id)))
        attempt: VerificationAttempt | None = super().get_object(request, object_id, from_field)
        return attempt and take_number(attempt)

    def prepare_page(self, request: HttpRequest, row: Any, context: dict[str, Any]) -> None:
        context["story"] = story_of(row, site=self.admin_site, request=request)
