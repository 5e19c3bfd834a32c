"""Verification attempts: the list, the page of one attempt, and the export."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.admin.actions.note_views import NoteViews
from django_telroi.admin.actions.user_wrong_codes import UserWrongCodesViews
from django_telroi.admin.attempts.attempt_page import story_of
from django_telroi.admin.shared import marks
from django_telroi.admin.shared.callers import (
    CallerSearch,
    meant_numbers,
    stored_phones,
    users_named,
    words_for_phones,
    words_for_users,
)
from django_telroi.admin.shared.chips import masked_mark, moment_mark, moment_words
from django_telroi.admin.shared.export import CHUNK, csv_response, iso_moment, seconds_between
from django_telroi.admin.shared.failures import FailuresAnswered
from django_telroi.admin.shared.filters import (
    MAX_DIGITS_OF_A_KEY,
    DayFilter,
    ErrorFilter,
    LinkedFilter,
    ModeFilter,
    PurposeFilter,
    RegionFilter,
    StatusFilter,
)
from django_telroi.admin.shared.lists import FixedOrderChangeList, ReadOnly, UncountedList, without_nul
from django_telroi.admin.shared.log_entries import log_export
from django_telroi.admin.shared.meanings import error_name
from django_telroi.admin.shared.narrow_filters import (
    NARROW_FILTERS,
    AddressFilter,
    KeyFilter,
    PrefixFilter,
    SpanFilter,
    UserFilter,
)
from django_telroi.admin.shared.number_lookups import (
    last_digits_in,
    masked_number_in,
    may_view_full_numbers,
    take_number,
    with_numbers,
)
from django_telroi.admin.shared.old_pages import back_to_the_button
from django_telroi.admin.shared.search import (
    FOUND,
    FoundFilter,
    Narrowing,
    address_in,
    uuid_in,
)
from django_telroi.domain.phone import mask_digits_in
from django_telroi.domain.states import BY_WORKER
from django_telroi.models import VerificationAttempt
from django_telroi.models.sealed import is_number_sealed
from django_telroi.services.attempts.find import settle_attempt
from django_telroi.services.attempts.transitions import apply_overdue_unsaved
from django_telroi.services.requester import mask_e164_in, plain, user_name

_MODES = {True: "live", False: "test", None: ""}
MAX_ROWS = 100_000
"""Rows of an export. A web server may end a longer response, and a file that ends early looks complete."""

# In English and not translated: scripts read the file.
COLUMNS = (
    *("id", "requested", "number", "region", "user", "purpose", "status", "error", "error_code", "telroi_said"),
    *("dispatch", "livemode", "telroi_id", "language", "tries", "max_tries"),
    *("dialed", "placed", "verified", "closed", "seconds_to_placed", "seconds_to_verified"),
)


def export_attempts(request: HttpRequest, attempts: QuerySet[VerificationAttempt]) -> StreamingHttpResponse:
    """Return a CSV download of ``attempts``, a queryset of ``with_numbers``, and record it in the admin log."""
    _log(request)
    name, zone = f"attempts-{timezone.localtime():%Y-%m-%d-%H%M}.csv", timezone.get_current_timezone()
    columns = (*COLUMNS, "key") if conf.has_named_keys() else COLUMNS
    return csv_response(name, columns, _table(attempts, zone=zone), request=request)


FILTERS_WITHOUT_NUMBERS = frozenset(
    each.parameter_name for each in (LinkedFilter, DayFilter, UserFilter, AddressFilter, SpanFilter)
)
"""Filters with ids, addresses and moments, whose digits are no number."""


def _log(request: HttpRequest) -> None:
    """Record the export with its filters. A purpose or a prefix in a URL may be any text, so numbers are masked."""
    # The token of a search means nothing to a reader of the log, and the search itself may be for a number.
    shows_ends = not is_number_sealed()
    given = [(key, plain(value)) for key, value in request.GET.items() if key != FOUND]
    filters = [
        f"{key}={mask_e164_in(text) if key in FILTERS_WITHOUT_NUMBERS else mask_digits_in(text, shows_ends=shows_ends)}"
        for key, text in given
    ]
    filters += [gettext("search")] if request.GET.get(FOUND) else []
    exported = pgettext("admin log", "Exported attempts as CSV: %(filters)s") % {
        "filters": ", ".join(filters) or pgettext("exported attempts", "all")
    }
    log_export(request, exported)


def _table(attempts: QuerySet[VerificationAttempt], *, zone: tzinfo) -> Iterator[Sequence[object]]:
    # The current status, without saving it: an export is a read. A site may have no sweep.
    now = timezone.now()
    for written, attempt in enumerate(_newest_first(attempts)):
        if written == MAX_ROWS:
            yield (f"There are more than {MAX_ROWS} rows. Choose a shorter time, and export again.",)
            return
        yield _row(apply_overdue_unsaved(take_number(attempt), now=now), zone)


def _newest_first(attempts: QuerySet[VerificationAttempt]) -> Iterator[VerificationAttempt]:
    """Yield the attempts, newest first. Each chunk is one query that begins after the last row of the chunk before.

    A cursor over all rows would stay open for the whole download, and MySQL's would load all rows into memory.
    Attempts that are requested during the export are not included.
    """
    rows = attempts.order_by("-created_at", "-id")
    chunk = list(rows[:CHUNK])
    while chunk:
        yield from chunk
        moment, pk = chunk[-1].created_at, chunk[-1].pk
        older = Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=pk)
        chunk = list(rows.filter(older, created_at__lte=moment)[:CHUNK]) if len(chunk) == CHUNK else []


def _row(attempt: VerificationAttempt, zone: tzinfo) -> Sequence[object]:
    moments = (attempt.dialed_at, attempt.placed_at, attempt.verified_at, attempt.closed_at)
    return (
        attempt.pk,
        iso_moment(attempt.created_at, zone),
        attempt.masked_number,
        attempt.region,
        user_name(attempt.user, number=attempt.number),
        attempt.purpose,
        attempt.status,
        error_name(attempt.error_code),
        attempt.error_code,
        attempt.error_detail,
        attempt.dispatch,
        _MODES[attempt.livemode],
        attempt.telroi_id,
        attempt.language,
        attempt.tries,
        attempt.max_tries,
        *(iso_moment(moment, zone) for moment in moments),
        seconds_between(attempt.created_at, attempt.placed_at),
        seconds_between(attempt.created_at, attempt.verified_at),
        *((attempt.key_name,) if conf.has_named_keys() else ()),
    )


EXPORT = "django_telroi.export_attempts"
LEAVES_OUT = pgettext_lazy(
    "help",
    "Without the permission to view full numbers, this list leaves out the numbers of which fewer than two digits "
    "would stay hidden. The overview counts their calls too.",
)


class AttemptChangeList(FixedOrderChangeList):
    """Shows overdue attempts with their final status, without saving it."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        now = timezone.now()
        for attempt in self.result_list:
            apply_overdue_unsaved(take_number(attempt), now=now)


