"""What a caller says and support types into the search: a number in a national spelling, a user name or an e-mail."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any

from django.contrib.admin.sites import AdminSite
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import F, Q, lookups
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.views.decorators.debug import sensitive_variables

from django_telroi.admin.shared.chips import listed
from django_telroi.admin.shared.filters import regions_in
from django_telroi.admin.shared.registered import may_view
from django_telroi.admin.shared.search import PostedSearch
from django_telroi.domain.phone import parse_phone, written_e164
from django_telroi.domain.typed_text import clean_typed
from django_telroi.errors import InvalidNumber
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.redaction import Secret, as_secret
from django_telroi.services.requester import user_name
from django_telroi.services.shared.arguments import spelled_number
from django_telroi.services.shared.secrets import seal, unseal

MAX_USERS = 20
MAX_NUMBERS = 100
"""Rows of one user. The session stores their ids, and it may be a cookie of 4 KB."""


@sensitive_variables()
def meant_numbers(term: str) -> list[str]:
    """Return every number in E.164 that ``term`` may mean, without duplicates.

    A term with ``+`` means one number. Other spellings are read in ``DEFAULT_REGION``, as a number without its ``+``,
    and in each region of the stored numbers, because a caller gives the number as it is spelled at home. All of them
    are returned: to choose one would be a guess.
    """
    if _is_address(term):
        return []
    if number := written_e164(term):  # not validated: a number that is no longer valid may have a row
        return [number]
    meant = [spelled_number(term), _valid(Secret(f"+{re.sub('[^0-9]', '', clean_typed(term))}"), region=None)]
    if _looks_like_a_number(term):
        # Not from the cache: "never called" must be true for the first number of a region too.
        meant += [_valid(term, region=region) for region in regions_in(PhoneNumber.objects.all()) if region]
    return list(dict.fromkeys(filter(None, meant)))


def _is_address(term: str) -> bool:
    """Return whether the term is an IP address, which would be read as a number of some country otherwise."""
    try:
        ip_address(clean_typed(term).strip())
    except ValueError:
        return False
    return True


def _looks_like_a_number(term: str) -> bool:
    """Return whether it is worth reading the term once for each region: it has no letters."""
    return re.fullmatch(r"[0-9 ()./-]{4,}", clean_typed(term)) is not None


@sensitive_variables()
def _valid(text: str, *, region: str | None) -> str | None:
    try:
        return parse_phone(text, default_region=region).number
    except InvalidNumber:
        return None


@sensitive_variables()
def stored_phones(numbers: Iterable[str]) -> list[PhoneNumber]:
    """Return the rows of the numbers that have one."""
    return list(PhoneNumber.objects.filter(number__in=list(numbers)).order_by("pk"))


class HiddenIExact(lookups.IExact):
    """``iexact``, with a parameter that error reports do not show: the term of a search may be a number."""

    def process_rhs(self, *args: Any) -> Any:
        sql, parameters = super().process_rhs(*args)
        return sql, [as_secret(each) for each in parameters]


@sensitive_variables()
def users_named(term: str) -> list[AbstractBaseUser]:
    """Return the users whose name or e-mail address is ``term``, in upper or lower case. At most 20."""
    users = get_user_model()
    names = {users.USERNAME_FIELD, users.get_email_field_name()}
    conditions = [Q(HiddenIExact(F(name), term)) for name in names if _is_text(users, name)]
    if not conditions:
        return []
    matching = conditions[0]
    for condition in conditions[1:]:
        matching |= condition
    return list(users._default_manager.filter(matching).order_by("pk")[:MAX_USERS])


def _is_text(model: type[models.Model], name: str) -> bool:
    try:
        return isinstance(model._meta.get_field(name), models.CharField | models.TextField)
    except FieldDoesNotExist:  # a user model may have no e-mail address
        return False


def phones_of_users_named(term: str, *, request: HttpRequest) -> list[PhoneNumber]:
    """Return the numbers of users with this name or e-mail address, as far as the user may know them. At most 100.

    Who may view verified phones finds the numbers that they verified, and who may view attempts finds those for which
    they requested calls. A list of numbers names no users, so the permission to view it is not enough.
    """
    shows = [request.user.has_perm(f"django_telroi.view_{name}") for name in ("verifiedphone", "verificationattempt")]
    users = users_named(term) if any(shows) else []
    if not users:
        return []
    ids, shows_verified, shows_called = [user.pk for user in users], *shows
    verified = VerifiedPhone.objects.filter(user__in=ids).order_by("-pk").values_list("number", flat=True)
    called = VerificationAttempt.objects.filter(user__in=ids).order_by("-pk").values_list("phone_id", flat=True)
    either = Q(pk__in=list(called[:MAX_NUMBERS]) if shows_called else [])
    either |= Q(number__in=list(verified[:MAX_NUMBERS]) if shows_verified else [])
    return list(PhoneNumber.objects.filter(either).order_by("-pk")[:MAX_NUMBERS])


def words_for_phones(phones: Sequence[PhoneNumber]) -> str:
    """Return the label of a filter by these numbers, with the numbers masked."""
    return listed([*map(str, phones[:3]), *("…" for _more in phones[3:4])])


def words_for_users(users: Sequence[AbstractBaseUser]) -> str:
    return listed([*map(user_name, users[:3]), *("…" for _more in users[3:4])])


NEVER_CALLED = "django_telroi_phonenumber_never_called"
TOKEN = "number"
SESSION_KEY = "telroi_never_called"
SALT = "django_telroi.admin.never_called"
MAX_REMEMBERED = 5


class CallerSearch(PostedSearch):
    """A search that tells a number that was never called from a mistyped one."""

    @sensitive_variables()
    def not_found(self, request: HttpRequest, term: str) -> HttpResponse:
        """Redirect to the page of a number that was never called, if ``term`` is one and the user may view numbers."""
        numbers = [number for number in meant_numbers(term) if _valid(number, region=None)]
        url = _never_called_url(self.admin_site, request) if numbers else ""
        if not url:
            return super().not_found(request, term)
        return HttpResponseRedirect(f"{url}?{TOKEN}={remember_numbers(request, numbers)}")


def _never_called_url(site: AdminSite, request: HttpRequest) -> str:
    # A site may have registered the list of attempts only.
    if not may_view(PhoneNumber, request, site):
        return ""
    try:
        return reverse(f"admin:{NEVER_CALLED}", current_app=site.name)
    except NoReverseMatch:
        return ""


@sensitive_variables()
def remember_numbers(request: HttpRequest, numbers: Sequence[str]) -> str:
    """Store the numbers in the session, encrypted for this user, and return a random token."""
    # Sessions are stored in tables, caches and cookies, where a full number is not expected.
    token = secrets.token_urlsafe(8)
    kept = list(request.session.get(SESSION_KEY, {}).items())[1 - MAX_REMEMBERED :]
    sealed = seal(" ".join(numbers), owner=str(request.user.pk), salt=SALT)
    request.session[SESSION_KEY] = dict([*kept, (token, sealed)])
    return token


@sensitive_variables()
def recall_numbers(request: HttpRequest) -> list[str]:
    """Return the numbers of the token in the URL. Empty if the session does not have it."""
    sealed = request.session.get(SESSION_KEY, {}).get(request.GET.get(TOKEN, ""), "")
    return (unseal(sealed, owner=str(request.user.pk), salt=SALT) or "").split()
