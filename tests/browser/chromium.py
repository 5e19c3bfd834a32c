"""The paths of the browsers that the tests start."""

from __future__ import annotations

import os
from shutil import which

# TELROI_CHROMIUM is the path of the browser for all tests.
CHROMIUM = os.environ.get("TELROI_CHROMIUM") or which("chromium") or "/usr/bin/chromium"
SHELL = os.environ.get("TELROI_CHROMIUM") or which("chromium-headless-shell") or CHROMIUM
"""The same engine without windows and tool bars. A page takes less processor time in it. It caches no page that the
visitor leaves, so tests of the back button need ``CHROMIUM``."""
