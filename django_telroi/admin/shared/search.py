"""The search of the admin's lists. Numbers never appear in a URL, because URLs are logged and kept in histories.

The term is sent by POST, and the response is a redirect. One found row opens its page. Several rows narrow the list:
the session stores the lookups under a random token, and the URL of the list contains only the token.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from itertools import compress
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.debug import sensitive_variables

from django_telroi.admin.shared.old_pages import back_to_the_button
from django_telroi.domain.typed_text import clean_typed
from django_telroi.models.sealed import is_number_sealed
from django_telroi.redaction import Secret
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
        view = self.admin_site.admin_view(self.search_view)
        return [path("search/", view, name=name), *super().get_urls()]

    @sensitive_variables()
    def search_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return back_to_the_button(request, self._address("changelist"))
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
    return Secret(printable.strip()[:MAX_TERM_LENGTH])


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
