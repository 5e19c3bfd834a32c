"""The notices of suspected toll fraud: what is called, and what staff can do about it at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.contrib.admin.sites import AdminSite
from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import ngettext, pgettext, pgettext_lazy

from django_telroi.admin.overview.formats import figure, links_for, site_url
from django_telroi.admin.shared.chips import left_to_right, moment_words
from django_telroi.admin.shared.lists import Tool
from django_telroi.admin.shared.narrow_filters import CountedResult
from django_telroi.domain.destinations import is_covered
from django_telroi.models import AttemptEvent, BlockedDestination, EventKind
from django_telroi.services import blocked_destinations
from django_telroi.services.shared.alerts import ONCE_IN, Alert
from django_telroi.services.shared.transactions import write_alias
from django_telroi.services.statistics.rankings import PUMPING_WINDOW, PumpedDestination, pumped_destinations

NOTICE_HOURS = "1"
SWEEPS_APART = timedelta(minutes=5)
"""A sweep raises the alert at most once an hour, and the next one may come this much later."""


@dataclass(frozen=True)
class AttackNotice:
    """One destination that is called for toll fraud, perhaps. A URL is ``""`` if the user may not open it.

    ``block``: that it is blocked already, and until when; ``""`` if it is not.
    """

    words: str
    see_url: str
    block_url: str
    block_label: str
    block: str


def may_block(request: HttpRequest) -> bool:
    return request.user.has_perms(["django_telroi.block_destination", "django_telroi.view_phonenumber"])


def destination_tools(request: HttpRequest, site: AdminSite) -> list[Tool]:
    """Return the link to the blocked prefixes and regions, or no link without the permission or the page."""
    url = site_url(site, "destinations") if may_block(request) else ""
    return [Tool(url, pgettext_lazy("link", "Blocked prefixes and regions"), "destinations")] if url else []


def attack_now(request: HttpRequest, site: AdminSite) -> list[AttackNotice]:
    """Return the notices for pages that are opened often. Without an alert of the last hour it is one small query."""
    using, now = write_alias(), timezone.now()
    alerts = AttemptEvent.objects.using(using).filter(kind=EventKind.ALERT, at__gt=now - ONCE_IN - SWEEPS_APART)
    if not request.user.has_perm("django_telroi.view_overview") or not alerts.filter(detail=Alert.PUMPING).exists():
        return []
    return attack_notices(pumped_destinations(now=now, using=using), request=request, site=site, now=now)


def attack_notices(
    pumped: Sequence[PumpedDestination], *, request: HttpRequest, site: AdminSite, now: datetime
) -> list[AttackNotice]:
    """Return a notice for each of these destinations."""
    blocks = blocked_destinations(now=now) if pumped else []
    return [_notice(each, blocks, request=request, site=site, now=now) for each in pumped]


def _notice(
    pumped: PumpedDestination,
    blocks: Iterable[BlockedDestination],
    *,
    request: HttpRequest,
    site: AdminSite,
    now: datetime,
) -> AttackNotice:
    destination = pumped.destination
    is_blocked = partial(is_covered, destination, region=pumped.region)
    block = next((each for each in blocks if is_blocked(each.destination)), None)
    filters = {"prefix": destination.removeprefix("+")} if pumped.is_prefix else {"region__exact": destination}
    page, query = "block_destination", {"destination": destination, "hours": NOTICE_HOURS}
    if block:
        page, query = "unblock_destination", {"destination": block.destination}
    address = site_url(site, page) if may_block(request) else ""
    return AttackNotice(
        words=_words(pumped),
        see_url=links_for(request, site).to(now - PUMPING_WINDOW, now, outcome=CountedResult.DIALED, **filters),
        block_url=f"{address}?{urlencode(query)}" if address else "",
        block_label=_label(pumped, block),
        block=block_words(block, now=now) if block else "",
    )


def _words(pumped: PumpedDestination) -> str:
    if pumped.is_prefix:
        words = ngettext(
            "Numbers that begin with %(name)s: %(calls)s call in the last hour, %(verified)s of them verified.",
            "Numbers that begin with %(name)s: %(calls)s calls in the last hour, %(verified)s of them verified.",
            pumped.calls,
        )
    else:
        words = ngettext(
            "Numbers of the region %(name)s: %(calls)s call in the last hour, %(verified)s of them verified.",
            "Numbers of the region %(name)s: %(calls)s calls in the last hour, %(verified)s of them verified.",
            pumped.calls,
        )
    name = left_to_right(pumped.destination) if pumped.is_prefix else pumped.destination
    named = {"name": name, "calls": figure(pumped.calls), "verified": figure(pumped.verified)}
    return words % named


def _label(pumped: PumpedDestination, block: BlockedDestination | None) -> str:
    if block:
        name = {"name": left_to_right(block.destination)}
        return pgettext("button", "Unblock %(name)s") % name
    if pumped.is_prefix:
        return pgettext("button", "Block this prefix for an hour")
    return pgettext("button", "Block this region for an hour")


def block_words(block: BlockedDestination, *, now: datetime) -> str:
    """Return until when a destination is blocked, and whether staff did it or the site itself."""
    if block.until is None:
        return pgettext("prefix or region", "Blocked until it is unblocked")
    until = {"until": moment_words(block.until, now=now)}
    if not block.blocked_by:
        return pgettext("prefix or region", "Paused by itself until %(until)s") % until
    return pgettext("prefix or region", "Blocked until %(until)s") % until
