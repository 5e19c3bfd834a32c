"""Phone numbers: the list, and the page of one number."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.admin.actions.destination_pages import DestinationPages
from django_telroi.admin.actions.kill_switch import read_control
from django_telroi.admin.actions.note_views import NoteViews
from django_telroi.admin.numbers.never_called import NeverCalled
from django_telroi.admin.numbers.number_filters import BlockedFilter, StateFilter, VerifiedFilter
from django_telroi.admin.numbers.number_page import facts_of
from django_telroi.admin.numbers.number_status import NumberStatus, blocks_of_row, number_status_of
from django_telroi.admin.overview.attacks import destination_tools
from django_telroi.admin.overview.overview_pages import OverviewPages
from django_telroi.admin.shared.callers import (
    CallerSearch,
    meant_numbers,
    phones_of_users_named,
    stored_phones,
    words_for_phones,
)
from django_telroi.admin.shared.chips import bar, masked_mark, moment_mark, region_mark, time_mark
from django_telroi.admin.shared.failures import FailuresAnswered
from django_telroi.admin.shared.filters import CalledRegionFilter
from django_telroi.admin.shared.lists import CheapList, OneColumnChangeList, ReadOnly, Tool
from django_telroi.admin.shared.marks import with_label
from django_telroi.admin.shared.number_lookups import last_digits_in, masked_number_in, may_view_full_numbers
from django_telroi.admin.shared.search import (
    FoundFilter,
    Narrowing,
    uuid_in,
)
from django_telroi.domain.states import Status
from django_telroi.models import BlockedDestination, PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.models.sealed import is_number_sealed
from django_telroi.services import blocked_destinations

NARROW = 28

if TYPE_CHECKING:

    class ListedNumber(PhoneNumber):
        """A number with the attributes that the list adds."""

        number_status: NumberStatus
        recorded_at: datetime | None
        right_code_at: datetime | None
        last_verified_at: datetime | None
        blocked_destination: str | None
        destination_until: datetime | None


class NumberChangeList(OneColumnChangeList):
    """Adds the status and the last verification to each row of a page, all computed for the same moment."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[PhoneNumber]:
        records = VerifiedPhone.objects.filter(number=OuterRef("number")).order_by("-verified_at").values("verified_at")
        # Ordered by created_at, which is indexed. It gives the newest verification, because a number has one open call.
        verified = VerificationAttempt.objects.filter(phone=OuterRef("pk"), status=Status.VERIFIED)
        attempts = verified.order_by("-created_at").values("verified_at")
        phones: QuerySet[PhoneNumber] = super().get_queryset(request, exclude_parameters)
        phones = phones.annotate(recorded_at=Subquery(records[:1]), right_code_at=Subquery(attempts[:1]))
        if is_number_sealed():
            return phones  # the database cannot compare prefixes: see ``get_results``
        # Here and not in a query of its own, because a list executes at most six.
        block = blocks_of_row(now=timezone.now())
        return phones.annotate(
            blocked_destination=Subquery(block.values("destination")[:1]),
            destination_until=Subquery(block.values("until")[:1]),
        )

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # Read once, so that all rows of a page show the same moment.
        policy, now, is_stopped = conf.policy(), timezone.now(), read_control(request).stopped_at is not None
        is_sealed = is_number_sealed()
        blocks = blocked_destinations(now=now) if is_sealed else []
        for phone in self.result_list:
            if not is_sealed:
                block = phone.blocked_destination
                blocks = [BlockedDestination(destination=block, until=phone.destination_until)] if block else []
            phone.number_status = number_status_of(phone, policy=policy, now=now, is_stopped=is_stopped, blocks=blocks)
            # A purge deletes the attempt but not the VerifiedPhone. A person without an account has no VerifiedPhone.
            phone.last_verified_at = max(filter(None, (phone.recorded_at, phone.right_code_at)), default=None)


