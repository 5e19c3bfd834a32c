"""The list of verified phones: which user verified which number."""

from __future__ import annotations

from itertools import islice
from typing import Any

from django.contrib import admin
from django.contrib.admin.sites import AdminSite
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from django_telroi.admin.actions.user_wrong_codes import words_for_user
from django_telroi.admin.shared import marks
from django_telroi.admin.shared.callers import CallerSearch, meant_numbers, users_named, words_for_users
from django_telroi.admin.shared.chips import linked, masked_mark, moment_mark, moment_words, page_address
from django_telroi.admin.shared.failures import FailuresAnswered
from django_telroi.admin.shared.filters import DayFilter, PurposeFilter
from django_telroi.admin.shared.lists import FixedOrderChangeList, ReadOnly, UncountedList
from django_telroi.admin.shared.number_lookups import last_digits_in, masked_number_in, may_view_full_numbers
from django_telroi.admin.shared.search import (
    FoundFilter,
    Narrowing,
)
from django_telroi.domain.phone import mask
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.services.requester import plain, user_name

MAX_FOUND = 500


def set_links(phone: VerifiedPhone, *, site: AdminSite, request: HttpRequest) -> None:
    """Set the URLs that the columns link to. A column does not get the request, so it cannot check permissions."""
    urls = {
        "number_url": page_address(PhoneNumber, getattr(phone, "phone_pk", None), site=site, request=request),
        "attempt_url": page_address(VerificationAttempt, phone.attempt_id, site=site, request=request),
    }
    vars(phone).update(urls)


