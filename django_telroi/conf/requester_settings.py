"""The settings about requesters: their rate limits, and the functions of the site that are asked before a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_telroi.conf import values
from django_telroi.conf.values import RATES
from django_telroi.domain.rates import Rates, read_rates

DEFAULT_RATES = read_rates(RATES, RATES, has_own_names=False)


def rates() -> Rates:
    """Return the rate limits of a requester by scope and name. None is no limit.

    The names are those of ``values.RATES`` (IP address, its networks, user) and, with ``RATE_KEYS``, the site's own.
    """
    chosen = values.read("RATES")
    try:
        return DEFAULT_RATES if chosen is RATES else read_rates(chosen, RATES, has_own_names=rate_keys() is not None)
    except ValueError as error:
        raise values.invalid_setting("RATES", f"a dict of rates: {error}") from None


def rate_keys() -> str | Callable[..., Any] | None:
    """Return the site's function that returns its own keys for ``RATES``, or its dotted path, or None."""
    return values.function("RATE_KEYS")


def bot_check() -> str | Callable[..., Any] | None:
    """Return the site's function that decides whether a request for a call is a person's, its dotted path, or None."""
    return values.function("BOT_CHECK")


def may_start_path() -> str | None:
    """Return the dotted path of the site's function that may reject a start, or None."""
    return values.text("MAY_START")


def phone_risk() -> str | Callable[..., Any] | None:
    """Return the site's function that looks up the risk of a number, or its dotted path, or None."""
    return values.function("PHONE_RISK")
