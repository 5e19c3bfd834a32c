"""The sender of a request: IP address, user, region, and what error reports may show of them."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, wraps
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponseBase, RawPostDataException
from django.views.debug import get_default_exception_reporter_filter
from django.views.decorators.debug import sensitive_post_parameters

from django_telroi import conf
from django_telroi.domain.phone import mask
from django_telroi.domain.request_headers import Address, client_address, network_of, region_of
from django_telroi.errors import Unavailable
from django_telroi.services.shared.alerts import Alert, send_alert
from django_telroi.services.shared.arguments import owner_id
from django_telroi.services.shared.transactions import write_alias

logger = logging.getLogger("django_telroi")

FORWARDING_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")
"""The headers that show a reverse proxy. Only the first is read, and only with ``TRUSTED_PROXIES``."""

NETWORK_BITS = {"ip": 64, "ipv6_56": 56, "ipv6_48": 48}
"""The keys of ``RATES`` that count by network, with the prefix length in bits. IPv4 addresses use only the first."""


MAX_KEY_LENGTH = 200
"""Characters. A longer key of the site is not counted, and the request is rejected."""


def no_keys() -> Mapping[str, object]:
    """Return the keys of a site without ``RATE_KEYS``."""
    return {}


@dataclass(frozen=True)
class Requester:
    """The sender of a request. ``address`` is None if it is unknown, ``user_id`` is None without a logged-in user.

    ``own_keys``: returns the names that the site's ``RATE_KEYS`` gave this request, by their key in ``RATES``.
    """

    address: Address | None
    user_id: Any
    own_keys: Callable[[], Mapping[str, object]] = field(default=no_keys, repr=False, compare=False)

    @property
    def ip(self) -> str | None:
        return None if self.address is None else str(self.address)

    def name(self, who: str) -> str | None:
        """Return the name that is counted for ``who``: a network for the keys of ``NETWORK_BITS``, the id for ``user``.

        Any other key is one of the site's ``RATE_KEYS``. Returns None if this rate does not apply. Raises Unavailable
        if the address is unknown. Otherwise all requesters with an unknown address would share one rate limit. Also
        raises Unavailable if the site's key is not a string of at most ``MAX_KEY_LENGTH`` encodable characters.
        """
        if who == "user":
            return None if self.user_id is None else str(self.user_id)
        if who not in NETWORK_BITS:
            return self._own_name(who)
        if self.address is None:  # the request did not pass all proxies, or the server gave no address
            logger.error("requester_unknown proxies=%s", conf.trusted_proxies())
            raise Unavailable
        return network_of(self.address, bits=NETWORK_BITS[who])

    def _own_name(self, who: str) -> str | None:
        name = self.own_keys().get(who)
        if name is None or name == "":
            return None
        # Not cut to the limit: two long keys with the same beginning would share one rate.
        if not isinstance(name, str):
            fault = "not a string"
        elif len(name) > MAX_KEY_LENGTH:
            fault = "too long"
        elif any(unicodedata.category(each) == "Cs" for each in name):
            fault = "half a surrogate pair"  # no digest can be made of it
        else:
            return name
        logger.error("rate_key_rejected key=%s error=%s", who, fault)
        raise Unavailable


def requester_of(
    request: HttpRequest,
    user: AbstractBaseUser | None,
    *,
    own_keys: Callable[[], Mapping[str, object]] = no_keys,
) -> Requester:
    """Return the requester. If ``TRUSTED_PROXIES`` is not set, headers of proxies are ignored and raise an alert.

    ``own_keys`` is as in Requester.
    """
    proxies = conf.trusted_proxies()
    if proxies is None and any(header in request.META for header in FORWARDING_HEADERS):
        send_alert(Alert.PROXIES_UNDECIDED, now=datetime.now(UTC), using=write_alias())
    forwarded_for = request.META.get("HTTP_X_FORWARDED_FOR", "")
    address = client_address(request.META.get("REMOTE_ADDR") or "", forwarded_for, proxies=proxies or 0)
    return Requester(address, owner_id(user), own_keys)


def visitor_region(request: HttpRequest) -> str:
    """Return the region that the language of the visitor's browser names, ``""`` if it names none that is called.

    It is a guess. Use it for an example and for a question, and never to read a number.
    """
    region = region_of(request.headers.get("Accept-Language", ""))
    rules = conf.calling_rules()
    is_called = region not in rules.blocked_regions and (
        rules.allowed_regions is None or region in rules.allowed_regions
    )
    return region if is_called else ""


JOINERS = "\u200c\u200d"
"""Zero-width characters that the spelling of Persian and Hindi and some emoji need."""

INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Categories of Unicode: control, format, surrogate, private use, line and paragraph separators."""

MAX_NAME_LENGTH = 80
FEWEST_DIGITS = 7
"""A number with fewer digits is not masked in a user name."""

_NUMBER = re.compile(r"\+[0-9](?:[ ().-]{0,2}[0-9]){6,}")


def plain(text: object) -> str:
    """Return the text on one line, without control characters and without characters that change text direction."""
    spaced = re.sub(r"\s", " ", str(text))
    visible = (each for each in spaced if unicodedata.category(each) not in INVISIBLE or each in JOINERS)
    return "".join(visible).strip()


def user_name(user: AbstractBaseUser | None, *, number: str = "") -> str:
    """Return the name of a user of any user model, at most 80 characters, with numbers masked that begin with ``+``.

    If the name contains the digits of ``number`` (E.164) in any spelling, the masked number is returned instead,
    because some sites use the phone number as user name. Returns ``""`` for None.
    """
    if user is None:
        return ""
    name = plain(user.get_username() or user)
    digits = re.sub("[^0-9]", "", name)
    # By the last digits, because a national spelling has no country code.
    if len(number) > FEWEST_DIGITS and number[-FEWEST_DIGITS:] in digits:
        return mask(number)
    shortened = name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"
    return mask_e164_in(shortened)


def mask_e164_in(text: str) -> str:
    """Return the text with each number that begins with ``+`` masked. Numbers in a national spelling stay."""
    return _NUMBER.sub(lambda found: mask("+" + re.sub("[^0-9]", "", found[0])), text)


@lru_cache(maxsize=8)
def _always_active(site_filter: Any) -> Any:
    """Return the site's filter of error reports, active on the ``DEBUG`` page too. A new class takes 50 µs to make."""
    return type("AlwaysActive", (site_filter,), {"is_active": lambda self, request: True})


def is_cut_off(request: HttpRequest) -> bool:
    """Return whether less of the body has arrived than its length says. False if its length is unknown.

    If the connection breaks, WSGI servers pass on what had arrived: perhaps a part of a number, which is a shorter
    number. A body with files that a middleware has read is not judged, because Django does not keep it.
    """
    length = request.META.get("CONTENT_LENGTH") or ""
    try:
        return length.isdecimal() and len(request.body) < int(length)
    except RawPostDataException:
        return False


View = Callable[..., HttpResponseBase]


def hide_what_was_posted(view: View) -> View:
    """Decorate a view so that error reports and the ``DEBUG`` page do not show what was posted.

    Django hides nothing on the ``DEBUG`` page, so the filter is made active there too. Otherwise it is the site's own
    filter.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        site_filter: Any = type(get_default_exception_reporter_filter())
        request.exception_reporter_filter = _always_active(site_filter)()
        return view(request, *args, **kwargs)

    return sensitive_post_parameters()(wrapped)
