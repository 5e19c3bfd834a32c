"""Every number and how it stands."""

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

from django_telroi import conf
from django_telroi.admin.chips import ago_mark, bar, moment_mark, moment_words, region_mark
from django_telroi.admin.lists import CheapList, Tool
from django_telroi.admin.marks import labelled
from django_telroi.admin.number_filters import BlockedFilter, StateFilter, VerifiedFilter
from django_telroi.admin.number_page import facts_of
from django_telroi.admin.overview import OverviewPages
from django_telroi.admin.paging import OneColumnChangeList
from django_telroi.admin.readonly import ReadOnly, masked_mark
from django_telroi.admin.regions import RegionFilter
from django_telroi.admin.search import FoundFilter, Narrowing, PostedSearch, last_digits_in, number_in, uuid_in
from django_telroi.admin.standing import NumberStanding, standing_of
from django_telroi.admin.stopping import KillSwitch
from django_telroi.domain.states import Status
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone

NARROW = 44

if TYPE_CHECKING:

    class ListedNumber(PhoneNumber):
        """A number as the list has it."""

        standing: NumberStanding
        recorded_at: datetime | None
        right_code_at: datetime | None
        last_verified_at: datetime | None


class NumberChangeList(OneColumnChangeList):
    """Each row of a page with how it stands at one moment, and with its last verification."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[PhoneNumber]:
        kept = VerifiedPhone.objects.filter(number=OuterRef("number")).order_by("-verified_at").values("verified_at")
        # By the request, for which there is an index: a number has one call at a time that takes codes.
        right = VerificationAttempt.objects.filter(phone=OuterRef("pk"), status=Status.VERIFIED)
        newest = right.order_by("-created_at").values("verified_at")
        phones: QuerySet[PhoneNumber] = super().get_queryset(request, exclude_parameters)
        return phones.annotate(recorded_at=Subquery(kept[:1]), right_code_at=Subquery(newest[:1]))

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        policy, now = conf.policy(), timezone.now()
        for phone in self.result_list:
            phone.standing = standing_of(phone, policy=policy, now=now)
            # A purge deletes the attempt and not the record; a person without an account has no record.
            phone.last_verified_at = max(filter(None, (phone.recorded_at, phone.right_code_at)), default=None)


class PhoneNumberAdmin(ReadOnly, PostedSearch, OverviewPages, KillSwitch, CheapList):
    """Numbers, and what staff may do to them."""

    list_display = ("masked", "state", "used", "next_call", "last_call", "last_verified")
    list_filter = (FoundFilter, StateFilter, RegionFilter, BlockedFilter, VerifiedFilter)
    posted_search_help = _("A full number, its last four digits, or the public id of an attempt.")
    ordering = ("-id",)
    fields = ("created_at",)
    actions = ("block_selected", "unblock_selected")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NumberChangeList

    def list_tools(self, request: HttpRequest) -> list[Tool]:
        return [*super().list_tools(request), *self.switch_tools(request)]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The number's own page; its template shows facts, where the stock one has a form."""
        phone = self.get_object(request, unquote(object_id))
        if phone is None or not self.has_view_permission(request, phone):
            return super().change_view(request, object_id, form_url, extra_context)
        facts = facts_of(phone, request=request, site=self.admin_site, now=timezone.now())
        context = {
            **facts,
            "deeds": self.offered_deeds(request, phone),
            "reveal_url": self.reveal_url(request, phone),
            "history_url": self.number_url("history", phone),
            **(extra_context or {}),
        }
        response = super().change_view(request, object_id, form_url, context)
        add_never_cache_headers(response)
        return response

    def find(self, request: HttpRequest, term: str) -> PhoneNumber | Narrowing | None:
        if uuid := uuid_in(term):
            return PhoneNumber.objects.filter(attempts__uuid=uuid).first()
        if last4 := last_digits_in(term):
            return Narrowing(gettext("ends in %(digits)s") % {"digits": last4}, {"last4": last4})
        return number_in(term)

    @admin.display(description=_("number"), ordering="id")
    def masked(self, phone: ListedNumber) -> SafeString:
        return format_html("{} {}", masked_mark(phone.number), region_mark(phone.region))

    @admin.display(description=_("state"))
    def state(self, phone: ListedNumber) -> str:
        return phone.standing.chip

    @admin.display(description=_("calls used"))
    def used(self, phone: ListedNumber) -> SafeString:
        standing, policy = phone.standing, phone.standing.policy
        hour = bar(standing.used_of_hour, policy.per_hour, width=NARROW)
        day = bar(standing.used_of_day, policy.per_day, width=NARROW)
        words = (gettext("1 h"), gettext("24 h"))
        return format_html(
            '<span class="telroi-windows"><span>{}</span>{}<span>{}</span>{}</span>', words[0], hour, words[1], day
        )

    @admin.display(description=_("next call possible"), ordering="next_call_at")
    def next_call(self, phone: ListedNumber) -> SafeString:
        if phone.standing.is_free:
            return labelled(gettext("Next call"), escape(gettext("now")))
        until = phone.standing.until
        words = moment_words(until, now=phone.standing.now) if until else ""
        return labelled(gettext("Next call"), moment_mark(until, words))

    @admin.display(description=_("last call"), ordering="last_call_at")
    def last_call(self, phone: ListedNumber) -> SafeString:
        return labelled(gettext("Last call"), ago_mark(phone.last_call_at, now=phone.standing.now))

    @admin.display(description=_("last verified"))
    def last_verified(self, phone: ListedNumber) -> SafeString:
        return labelled(gettext("Last verified"), ago_mark(phone.last_verified_at, now=phone.standing.now))