class AttemptExport(admin.ModelAdmin):  # type: ignore[type-arg]
    """The view of the export. Must be a base after ``FailuresAnswered``, which answers only for the URLs of those."""

    def get_urls(self) -> list[URLPattern]:
        export = path(
            "export/", self.admin_site.admin_view(self.export_view), name="django_telroi_verificationattempt_export"
        )
        return [export, *super().get_urls()]

    def has_export_permission(self, request: HttpRequest) -> bool:
        return bool(self.has_view_permission(request) and request.user.has_perm(EXPORT))

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Export the filtered list as CSV. The response is streamed, so memory use does not grow with the rows."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        listed = reverse("admin:django_telroi_verificationattempt_changelist", current_app=self.admin_site.name)
        if request.method != "POST":
            return back_to_the_button(request, f"{listed}?{request.GET.urlencode()}" if request.GET else listed)
        request.GET = without_nul(request.GET)  # type: ignore[assignment]
        # The change list applies the filters of the URL, so the file has the rows of the list that the user sees.
        try:
            rows: QuerySet[VerificationAttempt] = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return HttpResponseRedirect(f"{listed}?{ERROR_FLAG}=1")  # as Django redirects from the list
        return export_attempts(request, rows)


class VerificationAttemptAdmin(
    FailuresAnswered, ReadOnly, AttemptExport, CallerSearch, NoteViews, UserWrongCodesViews, UncountedList
):
    """The list of attempts, and the page of one attempt with its timeline. Attempts cannot be edited."""

    list_display = ("requested", "masked", "status_and_error", "requester", "tries_used", "took")
    list_display_links = ("requested", "masked")
    list_filter = (
        FoundFilter,
        LinkedFilter,
        DayFilter,
        StatusFilter,
        ErrorFilter,
        PurposeFilter,
        RegionFilter,
        KeyFilter,
        ModeFilter,
        *NARROW_FILTERS,
    )
    list_select_related = ("user",)
    ordering = ("-created_at", "-id")
    linked_lookups = ("status", "error_code", "purpose", "region", "key_name", "livemode")
    fields = ("masked",)
    posted_search_help = _(
        "A number as the caller says it or as it is shown here, its last four digits, a user or an e-mail address, the "
        "requester's IP address, the public id of an attempt, or the provider's id of a call."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[VerificationAttempt]:
        # One query for the page with its numbers, instead of one for each row.
        rows: QuerySet[VerificationAttempt] = super().get_queryset(request)
        return with_numbers(rows)

    @admin.display(description=_("requested"))
    def requested(self, attempt: VerificationAttempt) -> SafeString:
        return moment_mark(attempt.created_at, moment_words(attempt.created_at, now=timezone.now()))

    @admin.display(description=_("number"))
    def masked(self, attempt: VerificationAttempt) -> SafeString:
        return masked_mark(attempt.number)

    @admin.display(description=_("status"))
    def status_and_error(self, attempt: VerificationAttempt) -> SafeString:
        return marks.status_and_error(attempt)

    @admin.display(description=_("user and purpose"))
    def requester(self, attempt: VerificationAttempt) -> SafeString:
        mark = marks.requester(user_name(attempt.user, number=attempt.number), attempt.purpose)
        return marks.with_label(gettext("user and purpose"), mark)

    @admin.display(description=_("tries"))
    def tries_used(self, attempt: VerificationAttempt) -> SafeString:
        return marks.with_label(gettext("tries"), marks.tries(attempt))

    @admin.display(description=_("placed → verified"))
    def took(self, attempt: VerificationAttempt) -> SafeString:
        # "At once" below the times would say when the code was verified.
        dispatch = marks.small(str(attempt.get_dispatch_display())) if attempt.dispatch in BY_WORKER else ""
        return marks.with_label(gettext("placed → verified"), format_html("{} {}", marks.took(attempt), dispatch))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[AttemptChangeList]:
        return AttemptChangeList

    @sensitive_variables()
    def find(self, request: HttpRequest, term: str) -> Model | Narrowing | None:
        rows = VerificationAttempt.objects.all()
        # From the most exact to the least: an id names one attempt, a number has several, four digits have many. A user
        # name may look like a number, so it is the last.
        uuid = uuid_in(term)
        if attempt := (uuid and rows.filter(uuid=uuid).first()) or rows.filter(telroi_id=term).first():
            return attempt
        if last4 := last_digits_in(term):
            return Narrowing(gettext("ends in %(digits)s") % {"digits": last4}, {"phone__last4": last4})
        if masked := masked_number_in(term):
            lookups = masked.lookups("phone__number", ids="phone", may_guess=may_view_full_numbers(request))
            return Narrowing(str(masked), lookups)
        if address := address_in(term):
            return Narrowing(address, {"requester_ip": address})
        if phones := stored_phones(meant_numbers(term)):
            return Narrowing(words_for_phones(phones), {"phone__in": [phone.pk for phone in phones]})
        users = users_named(term)
        return Narrowing(words_for_users(users), {"user__in": [str(user.pk) for user in users]}) if users else None

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_export = {"telroi_may_export": self.has_export_permission(request)}
        response = super().changelist_view(request, {**may_export, **(extra_context or {})})
        # For each prefix. A message only beside a list that leaves out rows would confirm hidden digits.
        leaves_out = PrefixFilter.parameter_name in request.GET and not may_view_full_numbers(request)
        if leaves_out and isinstance(response, TemplateResponse):
            messages.info(request, str(LEAVES_OUT))
        return response

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> VerificationAttempt | None:
        """Save the final status of an overdue attempt, then return the attempt."""
        # Without the permission the page is 403, and a request of that user must not write.
        key = unquote(object_id)
        if len(key) > MAX_DIGITS_OF_A_KEY:
            return None
        if self.has_view_permission(request) and key.isdecimal():
            settle_attempt(int(key))
        attempt: VerificationAttempt | None = super().get_object(request, object_id, from_field)
        return attempt and take_number(attempt)

    def prepare_page(self, request: HttpRequest, row: Any, context: dict[str, Any]) -> None:
        context["story"] = story_of(row, site=self.admin_site, request=request)
        context.update(self.note_context(request, row), reset_user_url=self.reset_user_url(request, row))
