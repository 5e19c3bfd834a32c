"""What a prefix or region covers: its countries, and its calls of the last day. Staff see it before they block it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.translation import ngettext, pgettext

from django_telroi.admin.overview.formats import figure
from django_telroi.admin.shared.chips import listed, region_choices, region_name
from django_telroi.admin.shared.number_lookups import calls_to_prefix
from django_telroi.domain.destinations import end_of_prefix, is_covered, is_prefix, regions_of
from django_telroi.domain.number_limits import DAY
from django_telroi.domain.phone import FIRST_DIGITS
from django_telroi.models import BlockedDestination, VerificationAttempt
from django_telroi.models.sealed import is_number_sealed
from django_telroi.services import blocked_destinations
from django_telroi.services.statistics.rankings import PLACED, VERIFIED

MAX_NAMED = 12
"""Countries that the page names. The page tells how many others there are."""


@dataclass(frozen=True)
class Coverage:
    """What a block of ``destination`` would stop. ``blocks``: those that cover it already."""

    destination: str
    countries: str
    calls_sentence: str
    is_wide: bool
    blocks: list[BlockedDestination]


def coverage_of(destination: str, *, now: datetime) -> Coverage:
    """Return what the prefix or region covers. It reads the attempts of the last day by their index on the time."""
    regions = regions_of(destination) if is_prefix(destination) else [destination]
    attempts = VerificationAttempt.objects.filter(
        _numbers_of(destination), created_at__gt=now - DAY, created_at__lte=now
    )
    placed, verified = attempts.aggregate(placed=PLACED, verified=VERIFIED).values()
    words = ngettext(
        "%(calls)s call of the last 24 hours, %(verified)s of them verified.",
        "%(calls)s calls of the last 24 hours, %(verified)s of them verified.",
        placed,
    )
    region = regions[0] if len(regions) == 1 else ""
    return Coverage(
        destination=destination,
        countries=_names(regions),
        calls_sentence=words % {"calls": figure(placed), "verified": figure(verified)},
        is_wide=len(regions) > 1,
        blocks=[
            each for each in blocked_destinations(now=now) if is_covered(destination, each.destination, region=region)
        ],
    )


def _numbers_of(destination: str) -> Q:
    if not is_prefix(destination):
        return Q(region=destination)
    if is_number_sealed():
        return calls_to_prefix(destination)
    # The column has the first seven digits. A longer prefix compares the numbers of these only.
    end = end_of_prefix(destination)
    if len(destination) > FIRST_DIGITS + 1:
        of_number = Q(phone__number__gte=destination) & (Q(phone__number__lt=end) if end else Q())
        return Q(prefix=destination[: FIRST_DIGITS + 1]) & of_number
    return Q(prefix__gte=destination) & (Q(prefix__lt=end) if end else Q())


def _names(regions: list[str]) -> str:
    names = [name for _region, name in region_choices(regions)]
    if not names:
        return pgettext("countries of a prefix", "none: the prefix is of an international service")
    if len(names) <= MAX_NAMED:
        return listed(names)
    others = len(names) - MAX_NAMED
    words = ngettext("%(names)s and %(count)d other", "%(names)s and %(count)d others", others)
    return words % {"names": listed(names[:MAX_NAMED]), "count": others}


def title_of(destination: str) -> str:
    """Return the question of the page: a region is named."""
    name = destination if is_prefix(destination) else f"{region_name(destination)} ({destination})"
    return pgettext("title of a page", "Block %(name)s?") % {"name": name}
