"""The time zone of this machine, so that "another call at 14:05" agrees with the clock on the wall."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LOCALTIME = Path("/etc/localtime")


def local_time_zone(localtime: Path = LOCALTIME) -> str:
    """An IANA name, ``"UTC"`` where the machine does not tell one."""
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
