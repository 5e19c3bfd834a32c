"""The search of the admin's lists. Numbers never appear in a URL, because URLs are logged and kept in histories.

The term is sent by POST, and the response is a redirect. One found row opens its page. Several rows narrow the list:
the session stores the lookups under a random token, and the URL of the list contains only the token.

The last part of the module is for encrypted numbers. The database can only compare whole values of them: the number,
its last four digits and its first seven digits. A shorter prefix is looked up by all prefixes of seven digits that
begin with it. A longer one, and the visible digits of a masked number, are compared in Python with the few numbers that
share the stored part.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from itertools import compress, islice
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from django_telroi.domain.destinations import FIRST_DIGITS, end_of_prefix, regions_of
from django_telroi.domain.phone import mask
from django_telroi.domain.typed_text import clean_typed
from django_telroi.models import BlockedDestination, PhoneNumber, VerificationAttempt
from django_telroi.models.sealed import is_number_sealed
from django_telroi.services.shared.arguments import is_storable
from django_telroi.services.shared.secrets import pack, unpack
from django_telroi.services.shared.transactions import write_alias

FOUND = "found"
TERM = "term"
SESSION_KEY = "telroi_searches"
SEARCH_SALT = "django_telroi.admin.search"
MAX_REMEMBERED = 20
MAX_TERM_LENGTH = 64
RIGHT_TO_LEFT_OVERRIDE = "\u202e"


@dataclass(frozen=True)
class Narrowing:
    """Lookups that narrow a list, and the label of the filter. The session stores both, so they contain no number."""

    words: str
    lookups: Mapping[str, Any] = field(default_factory=dict)


class FoundFilter(admin.SimpleListFilter):
    """The filter of a search. It is visible only while a search narrows the list."""

    title = gettext_lazy("search")
    parameter_name = FOUND

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: admin.ModelAdmin[Any]
    ) -> None:
        self.narrowing = recall(request)
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        token = request.GET.get(FOUND, "")
        if not token:
            return []
        return [(token, self.narrowing.words if self.narrowing else _("expired search"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the found rows. An unknown token matches none, because all rows would look like a result."""
        if not self.value():
            return queryset
        return queryset.filter(**self.narrowing.lookups) if self.narrowing else queryset.none()


class PostedSearch(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list whose search form uses POST. Its ``list_filter`` must contain ``FoundFilter``."""

    posted_search_help: str | Promise = ""

    def find(self, request: HttpRequest, term: str) -> Model | Narrowing | None:
        """Return the row that ``term`` identifies, or lookups for the list, or None if nothing was found."""
        return None

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_search"
        return [path("search/", self.admin_site.admin_view(self.search_view), name=name), *super().get_urls()]

    @method_decorator([require_POST, sensitive_post_parameters(TERM)])
    @sensitive_variables()
    def search_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        # A redirect in any case, so that the back button never asks to send the term again.
        term = clean_term(request.POST.get(TERM, ""))
        # A term that cannot be stored matches no row. MariaDB would raise an error for a mix of character sets.
        found = self.find(request, term) if term and is_storable(term, using=write_alias()) else None
        if isinstance(found, Model):
            return HttpResponseRedirect(self._address("change", found.pk))
        # An empty list does not say whether the search failed or a filter hides the rows.
        if found and self.model._default_manager.filter(**found.lookups).exists():
            return HttpResponseRedirect(f"{self._address('changelist')}?{FOUND}={remember(request, found)}")
        return self.not_found(request, term) if term else HttpResponseRedirect(self._address("changelist"))

    def not_found(self, request: HttpRequest, term: str) -> HttpResponse:
        """Redirect to the list without any row. Unrelated rows below "Nothing was found" would look like a result."""
        messages.warning(request, _("Nothing was found."))
        nothing = Narrowing(pgettext("search", "no match"), {"pk__in": []})
        return HttpResponseRedirect(f"{self._address('changelist')}?{FOUND}={remember(request, nothing)}")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirect without the parameter of Django's search. It is ignored, because a number in a URL is logged."""
        # Old bookmarks and typed URLs have it. Django's links in the list would repeat it.
        if request.method == "GET" and SEARCH_VAR in request.GET:
            kept = request.GET.copy()
            del kept[SEARCH_VAR]
            query = f"?{kept.urlencode()}" if kept else ""
            return HttpResponseRedirect(self._address("changelist") + query)
        return super().changelist_view(request, extra_context)

    def _address(self, page: str, *args: object) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=args, current_app=self.admin_site.name)


