"""Searching without a trace: the term is posted, and the answer is a redirect that carries ids or a random word.

What is found by itself is shown at once. What is many rows narrows the list, by look-ups that the session remembers
under a random word: the address of the list says nothing, not even four digits.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import compress
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from django_telroi.domain.typed_text import clean_typed
from django_telroi.models import PhoneNumber
from django_telroi.services.shared.arguments import is_storable, spelled_number
from django_telroi.services.shared.transactions import write_alias

FOUND = "found"
TERM = "term"
REMEMBERED = "telroi_searches"
MOST_REMEMBERED = 20
LONGEST_TERM = 64
RIGHT_TO_LEFT_OVERRIDE = "\u202e"


@dataclass(frozen=True)
class Narrowing:
    """Look-ups that narrow a list, and what a heading says of them. Both are kept in the session: ids, no number."""

    words: str
    lookups: Mapping[str, Any] = field(default_factory=dict)


class FoundFilter(admin.SimpleListFilter):
    """Shown only while a search narrows the list; taking it off shows every row again."""

    title = gettext_lazy("search")
    parameter_name = FOUND

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: admin.ModelAdmin[Any]
    ) -> None:
        self.narrowing = recall(request)
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        word = request.GET.get(FOUND, "")
        if not word:
            return []
        return [(word, self.narrowing.words if self.narrowing else _("a search that is over"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """A word that is not this session's finds nothing: better than all, which would look like an answer."""
        if not self.value():
            return queryset
        return queryset.filter(**self.narrowing.lookups) if self.narrowing else queryset.none()


class PostedSearch(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list with a search box that posts. Lists that use it have ``FoundFilter`` among their filters."""

    posted_search_help: str | Promise = ""

    def find(self, request: HttpRequest, term: str) -> Model | Narrowing | None:
        """The one row of this list that is meant, or how to narrow the list; None for nothing, as here."""
        return None

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_search"
        return [path("search/", self.admin_site.admin_view(self.search_view), name=name), *super().get_urls()]

    @method_decorator([require_POST, sensitive_post_parameters(TERM)])
    @sensitive_variables()
    def search_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        term = clean_term(request.POST.get(TERM, ""))
        # A character that no row can have is found nowhere; MariaDB refuses the question in two character sets.
        found = self.find(request, term) if term and is_storable(term, using=write_alias()) else None
        if isinstance(found, Model):
            return HttpResponseRedirect(self._address("change", found.pk))
        if found:
            return HttpResponseRedirect(f"{self._address('changelist')}?{FOUND}={remember(request, found)}")
        if term:
            messages.warning(request, _("Nothing was found."))
        return HttpResponseRedirect(self._address("changelist"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The stock search goes by the address, where a number would be logged: it is taken out and not looked at."""
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
    """The text without control characters and direction marks, which no term has.

    The right-to-left override stays, so that a number with it is found by no spelling, as every other field refuses it.
    """
    is_kept = (sign.isprintable() or sign.isspace() or sign == RIGHT_TO_LEFT_OVERRIDE for sign in text)
    printable = "".join(compress(text[: 4 * LONGEST_TERM], is_kept))
    return printable.strip()[:LONGEST_TERM]


@sensitive_variables()
def number_in(term: str) -> PhoneNumber | None:
    """The number's own row, by its unique index, however the number is spelled."""
    number = spelled_number(term)  # what was valid once, or is only valid elsewhere, has a row all the same
    return PhoneNumber.objects.filter(number=number).first() if number else None


def last_digits_in(term: str) -> str:
    """The four last digits that a term is, also written as a masked number ends; "" for any other term."""
    match = re.fullmatch(r"[•. ]*([0-9]{2}) ?([0-9]{2})", clean_typed(term))
    return "".join(match.groups()) if match else ""


def uuid_in(term: str) -> UUID | None:
    try:
        return UUID(clean_typed(term))
    except ValueError:
        return None


def remember(request: HttpRequest, narrowing: Narrowing) -> str:
    """Keep a narrowing in the session; returns the random word that it is found by."""
    word = secrets.token_urlsafe(8)
    kept = list(request.session.get(REMEMBERED, {}).items())[1 - MOST_REMEMBERED :]
    request.session[REMEMBERED] = dict([*kept, (word, asdict(narrowing))])
    return word


def recall(request: HttpRequest) -> Narrowing | None:
    kept = request.session.get(REMEMBERED, {}).get(request.GET.get(FOUND, ""))
    return Narrowing(**kept) if kept else None
