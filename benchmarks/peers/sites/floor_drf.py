"""The same floor behind one plain DRF view each, with the default middlewares."""

from __future__ import annotations

from typing import Any

from sites.common import STOCK_APPS, stock_settings
from sites.floor_view import STARTED, VERIFIED, check, fill, start

__all__ = ["STARTED", "VERIFIED", "check", "fill", "settings", "start", "urls"]


def settings() -> dict[str, Any]:
    return stock_settings(INSTALLED_APPS=[*STOCK_APPS, "rest_framework", "floor"])


def urls() -> list[Any]:
    from floor.drf_views import urlpatterns

    return urlpatterns