@sensitive_variables()
def clean_term(text: str) -> str:
    """Return the text without control characters and direction marks, at most ``MAX_TERM_LENGTH`` characters.

    A right-to-left override is kept, so that a number with it is not found. Every other field rejects it too.
    """
    is_kept = (sign.isprintable() or sign.isspace() or sign == RIGHT_TO_LEFT_OVERRIDE for sign in text)
    printable = "".join(compress(text[: 4 * MAX_TERM_LENGTH], is_kept))
    return printable.strip()[:MAX_TERM_LENGTH]


def last_digits_in(term: str) -> str:
    """Return the last four digits if ``term`` consists of them, also with the dots of a masked number; else ``""``."""
    # As the admin shows a number, "+234 803 ••• 4567", people copy its end with or without dots.
    match = re.fullmatch(r"[•. ]*([0-9]{2}) ?([0-9]{2})", clean_typed(term))
    return "".join(match.groups()) if match else ""


@dataclass(frozen=True)
class MaskedNumber:
    """The visible digits of a masked number: the first ones with ``+``, and the last ones."""

    first: str
    last: str

    def is_shown_of(self, number: str) -> bool:
        """Return whether the masked number shows these digits. More digits would be a guess of hidden ones."""
        shown = masked_number_in(mask(number))
        return shown is not None and shown.first.startswith(self.first) and shown.last.endswith(self.last)

    def lookups(self, number: str, *, ids: str = "", may_guess: bool = True) -> dict[str, Any]:
        """Return the lookups of the column ``number``. The range uses its index.

        ``ids``: the column with the primary key of the number, which is used if numbers are encrypted. The session must
        not store a number; without ``ids``, the lookups contain numbers then.

        ``may_guess``: False finds at most 500 numbers, and only by digits that their masked form shows. Requires
        ``ids``.
        """
        if not may_guess:
            alike = PhoneNumber.objects.filter(**self.lookups("number", ids="pk")).order_by("pk").iterator()
            shown = islice((phone.pk for phone in alike if self.is_shown_of(phone.number)), MAX_PHONES)
            return {f"{ids}__in": list(shown)}
        if is_number_sealed():
            phones = phones_like(first=self.first, last=self.last)
            return (
                {f"{ids}__in": [each.pk for each in phones]}
                if ids
                else {f"{number}__in": [each.number for each in phones]}
            )
        end = end_of_prefix(self.first)
        before_end = {f"{number}__lt": end} if end else {}
        return {f"{number}__gte": self.first, **before_end, f"{number}__endswith": self.last}

    def __str__(self) -> str:
        return f"{self.first} ••• {self.last}"


def masked_number_in(term: str) -> MaskedNumber | None:
    """Return the visible digits if ``term`` is a number as the admin shows it, such as ``+234 803 ••• 4567``."""
    match = re.fullmatch(r"(\+[0-9][0-9 ]*)[• ]*•[• ]*([0-9][0-9 ]*)", clean_typed(term))
    if not match:
        return None
    first, last = (part.replace(" ", "") for part in match.groups())
    # Fewer digits than a number has: the session stores the lookups, and it must not contain a number.
    return MaskedNumber(first, last) if len(first) <= FIRST_DIGITS + 1 and len(last) <= SHOWN_LAST else None


SHOWN_LAST = 4


def uuid_in(term: str) -> UUID | None:
    """Return the UUID that ``term`` consists of, or None."""
    try:
        return UUID(clean_typed(term))
    except ValueError:
        return None


def address_in(term: str) -> str | None:
    """Return the IP address that ``term`` consists of, as the database stores it, or None."""
    try:
        return str(ip_address(clean_typed(term)))
    except ValueError:
        return None


def remember(request: HttpRequest, narrowing: Narrowing) -> str:
    """Store a narrowing in the session, and return its random token."""
    # Random, because a link to the list must give nothing to a user of another session. Only the newest are kept: the
    # session may be a cookie of 4 KB.
    token = secrets.token_urlsafe(8)
    kept = list(request.session.get(SESSION_KEY, {}).items())[1 - MAX_REMEMBERED :]
    saved = asdict(narrowing)
    if is_number_sealed():
        # The words and the lookups have the last four digits.
        saved = {"sealed": pack(saved, salt=SEARCH_SALT)}
    request.session[SESSION_KEY] = dict([*kept, (token, saved)])
    return token


