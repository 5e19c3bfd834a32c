"""Rate limits of one requester, in the notation of django-ratelimit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_RATE = re.compile(r"([0-9]{1,7})/([0-9]{0,4})([smhd])")
_MULTIPLE = re.compile(r"([1-9][0-9]{0,2})x")
_OWN_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_SECONDS = 30 * 86400  # counts are stored a little longer, and a cache may lose entries that it stores for months

MULTIPLIED, OF = ("ipv6_56", "ipv6_48"), "ip"
"""The rates in ``MULTIPLIED`` may be a multiple of the rate of ``OF``, such as ``"4x"``. A site that sets that rate
sets all of them."""

Rates = Mapping[str, Mapping[str, "Rate | None"]]


@dataclass(frozen=True)
class Rate:
    """At most ``requests`` in any ``seconds``. 0 allows none."""

    requests: int
    seconds: int


def parse_rate(text: object) -> Rate | None:
    """Parse a rate such as ``"20/h"`` or ``"3/10m"``. None means no limit.

    Stricter than the library, which also accepts ``"20/hour"`` and reads ``"20"`` as 20 per second. Raises ValueError.
    """
    if text is None:
        return None
    found = _RATE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("written like 20/h or 3/10m")
    requests, times, unit = found.groups()
    seconds = int(times or 1) * _SECONDS[unit]
    if not 0 < seconds <= _MAX_SECONDS:
        raise ValueError("for a second up to 30 days")
    return Rate(int(requests), seconds)


def read_rates(chosen: object, defaults: Mapping[str, Mapping[str, Any]], *, has_own_names: bool) -> Rates:
    """Merge the site's rates with the defaults, entry by entry. None instead of a dict switches off all its rates.

    ``has_own_names``: a scope may also have names that the defaults do not have. Raises ValueError. Its text names the
    entry and does not contain the value.
    """
    scopes = _entries(chosen, defaults, path="", has_own_names=False)
    return {
        scope: _read_scope(scopes.get(scope, {}), defaults[scope], scope, has_own_names=has_own_names)
        for scope in defaults
    }


def _read_scope(
    chosen: object, defaults: Mapping[str, Any], scope: str, *, has_own_names: bool
) -> dict[str, Rate | None]:
    entries = {**defaults, **_entries(chosen, defaults, path=f'["{scope}"]', has_own_names=has_own_names)}
    rates: dict[str, Rate | None] = {}
    for who in sorted(entries, key=MULTIPLIED.__contains__):  # the address's rate is read before its multiples
        try:
            rates[who] = _rate_of(who, entries[who], rates.get(OF))
        except ValueError as error:
            raise ValueError(f'["{scope}"]["{who}"] is None or {error}') from None
    return {who: rates[who] for who in entries}


def _rate_of(who: str, text: object, rate_of_address: Rate | None) -> Rate | None:
    found = _MULTIPLE.fullmatch(text) if who in MULTIPLIED and isinstance(text, str) else None
    if found is None:
        try:
            return parse_rate(text)
        except ValueError as error:
            raise ValueError(f"{error}, or 4x" if who in MULTIPLIED else str(error)) from None
    if rate_of_address is None:
        return None
    return Rate(rate_of_address.requests * int(found[1]), rate_of_address.seconds)


def _entries(chosen: object, known: Mapping[str, Any], *, path: str, has_own_names: bool) -> dict[str, Any]:
    if chosen is None:
        return dict.fromkeys(known)
    if not isinstance(chosen, Mapping):
        raise ValueError(f"{path or 'it'} is a dict or None")
    for name in sorted(map(str, chosen.keys() - known.keys())):
        if not has_own_names:
            names = f"none of {', '.join(known)}"
            raise ValueError(f"{name!r} is {names}" + (", and RATE_KEYS is not set" if path else ""))
        if not _OWN_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name of at most 32 lower-case letters, digits and underscores")
    return dict(chosen)