class VerifiedChangeList(FixedOrderChangeList):
    """Sets for each row the URLs that the user may open."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        for phone in self.result_list:
            set_links(phone, site=self.model_admin.admin_site, request=request)


class VerifiedDayFilter(DayFilter):
    """Filter by the day of the verification."""

    title = _("day of the verification")
    moment = "verified_at"


class VerifiedPhoneAdmin(FailuresAnswered, ReadOnly, CallerSearch, UncountedList):
    """Verified phones, the newest first."""

    list_display = ("who", "number_link", "purpose_mark", "verified", "attempt_link")
    list_filter = (FoundFilter, VerifiedDayFilter, PurposeFilter)
    list_select_related = ("user",)
    fields = ("who", "number_link", "purpose_mark", "verified", "attempt_link", "wrong_codes_of_user")
    ordering = ("-verified_at", "-id")
    posted_search_help = _(
        "A number as the caller says it or as it is shown here, its last four digits, or a user or an e-mail address."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[VerifiedPhone]:
        """Add the id of the number's ``PhoneNumber``, for the links. A VerifiedPhone has no foreign key to it."""
        rows: QuerySet[VerifiedPhone] = super().get_queryset(request)
        ids = PhoneNumber.objects.filter(number=OuterRef("number")).values("pk")
        return rows.annotate(phone_pk=Subquery(ids))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return False on our pages. On other pages, such as the deletion of its user, the permission decides."""
        # Django asks this permission for every row that the deletion of a user deletes. A plain False would make users
        # with a verified phone undeletable.
        match = request.resolver_match
        is_elsewhere = match is not None and not str(match.url_name).startswith("django_telroi_")
        return obj is not None and is_elsewhere and request.user.has_perm("django_telroi.delete_verifiedphone")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[VerifiedChangeList]:
        return VerifiedChangeList

    def prepare_page(self, request: HttpRequest, row: Any, context: dict[str, Any]) -> None:
        set_links(row, site=self.admin_site, request=request)

    @sensitive_variables()
    def find(self, request: HttpRequest, term: str) -> Model | Narrowing | None:
        """Narrow the list by the ids of its rows. The session stores the filter, and it must not contain a number."""
        rows = VerifiedPhone.objects.all()
        # A VerifiedPhone has no column for the last digits, so they are found in the table of numbers.
        if last4 := last_digits_in(term):
            numbers = PhoneNumber.objects.filter(last4=last4).values("number")
            return _narrow_to(gettext("ends in %(digits)s") % {"digits": last4}, rows.filter(number__in=numbers))
        if masked := masked_number_in(term):
            alike = rows.filter(**masked.lookups("number"))
            if not may_view_full_numbers(request):
                newest = alike.order_by("-id").iterator()
                shown = islice((row.pk for row in newest if masked.is_shown_of(row.number)), MAX_FOUND)
                alike = rows.filter(pk__in=list(shown))
            return _narrow_to(str(masked), alike)
        # Also a number that has no row of its own, because it was verified elsewhere.
        meant = meant_numbers(term)
        if meant and (found := _narrow_to(", ".join(map(mask, meant[:3])), rows.filter(number__in=meant))):
            return found
        users = users_named(term)
        return Narrowing(words_for_users(users), {"user__in": [str(user.pk) for user in users]}) if users else None

    @admin.display(description=_("user"))
    def who(self, phone: VerifiedPhone) -> SafeString:
        return linked(user_name(phone.user, number=phone.number), "")

    @admin.display(description=_("number"))
    def number_link(self, phone: VerifiedPhone) -> SafeString:
        return marks.with_label(gettext("number"), linked(masked_mark(phone.number), getattr(phone, "number_url", "")))

    @admin.display(description=_("purpose"))
    def purpose_mark(self, phone: VerifiedPhone) -> SafeString:
        listed = self._address("changelist")
        mark = marks.purpose_link(phone.purpose, listed=listed) if phone.purpose else marks.none()
        return marks.with_label(gettext("purpose"), mark)

    @admin.display(description=_("verified"))
    def verified(self, phone: VerifiedPhone) -> SafeString:
        mark = moment_mark(phone.verified_at, moment_words(phone.verified_at, now=timezone.now()))
        return marks.with_label(gettext("verified"), mark)

    @admin.display(description=_("attempt"))
    def attempt_link(self, phone: VerifiedPhone) -> SafeString:
        link = linked(f"№ {phone.attempt_id}", getattr(phone, "attempt_url", "")) if phone.attempt_id else marks.none()
        return marks.with_label(gettext("attempt"), link)

    @admin.display(description=_("wrong codes of the user"))
    def wrong_codes_of_user(self, phone: VerifiedPhone) -> SafeString:
        words = words_for_user(phone.user_id)
        return format_html("{}", words) if words else marks.none()


class VerifiedPhoneInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """The verified phones of a user, for the user admin of the site: ``inlines = [VerifiedPhoneInline]``.

    Staff need the permission ``view_verifiedphone`` to see it. It changes nothing.
    """

    model = VerifiedPhone
    fields = readonly_fields = ("number_mark", "purpose_shown", "verified")
    ordering = ("-verified_at", "-pk")
    classes = ("telroi-verified-phones",)  # for admin.css: Django repeats the number above each row
    extra = 0
    can_delete = False

    class Media:
        css = {"all": ["telroi/admin.css"]}

    @admin.display(description=_("number"))
    def number_mark(self, phone: VerifiedPhone) -> SafeString:
        return masked_mark(phone.number)

    @admin.display(description=_("purpose"))
    def purpose_shown(self, phone: VerifiedPhone) -> SafeString:
        # Without the link of the list: this page may be of an AdminSite that has no such list.
        return format_html("<bdi>{}</bdi>", plain(phone.purpose)) if phone.purpose else marks.none()

    @admin.display(description=_("verified"))
    def verified(self, phone: VerifiedPhone) -> SafeString:
        return moment_mark(phone.verified_at, moment_words(phone.verified_at, now=timezone.now()))


def _narrow_to(words: str, rows: QuerySet[VerifiedPhone]) -> Narrowing | None:
    found = list(rows.order_by("-id").values_list("pk", flat=True)[:MAX_FOUND])
    return Narrowing(words, {"pk__in": found}) if found else None