def recall(request: HttpRequest) -> Narrowing | None:
    """Return the narrowing of the token in the URL, or None if the session does not have it."""
    kept = request.session.get(SESSION_KEY, {}).get(request.GET.get(FOUND, ""))
    if kept and "sealed" in kept:
        kept = unpack(kept["sealed"], salt=SEARCH_SALT)
    return Narrowing(**kept) if kept else None


LAST_DIGITS = 4
FEWEST_DIGITS = 3
"""With fewer digits there would be too many prefixes of seven digits. Then the region decides."""
MAX_PHONES = 500
"""Rows that a comparison in Python may return, so that a list filtered by them stays fast."""


@sensitive_variables()
def phones_like(*, first: str, last: str) -> list[PhoneNumber]:
    """Return at most 500 numbers that begin with ``first`` (with ``+``) and end with ``last``, at most four digits."""
    missing = LAST_DIGITS - len(last)
    ends = [f"{number:0{missing}}{last}" for number in range(10**missing)] if missing else [last]
    return _beginning_with(first, PhoneNumber.objects.filter(last4__in=ends).order_by("pk").iterator())


def calls_to_prefix(prefix: str) -> Q:
    """Return the condition for attempts whose number begins with ``prefix``, such as ``+2348031``."""
    digits = prefix.removeprefix("+")
    missing = FIRST_DIGITS - len(digits)
    if missing < 0:
        stored = prefix[: FIRST_DIGITS + 1]
        of_stored = VerificationAttempt.objects.filter(phone=OuterRef("pk"), prefix=stored)
        phones = _beginning_with(prefix, PhoneNumber.objects.filter(Exists(of_stored)).order_by("-pk").iterator())
        return Q(prefix=stored, phone__in=[phone.pk for phone in phones])
    if len(digits) < FEWEST_DIGITS:
        return Q(region__in=regions_of(prefix))
    ends = (f"{number:0{missing}}" for number in range(10**missing)) if missing else ("",)
    return Q(prefix__in=[f"{prefix}{end}" for end in ends])


FEWEST_HIDDEN = 2


def longer_than_shown(attempts: QuerySet[Any], *, digits: int) -> QuerySet[Any]:
    """Return the attempts whose number has at least two digits between the first ``digits`` and the last four.

    Pass attempts that are filtered by the prefix. If numbers are encrypted, these are of the newest 500 numbers.
    """
    length = len("+") + digits + FEWEST_HIDDEN + LAST_DIGITS
    found: QuerySet[Any]
    if is_number_sealed():
        of_number = attempts.order_by().filter(phone=OuterRef("pk"))
        phones = PhoneNumber.objects.filter(Exists(of_number)).order_by("-pk").iterator()
        longer = islice((phone.pk for phone in phones if len(phone.number) >= length), MAX_PHONES)
        found = attempts.filter(phone__in=list(longer))
    else:
        found = attempts.alias(length=Length("phone__number")).filter(length__gte=length)
    return found


def may_view_full_numbers(request: HttpRequest) -> bool:
    """Return whether the user may view full numbers. Others must not confirm hidden digits one by one."""
    return request.user.has_perm("django_telroi.view_full_number")


def is_of_blocked(blocks: Iterable[BlockedDestination]) -> Q:
    """Return the condition for numbers that a block of a prefix or region applies to.

    A prefix is found by the attempts of a number, so a number without any is not found by it.
    """
    prefixes = Q(pk__in=())
    regions = []
    for block in blocks:
        if block.is_prefix:
            prefixes |= calls_to_prefix(block.destination)
        else:
            regions.append(block.destination)
    of_prefix = VerificationAttempt.objects.filter(prefixes, phone=OuterRef("pk"))
    return Q(region__in=regions) | Q(Exists(of_prefix))


def _beginning_with(prefix: str, phones: Iterable[PhoneNumber]) -> list[PhoneNumber]:
    found: list[PhoneNumber] = []
    for phone in phones:
        if phone.number.startswith(prefix):
            found.append(phone)
        if len(found) == MAX_PHONES:
            break
    return found
