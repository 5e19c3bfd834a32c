"""Deletes rows with one statement.

Django has no public way. ``QuerySet.delete`` reads the rows first if the site has a receiver of ``pre_delete`` or
``post_delete``, and a million of them would not fit into memory. So this module uses ``QuerySet._raw_delete``, last
seen in Django 6.1. No other module may use it. ``tests/project/test_private_names.py`` fails if a new version of Django
changes it.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet


def delete_at_once(rows: QuerySet[Any]) -> int:
    """Delete the rows with one DELETE and return their number. Sends no signals, and follows no foreign keys."""
    return rows._raw_delete(rows.db) or 0  # None if the filter can match no row