class PhoneNumberAdmin(
    FailuresAnswered, ReadOnly, CallerSearch, NoteViews, NeverCalled, OverviewPages, DestinationPages, CheapList
):
    """The list of numbers, the page of one number, its staff actions, the overview and the kill switch."""

    list_display = ("masked", "state", "used", "next_call", "last_call", "last_verified")
    list_filter = (FoundFilter, StateFilter, CalledRegionFilter, BlockedFilter, VerifiedFilter)
    posted_search_help = _(
        "A number as the caller says it or as it is shown here, its last four digits, a user or an e-mail address, or "
        "the public id of an attempt."
    )
    ordering = ("-id",)
    fields = ("created_at",)
    actions = ("block_selected", "unblock_selected")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NumberChangeList

    def list_tools(self, request: HttpRequest) -> list[Tool]:
        return [*super().list_tools(request), *destination_tools(request, self.admin_site)]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the page of one number. Its template shows facts instead of Django's form."""
        # Django answers with its own 403, or with its message that the number does not exist.
        phone = self.get_object(request, unquote(object_id))
        if phone is None or not self.has_view_permission(request, phone):
            return super().change_view(request, object_id, form_url, extra_context)
        facts = facts_of(phone, request=request, site=self.admin_site, now=timezone.now())
        context = {
            **facts,
            **self.note_context(request, phone),
            "staff_actions": self.offered_actions(request, phone),
            "reveal_url": self.reveal_url(request, phone),
            "history_url": self.number_url("history", phone),
            **(extra_context or {}),
        }
        response = super().change_view(request, object_id, form_url, context)
        # The state is true for this second only. The back button must not show an old one with its actions.
        add_never_cache_headers(response)
        return response

    @sensitive_variables()
    def find(self, request: HttpRequest, term: str) -> PhoneNumber | Narrowing | None:
        if uuid := uuid_in(term):
            return PhoneNumber.objects.filter(attempts__uuid=uuid).first()
        if last4 := last_digits_in(term):
            return Narrowing(gettext("ends in %(digits)s") % {"digits": last4}, {"last4": last4})
        if masked := masked_number_in(term):
            lookups = masked.lookups("number", ids="pk", may_guess=may_view_full_numbers(request))
            several = Narrowing(str(masked), lookups)
            found = list(PhoneNumber.objects.filter(**several.lookups)[:2])
            return several if len(found) != 1 else found[0]
        # A user name may look like a number, so it is the last.
        phones = stored_phones(meant_numbers(term)) or phones_of_users_named(term, request=request)
        if len(phones) < 2:
            return phones[0] if phones else None
        return Narrowing(words_for_phones(phones), {"pk__in": [phone.pk for phone in phones]})

    @admin.display(description=_("number"), ordering="id")
    def masked(self, phone: ListedNumber) -> SafeString:
        return format_html("{} {}", masked_mark(phone.number), region_mark(phone.region))

    @admin.display(description=_("state"))
    def state(self, phone: ListedNumber) -> str:
        return phone.number_status.mark

    @admin.display(description=_("calls used"))
    def used(self, phone: ListedNumber) -> SafeString:
        status, policy = phone.number_status, phone.number_status.policy
        hour = bar(status.used_of_hour, policy.per_hour, width=NARROW)
        day = bar(status.used_of_day, policy.per_day, width=NARROW)
        words = (gettext("1 h"), gettext("24 h"))
        return format_html(
            '<span class="telroi-windows"><span>{}</span>{}<span>{}</span>{}</span>', words[0], hour, words[1], day
        )

    @admin.display(description=_("next call possible"), ordering="next_call_at")
    def next_call(self, phone: ListedNumber) -> SafeString:
        status = phone.number_status
        mark = moment_mark(status.until, status.next_call) if status.until else escape(status.next_call or "–")
        return with_label(gettext("Next call"), mark)

    @admin.display(description=_("last call"), ordering="last_call_at")
    def last_call(self, phone: ListedNumber) -> SafeString:
        return with_label(gettext("Last call"), time_mark(phone.last_call_at, now=phone.number_status.now))

    @admin.display(description=_("last verified"))
    def last_verified(self, phone: ListedNumber) -> SafeString:
        return with_label(gettext("Last verified"), time_mark(phone.last_verified_at, now=phone.number_status.now))
