"""A card on a page: its position, and the URLs and the ticket of its forms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Literal, cast
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.apps import apps
from django.contrib.sites.shortcuts import get_current_site
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.shortcuts import resolve_url
from django.urls import Resolver404, get_script_prefix, is_valid_path, resolve, reverse
from django.utils.encoding import iri_to_uri
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language, pgettext

from django_telroi import conf
from django_telroi.services.calls.refusals import current_consent
from django_telroi.services.shared.arguments import StoredNumber
from django_telroi.services.shared.secrets import new_nonce
from django_telroi.services.shared.transactions import DATABASE_LOST, close_lost_connections
from django_telroi.web.session import is_unseen
from django_telroi.web.text_language import TextLanguage, text_language
from django_telroi.web.tickets import Ticket, seal_number, sign_ticket

Heading = Literal["h1", "h2", "h3", "h4", "h5", "h6"]

NAMESPACE = "telroi"
"""The namespace of ``django_telroi.urls``."""

LOGIN_NAMESPACE = "telroi-login"
"""The namespace of ``django_telroi.contrib.login.urls``. Its pages have one purpose, so their URLs do not name it."""

MAX_URL_LENGTH = 2_000
"""Greatest number of characters of a URL that is kept for a redirect. Django rejects URLs of more than 2,048.

Without a limit, one GET with a long query would fill the session's row, each form and each redirect.
"""


@dataclass(frozen=True)
class Card:
    """The template variable ``card``. ``here`` is the URL of the page that shows the card.

    ``is_ahead``: the browser prefetches the page, so the script reloads the card when the page is shown. ``is_stored``:
    the site supplied the number, so the card offers no other one. ``is_change``: the number replaces another one.
    ``site_name``: of the site that calls. It may query the database, so it is lazy. ``purpose_text``: what the number
    is for, ``""`` if the site does not say. ``consent_text``: the line of consent, or ``""``.
    ``continue_url``: where the visitor wanted to go. ``leave_url``: where the visitor came from, else the home page;
    ``""`` for a card in a page of the site. ``alternative_url``: the site's other way, ``""`` for none. ``is_login``:
    the card logs in.
    """

    id: str
    heading: Heading
    here: str
    ticket: str
    is_dropped_in: bool
    start_url: str
    code_url: str
    again_url: str
    change_url: str
    add_url: str
    status_url: str
    continue_url: str
    leave_url: str
    alternative_url: str
    takes_focus: bool
    is_ahead: bool
    is_stored: bool
    is_change: bool
    site_name: str
    purpose_text: str
    consent_text: str
    is_login: bool
    words: TextLanguage


@dataclass(frozen=True)
class CardPlace:
    """The position and the purpose of a card.

    ``back`` is the URL of the page of the site that includes the card, ``""`` on the pages of this app. A ``back`` or
    ``next`` that is too long or on another site is ignored. Without a ``back`` the card redirects to the pages of this
    app. ``ordinal`` counts the cards of one page from 1. ``stored`` is the number on file, None if the
    person types it. ``is_change``: the number replaces another one of the user. ``why`` is as in ``Ticket``.
    ``namespace``: of the URLs of the pages.
    """

    purpose: str = ""
    next: str = ""
    back: str = ""
    ordinal: int = 1
    heading: Heading = "h1"
    takes_focus: bool = True
    stored: StoredNumber | None = None
    is_change: bool = False
    why: str = ""
    namespace: str = NAMESPACE

    @property
    def is_login(self) -> bool:
        return self.namespace == LOGIN_NAMESPACE

    def page_url(self, name: str, *flags: str) -> str:
        """Return the URL of a page of this card."""
        return page_url(name, self.purpose, *flags, namespace=self.namespace)

    @property
    def card_id(self) -> str:
        return f"telroi-{self.ordinal}"

    @property
    def auto_id(self) -> str:
        return f"{self.card_id}-%s"


def card_at(place: CardPlace, request: HttpRequest, *, shown_attempt: UUID | None, asked_digits: int = 0) -> Card:
    """Return the card. Its ticket has a new nonce. ``asked_digits`` is the value of its ``Step``."""
    back, next_ = (url if is_safe(url, request) else "" for url in (place.back, place.next))
    ticket = Ticket(
        nonce=new_nonce(),
        shown_attempt=shown_attempt,
        purpose=place.purpose,
        next=next_,
        back=back,
        asked_digits=asked_digits,
        stored=seal_number(place.stored.number, request) if place.stored else "",
        why=place.why,
        consent=consent.digest if (consent := current_consent()) else "",
    )
    # The last one is for a path that alone is longer than Django's redirects allow.
    here = back or current_path(request) or place.page_url("start")
    goal = goal_of(next_, request)
    return Card(
        id=place.card_id,
        heading=place.heading,
        here=here,
        ticket=sign_ticket(ticket, request),
        is_dropped_in=bool(back),
        start_url=place.page_url("change" if place.is_change else "start"),
        code_url=place.page_url("code"),
        again_url=place.page_url("call-again"),
        change_url=place.page_url("change-number"),
        add_url="" if place.is_login else place.page_url("add-number"),
        status_url=place.page_url("status"),
        # A button that leads to this page would do nothing.
        continue_url="" if goal == here else goal,
        leave_url="" if back else leave_url(request, next_),
        alternative_url=_other_login_url(next_) if place.is_login else _other_way_url(),
        takes_focus=place.takes_focus,
        is_ahead=is_unseen(request),
        is_stored=place.stored is not None,
        is_change=place.is_change,
        site_name=cast(str, SimpleLazyObject(partial(shown_site_name, request))),
        purpose_text=conf.purpose_texts().get(place.purpose, ""),
        consent_text=conf.consent_text(),
        is_login=place.is_login,
        words=text_language(),
    )


def shown_site_name(request: HttpRequest) -> str:
    """Return the name of the site for people: ``SITE_NAME``, else that of the current site, else the host.

    The current site is that of ``django.contrib.sites``, if it is installed and not Django's ``example.com``. "this
    site" replaces an IP address, because people do not recognize it.
    """
    host = split_domain_port(request.get_host())[0]
    if _is_address(host):
        host = pgettext("who calls", "this site")
    if name := conf.site_name():
        return name
    if not apps.is_installed("django.contrib.sites"):
        return host
    try:
        name = get_current_site(request).name
    except (ObjectDoesNotExist, ImproperlyConfigured):
        return host
    except DATABASE_LOST as error:
        close_lost_connections(error)
        return host
    return host if name in ("", "example.com") else name


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def page_url(name: str, purpose: str, *flags: str, namespace: str = NAMESPACE) -> str:
    """Return the URL of a page. It contains the purpose, which is not secret, but never the attempt or the number."""
    query = ({"purpose": purpose} if purpose and namespace == NAMESPACE else {}) | dict.fromkeys(flags, "1")
    return reverse(f"{namespace}:{name}") + ("?" + urlencode(query) if query else "")


def goal_of(next_: str, request: HttpRequest) -> str:
    """Return the URL after success: ``next`` if it is on this site, else ``SUCCESS_URL``, else ``""``."""
    if is_safe(next_, request):
        return next_
    success_url = conf.success_url()
    return resolve_url(str(success_url)) if success_url else ""


def leave_url(request: HttpRequest, next_: str) -> str:
    """Return the page of this site that the visitor came from, else the home page, ``""`` if the site has none.

    It is neither one of these pages nor ``next_``, because a gate there would send the visitor here again.
    """
    referrer = request.headers.get("Referer", "")
    parts = urlsplit(referrer) if is_safe(referrer, request) else None
    if parts and parts.path != urlsplit(next_).path and not _is_ours(parts.path):
        return referrer
    return home_url()


def home_url() -> str:
    """Return the URL of the site's home page, in the active language if the URLs have it. ``""`` if there is none."""
    paths = ("/", f"/{get_language()}/")
    return next((get_script_prefix() + path[1:] for path in paths if is_valid_path(path)), "")


