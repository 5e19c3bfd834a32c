"""Who sends a request: their address, their name, and what of it an error report may show."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponseBase
from django.views.debug import get_default_exception_reporter_filter
from django.views.decorators.debug import sensitive_post_parameters

from django_telroi import conf
from django_telroi.domain.addresses import Address, client_address, network_of
from django_telroi.domain.phone import mask
from django_telroi.errors import Unavailable
from django_telroi.services.shared.alerts import Alert, raise_alert
from django_telroi.services.shared.arguments import owner_id
from django_telroi.services.shared.transactions import write_alias

logger = logging.getLogger("django_telroi")

FORWARDING_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")
"""What shows that a proxy may stand in front. Only the first is ever read, and only with ``TRUSTED_PROXIES``."""

NETWORK_BITS = {"ip": 64, "ipv6_56": 56, "ipv6_48": 48}
"""The names of ``RATES`` that count by network. An IPv4 address has only the first."""


@dataclass(frozen=True)
class Requester:
    """Who asks: ``address`` is None where it cannot be told, ``user_id`` where nobody is logged in."""

    address: Address | None
    user_id: Any

    @property
    def ip(self) -> str | None:
        return None if self.address is None else str(self.address)

    def name(self, who: str) -> str | None:
        """What is counted by: a network for the names of ``NETWORK_BITS``, an account for ``user``, or None.

        Raises Unavailable for an address that cannot be told: nobody shares a count with everybody like it.
        """
        if who == "user":
            return None if self.user_id is None else str(self.user_id)
        if self.address is None:
            logger.error("requester_unknown proxies=%s", conf.trusted_proxies())
            raise Unavailable
        return network_of(self.address, bits=NETWORK_BITS[who])


def requester_of(request: HttpRequest, user: AbstractBaseUser | None) -> Requester:
    """Who sent the request. While nobody has said how many proxies there are, what they say is not believed."""
    proxies = conf.trusted_proxies()
    if proxies is None and any(header in request.META for header in FORWARDING_HEADERS):
        raise_alert(Alert.PROXIES_UNDECIDED, now=datetime.now(UTC), using=write_alias())
    forwarded_for = request.META.get("HTTP_X_FORWARDED_FOR", "")
    address = client_address(request.META.get("REMOTE_ADDR") or "", forwarded_for, proxies=proxies or 0)
    return Requester(address, owner_id(user))


JOINERS = "\u200c\u200d"
"""Signs of no width that Persian, Hindi and emoji are spelled with."""

LONGEST_NAME = 80
FEWEST_DIGITS = 7
"""Of a number that is worth hiding."""

_NUMBER = re.compile(r"\+[0-9](?:[ ().-]{0,2}[0-9]){6,}")


def plain(text: object) -> str:
    """One line without control characters, and without signs that turn the direction of what follows."""
    signs = ("" if _is_invisible(sign) else sign for sign in re.sub(r"\s", " ", str(text)))
    return "".join(signs).strip()


def _is_invisible(sign: str) -> bool:
    return unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} and sign not in JOINERS


def user_name(user: AbstractBaseUser | None, *, number: str = "") -> str:
    """How a user is called, whatever model the site has; a name that is a phone number is masked.

    ``number`` is one to look for in any spelling: some sites call a user by the very number.
    """
    if user is None:
        return ""
    name = plain(user.get_username() or user)
    digits = re.sub("[^0-9]", "", name)
    if len(number) > FEWEST_DIGITS and number[-FEWEST_DIGITS:] in digits:
        return mask(number)
    shortened = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    return masked_within(shortened)


def masked_within(text: str) -> str:
    """The text with every phone number in it masked."""
    return _NUMBER.sub(lambda found: mask("+" + re.sub("[^0-9]", "", found[0])), text)


View = Callable[..., HttpResponseBase]


def hide_what_was_posted(view: View) -> View:
    """Keep what was posted out of error reports, and out of the page that ``DEBUG`` shows instead of one as well.

    Django hides nothing on that page. Otherwise the site's own filter does what it always does.
    """

    @wraps(view)
    def hiding(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        sites_own = type(get_default_exception_reporter_filter())
        always = type("AlwaysHiding", (sites_own,), {"is_active": lambda self, request: True})
        request.exception_reporter_filter = always()
        return view(request, *args, **kwargs)

    return sensitive_post_parameters()(hiding)
