"""Whose request it is: by its address, and by who is logged in."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from django_telroi import conf
from django_telroi.domain.addresses import Address, client_address, network_of
from django_telroi.errors import Unavailable
from django_telroi.services.alerts import Alert, raise_alert
from django_telroi.services.owners import owner_id
from django_telroi.services.transactions import write_alias

FORWARDING_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")
"""What shows that a proxy may stand in front. Only the first is ever read, and only with ``TRUSTED_PROXIES``."""

NETWORK_BITS = {"ip": 64, "ipv6_56": 56, "ipv6_48": 48}
"""The names of ``RATES`` that count by network. An IPv4 address has only the first."""

logger = logging.getLogger("django_telroi")


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
