"""The time zone of this machine, so that times such as "another call at 14:05" are local times."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LOCALTIME = Path("/etc/localtime")


def local_time_zone(localtime: Path = LOCALTIME) -> str:
    """Return the IANA name of the time zone, ``"UTC"`` if it is unknown."""
    _, _, linked = str(localtime.resolve()).partition("zoneinfo/")
    for name in (os.environ.get("TZ", ""), linked):
        if is_time_zone(name):
            return name
    return "UTC"


def is_time_zone(name: str) -> bool:
    try:
        return bool(name and ZoneInfo(name))
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return False
