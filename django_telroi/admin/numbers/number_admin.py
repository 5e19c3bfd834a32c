"""Phone numbers: the list, and the page of one number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.sites import AdminSite
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language_bidi, gettext
from django.utils.translation import gettext_lazy as _

from django_telroi import conf
from django_telroi.admin.actions.kill_switch import KillSwitch
from django_telroi.admin.numbers.number_filters import BlockedFilter, StateFilter, VerifiedFilter
from django_telroi.admin.numbers.number_status import NumberStatus, number_status_of, strip, strip_labels, strip_marks
from django_telroi.admin.overview.overview_pages import OverviewPages
from django_telroi.admin.shared.chips import ago_mark, bar, moment_mark, moment_words, region_mark
from django_telroi.admin.shared.filters import CalledRegionFilter
from django_telroi.admin.shared.lists import CheapList, OneColumnChangeList, ReadOnly, Tool, masked_mark
from django_telroi.admin.shared.marks import labelled, status_chip
from django_telroi.admin.shared.search import FoundFilter, Narrowing, PostedSearch, last_digits_in, number_in, uuid_in
from django_telroi.domain.states import Status
from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.services.attempts.transitions import apply_overdue_unsaved
from django_telroi.services.requester import plain, user_name

MOST_ROWS = 50


@dataclass(frozen=True)
class AttemptRow:
    """A row of the table of attempts on a number's page."""

    attempt: VerificationAttempt
    url: str
    chip: str
    user: str
    purpose: str


def facts_of(phone: PhoneNumber, *, request: HttpRequest, site: AdminSite, now: datetime) -> dict[str, Any]:
    """Return the template context: the number, its status, its calls that count, its events and its newest attempts."""
    status = number_status_of(phone, policy=conf.policy(), now=now)
    rows = phone.attempts.select_related("user").order_by("-created_at")
    verified = VerifiedPhone.objects.filter(number=phone.number).select_related("user").order_by("-verified_at")
    shows_attempts = _may_view(VerificationAttempt, request, site)
    shows_verified = _may_view(VerifiedPhone, request, site)
    return {
        "phone": phone,
        # Isolates keep the number left to right. Markup is not possible, because the page's title shows it too.
        "subtitle": f"\N{LEFT-TO-RIGHT ISOLATE}{phone}\N{POP DIRECTIONAL ISOLATE}"
        if get_language_bidi()
        else str(phone),
        "region_shown": region_mark(phone.region),
        "number_status": status,
        "until_words": moment_words(status.until, now=now) if status.until else "",
        "hour_bar": bar(status.used_of_hour, status.policy.per_hour),
        "day_bar": bar(status.used_of_day, status.policy.per_day),
        "strip": strip(phone.moments, now=now),
        "strip_labels": strip_labels(now),
        "slots": strip_marks(phone.moments, now=now),
        "is_held": phone.held_until is not None and phone.held_until > now,
        "held_reason": plain(phone.held_reason),
        "blocked_reason": plain(phone.blocked_reason),
        "events": [_event(event) for event in phone.events.order_by("-id")[:MOST_ROWS]],
        "shows_attempts": shows_attempts,
        "attempts": [_row(attempt, site, now=now) for attempt in rows[:MOST_ROWS]] if shows_attempts else [],
        "attempts_url": _attempts_url(phone, site) if shows_attempts else "",
        "verified_phones": [_verified(row, site) for row in verified[:MOST_ROWS]] if shows_verified else [],
    }


def _attempts_url(phone: PhoneNumber, site: AdminSite) -> str:
    return f"{_url(site, 'verificationattempt_changelist')}?phone__id__exact={phone.pk}"


def _row(attempt: VerificationAttempt, site: AdminSite, *, now: datetime) -> AttemptRow:
    apply_overdue_unsaved(attempt, now=now)
    return AttemptRow(
        attempt=attempt,
        url=_url(site, "verificationattempt_change", attempt.pk),
        chip=status_chip(attempt),
        user=user_name(attempt.user, number=attempt.number),
        purpose=plain(attempt.purpose),
    )


