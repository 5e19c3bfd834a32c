"""The list of verified phones: which user verified which number."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.sites import AdminSite
from django.contrib.auth import get_user_model
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from django_telroi.admin.shared import marks
from django_telroi.admin.shared.chips import linked, moment_mark, moment_words, page_address
from django_telroi.admin.shared.filters import PurposeFilter
from django_telroi.admin.shared.lists import FixedOrderChangeList, ReadOnly, UncountedList, masked_mark
from django_telroi.admin.shared.search import FoundFilter, Narrowing, PostedSearch, last_digits_in, number_in
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.services.requester import user_name

MOST_FOUND = 500


def find_links(phone: VerifiedPhone, *, site: AdminSite, request: HttpRequest) -> None:
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
            find_links(phone, site=self.model_admin.admin_site, request=request)


class VerifiedPhoneAdmin(ReadOnly, PostedSearch, UncountedList):
    """Verified phones, the newest first."""

    list_display = ("who", "number_link", "purpose_mark", "verified", "attempt_link")
    list_filter = (FoundFilter, PurposeFilter)
    list_select_related = ("user",)
    list_per_page = 50  # two links in each row are slow to render
    fields = ("who", "number_link", "purpose_mark", "verified", "attempt_link")
    ordering = ("-id",)
    posted_search_help = _("A full number, its last four digits, or a user.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[VerifiedPhone]:
        """Add the id of the number's ``PhoneNumber``, for the links. A VerifiedPhone has no foreign key to it."""
        rows: QuerySet[VerifiedPhone] = super().get_queryset(request)
        ids = PhoneNumber.objects.filter(number=OuterRef("number")).values("pk")
        return rows.annotate(phone_pk=Subquery(ids))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return False on our pages. On other pages, such as the deletion of its user, the permission decides."""
        match = request.resolver_match
        is_elsewhere = match is not None and not str(match.url_name).startswith("django_telroi_")
        return obj is not None and is_elsewhere and request.user.has_perm("django_telroi.delete_verifiedphone")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[VerifiedChangeList]:
        return VerifiedChangeList

    def prepare_page(self, request: HttpRequest, row: Any, context: dict[str, Any]) -> None:
        find_links(row, site=self.admin_site, request=request)

    @sensitive_variables()
    def find(self, request: HttpRequest, term: str) -> Model | Narrowing | None:
        """Narrow the list by the ids of its rows. The session stores the filter, and it must not contain a number."""
        rows = VerifiedPhone.objects.all()
        if phone := number_in(term):
            return _narrowed(str(phone), rows.filter(number=phone.number))
        if last4 := last_digits_in(term):
            numbers = PhoneNumber.objects.filter(last4=last4).values("number")
            return _narrowed(gettext("ends in %(digits)s") % {"digits": last4}, rows.filter(number__in=numbers))
        users = get_user_model()
        user = users._default_manager.filter(**{users.USERNAME_FIELD: term}).first()
        return Narrowing(user_name(user), {"user": str(user.pk)}) if user else None

    @admin.display(description=_("user"))
    def who(self, phone: VerifiedPhone) -> SafeString:
        return linked(user_name(phone.user, number=phone.number), "")

    @admin.display(description=_("number"))
    def number_link(self, phone: VerifiedPhone) -> SafeString:
        return linked(masked_mark(phone.number), getattr(phone, "number_url", ""))

    @admin.display(description=_("purpose"))
    def purpose_mark(self, phone: VerifiedPhone) -> SafeString:
        return marks.purpose_link(phone.purpose, listed=self._address("changelist")) if phone.purpose else marks.none()

    @admin.display(description=_("verified"))
    def verified(self, phone: VerifiedPhone) -> SafeString:
        return moment_mark(phone.verified_at, moment_words(phone.verified_at, now=timezone.now()))

    @admin.display(description=_("attempt"))
    def attempt_link(self, phone: VerifiedPhone) -> SafeString:
        return linked(f"№ {phone.attempt_id}", getattr(phone, "attempt_url", "")) if phone.attempt_id else marks.none()


def _narrowed(words: str, rows: QuerySet[VerifiedPhone]) -> Narrowing | None:
    found = list(rows.order_by("-id").values_list("pk", flat=True)[:MOST_FOUND])
    return Narrowing(words, {"pk__in": found}) if found else None
