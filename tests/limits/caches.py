"""Caches as they fail."""

from __future__ import annotations

from typing import Any

from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache


class Gone(DummyCache):
    """Every question ends in the client's own error."""

    def _fails(self, *args: Any, **options: Any) -> Any:
        raise ConnectionError("no route to the cache")

    add = get = set = delete = get_many = incr = _fails  # type: ignore[assignment]


class Mute(LocMemCache):
    """As a client that swallows its errors: nothing is kept, and no number comes back."""

    def add(self, *args: Any, **options: Any) -> bool:
        return False

    def incr(self, *args: Any, **options: Any) -> Any:
        return None

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        return default


class Uncounting(LocMemCache):
    """Keeps everything, and cannot add one."""

    def incr(self, *args: Any, **options: Any) -> Any:
        raise ValueError("the key is gone")


class Unread(LocMemCache):
    """Writes and never reads."""

    def get_many(self, *args: Any, **options: Any) -> Any:
        raise TimeoutError


class Keeping(LocMemCache):
    """Deletes nothing."""

    def delete(self, *args: Any, **options: Any) -> Any:
        raise ConnectionError("no route to the cache")
