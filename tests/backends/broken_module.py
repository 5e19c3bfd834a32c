"""A module whose settings are missing where it is imported."""

from __future__ import annotations

SETTINGS: dict[str, str] = {}
TOKEN = SETTINGS["CARRIER_TOKEN"]