def _is_ours(path: str) -> bool:
    """Return whether ``path`` is a page of this app, or no page at all."""
    prefix = get_script_prefix().rstrip("/")
    try:
        return not {NAMESPACE, LOGIN_NAMESPACE}.isdisjoint(resolve(path.removeprefix(prefix)).namespaces)
    except Resolver404:
        return True


def _other_way_url() -> str:
    """Return the URL of the site's other way to prove a number, ``""`` for none."""
    url = conf.alternative_url()
    return resolve_url(str(url)) if url else ""


def _other_login_url(next_: str) -> str:
    """Return the URL of the site's other way to log in, with the same ``next``; ``""`` for none."""
    url = conf.login_alternative_url()
    if not url:
        return ""
    resolved = resolve_url(str(url))
    # Another host is not told which page of this site the visitor wanted.
    if not next_ or not resolved.startswith("/") or resolved.startswith("//"):
        return resolved
    return f"{resolved}{'&' if '?' in resolved else '?'}{urlencode({'next': next_})}"


def is_safe(url: str, request: HttpRequest) -> bool:
    """Return whether ``url`` is on this site and short enough to be kept."""
    # Without require_https, a person on https could be sent to http, where the session cookie may be read.
    return is_short(url) and url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )


def is_short(url: str) -> bool:
    """Return whether ``url`` is short enough to be kept, also in its encoded form. False for ``""``."""
    return 0 < len(url) <= MAX_URL_LENGTH and len(iri_to_uri(url)) <= MAX_URL_LENGTH


def current_path(request: HttpRequest) -> str:
    """Return the URL of the request: without its query if the URL is too long, ``""`` if the path alone is too long."""
    return next(filter(is_short, (request.get_full_path(), request.path)), "")
