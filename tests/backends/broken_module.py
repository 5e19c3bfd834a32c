"""A module that raises an error when it is imported, because a setting is missing."""

from __future__ import annotations

SETTINGS: dict[str, str] = {}
TOKEN = SETTINGS["CARRIER_TOKEN"]
