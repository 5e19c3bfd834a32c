"""The example site. Its Celery is made when the site is, so that every process knows the same one."""

from __future__ import annotations

from example.celery import app as celery_app

__all__ = ["celery_app"]