def _event(event: AttemptEvent) -> dict[str, Any]:
    return {
        "at": event.at,
        "kind": event.get_kind_display(),
        "actor": plain(event.actor),
        "detail": plain(event.detail),
    }


def _verified(row: VerifiedPhone, site: AdminSite) -> dict[str, Any]:
    return {
        "url": _url(site, "verifiedphone_change", row.pk),
        "user": user_name(row.user, number=row.number),
        "purpose": plain(row.purpose),
        "at": row.verified_at,
    }


def _may_view(model: type[Model], request: HttpRequest, site: AdminSite) -> bool:
    """Return True if the model is registered on ``site`` and the user may view it."""
    return site.is_registered(model) and site._registry[model].has_view_permission(request)


def _url(site: AdminSite, page: str, *arguments: object) -> str:
    return reverse(f"admin:django_telroi_{page}", args=arguments, current_app=site.name)


NARROW = 44

if TYPE_CHECKING:

    class ListedNumber(PhoneNumber):
        """A number with the attributes that the list adds."""

        number_status: NumberStatus
        recorded_at: datetime | None
        right_code_at: datetime | None
        last_verified_at: datetime | None


class NumberChangeList(OneColumnChangeList):
    """Adds the status and the last verification to each row of a page, all computed for the same moment."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[PhoneNumber]:
        records = VerifiedPhone.objects.filter(number=OuterRef("number")).order_by("-verified_at").values("verified_at")
        # Ordered by created_at, which is indexed. It gives the newest verification, because a number has one open call.
        verified = VerificationAttempt.objects.filter(phone=OuterRef("pk"), status=Status.VERIFIED)
        attempts = verified.order_by("-created_at").values("verified_at")
        phones: QuerySet[PhoneNumber] = super().get_queryset(request, exclude_parameters)
        return phones.annotate(recorded_at=Subquery(records[:1]), right_code_at=Subquery(attempts[:1]))

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        policy, now = conf.policy(), timezone.now()
        for phone in self.result_list:
            phone.number_status = number_status_of(phone, policy=policy, now=now)
            # A purge deletes the attempt but not the VerifiedPhone. A person without an account has no VerifiedPhone.
            phone.last_verified_at = max(filter(None, (phone.recorded_at, phone.right_code_at)), default=None)


class PhoneNumberAdmin(ReadOnly, PostedSearch, OverviewPages, KillSwitch, CheapList):
    """The list of numbers, the page of one number, its staff actions, the overview and the kill switch."""

    list_display = ("masked", "state", "used", "next_call", "last_call", "last_verified")
    list_filter = (FoundFilter, StateFilter, CalledRegionFilter, BlockedFilter, VerifiedFilter)
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
        """Show the page of one number. Its template shows facts instead of Django's form."""
        phone = self.get_object(request, unquote(object_id))
        if phone is None or not self.has_view_permission(request, phone):
            return super().change_view(request, object_id, form_url, extra_context)
        facts = facts_of(phone, request=request, site=self.admin_site, now=timezone.now())
        context = {
            **facts,
            "staff_actions": self.offered_actions(request, phone),
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
        return phone.number_status.chip

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
        if phone.number_status.is_free:
            return labelled(gettext("Next call"), escape(gettext("now")))
        until = phone.number_status.until
        words = moment_words(until, now=phone.number_status.now) if until else ""
        return labelled(gettext("Next call"), moment_mark(until, words))

    @admin.display(description=_("last call"), ordering="last_call_at")
    def last_call(self, phone: ListedNumber) -> SafeString:
        return labelled(gettext("Last call"), ago_mark(phone.last_call_at, now=phone.number_status.now))

    @admin.display(description=_("last verified"))
    def last_verified(self, phone: ListedNumber) -> SafeString:
        return labelled(gettext("Last verified"), ago_mark(phone.last_verified_at, now=phone.number_status.now))
