"""The settings about what calls cost, and about the pause of a destination that is called for toll fraud."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from math import isfinite

from django_telroi.conf import values

OTHER_REGIONS = ""
"""The key of the price for every region that ``CALL_PRICES`` does not name."""


def call_prices() -> Mapping[str, float]:
    """Return the price of a call by region, for the estimates of the admin. ``""`` is the price for other regions."""
    chosen = values.read("CALL_PRICES")
    if not isinstance(chosen, Mapping) or not all(_is_price(*item) for item in chosen.items()):
        raise values.invalid_setting("CALL_PRICES", 'a dict of prices, such as {"NG": 0.08, "": 0.15}')
    return {region.strip().upper(): float(price) for region, price in chosen.items()}


def _is_price(region: object, price: object) -> bool:
    if not isinstance(region, str) or isinstance(price, bool) or not isinstance(price, int | float | Decimal):
        return False
    return isfinite(price) and price >= 0


def call_price_currency() -> str:
    """Return the currency that is shown beside a price, such as ``USD``, or ``""``."""
    return values.text("CALL_PRICE_CURRENCY") or ""


def pumping_pause() -> timedelta | None:
    """Return how long a pumped prefix or region is paused by itself, or None if it is not."""
    seconds = values.integer("PUMPING_PAUSE_SECONDS", least=0)
    if seconds > values.MAX_SECONDS:
        raise values.invalid_setting("PUMPING_PAUSE_SECONDS", f"a whole number from 0 to {values.MAX_SECONDS}")
    return timedelta(seconds=seconds) if seconds else None
