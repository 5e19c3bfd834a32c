"""Every number and the state of its limits."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_telroi.admin.lists import CheapList
from django_telroi.admin.overview import OverviewPages
from django_telroi.admin.readonly import ReadOnly, on_one_line
from django_telroi.admin.search import FoundFilter, Narrowing, PostedSearch, last_digits_in, number_in, uuid_in
from django_telroi.models import PhoneNumber


class PhoneNumberAdmin(ReadOnly, PostedSearch, OverviewPages, CheapList):
    """Numbers and the state of their limits."""

    list_display = ("masked", "region", "limit", "next_call_at", "last_call_at", "blocked_at")
    list_filter = (FoundFilter, "region", ("blocked_at", admin.EmptyFieldListFilter))
    fields = (
        "masked",
        "region",
        "limit",
        "next_call_at",
        "last_call_at",
        "calls",
        ("held_until", "held_reason"),
        ("blocked_at", "blocked_by", "blocked_reason"),
        "created_at",
    )
    posted_search_help = _("A full number, its last four digits, or the public id of an attempt.")
    ordering = ("-id",)

    def find(self, request: HttpRequest, term: str) -> PhoneNumber | Narrowing | None:
        if uuid := uuid_in(term):
            return PhoneNumber.objects.filter(attempts__uuid=uuid).first()
        if last4 := last_digits_in(term):
            return Narrowing(gettext("ends in %(digits)s") % {"digits": last4}, {"last4": last4})
        return number_in(term)

    @admin.display(description=_("number"))
    def masked(self, phone: PhoneNumber) -> str:
        return on_one_line(phone.number)

    @admin.display(description=_("limit"))
    def limit(self, phone: PhoneNumber) -> str:
        """What holds now: the row keeps the rule that held last."""
        is_over = phone.next_call_at is None or phone.next_call_at <= timezone.now()
        return str(_("none")) if is_over else phone.get_limited_by_display()
