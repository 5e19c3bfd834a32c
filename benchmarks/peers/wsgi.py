"""The application for gunicorn."""

from __future__ import annotations

from setting_up import set_up

application = set_up()[1]
