"""The example site. It imports its Celery app, so that every process uses the same one."""

from __future__ import annotations

from example.celery import app as celery_app

__all__ = ["celery_app"]
