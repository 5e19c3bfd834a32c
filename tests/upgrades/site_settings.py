"""A site whose backend rings nothing. ``PYTHONPATH`` decides of which release its package is."""

from __future__ import annotations

import os
from typing import Any

from tests import settings

globals().update({name: getattr(settings, name) for name in dir(settings) if name.isupper()})

DATABASE: dict[str, Any] = {**settings.DATABASES["default"], "NAME": os.environ["TELROI_WALK_DB"]}
if DATABASE["ENGINE"].endswith("sqlite3"):
    DATABASE["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 60,  # seconds. A process that waits too long must be seen in the figures, not fail
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DATABASES = {"default": DATABASE}
TELROI = {"BACKEND": "tests.upgrades.silent_backend.SilentBackend", "RATES": None}
