"""Caches as they fail."""

from __future__ import annotations

from typing import Any, ClassVar

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


class Counting(LocMemCache):
    """Counts its commands, and the keys in them."""

    commands: ClassVar[list[int]] = []

    def add(self, *args: Any, **options: Any) -> bool:
        self.commands.append(1)
        return super().add(*args, **options)

    def incr(self, *args: Any, **options: Any) -> int:
        self.commands.append(1)
        return super().incr(*args, **options)

    def get(self, *args: Any, **options: Any) -> Any:
        self.commands.append(1)
        return super().get(*args, **options)

    def get_many(self, keys: Any, *args: Any, **options: Any) -> Any:
        keys = list(keys)
        self.commands.append(len(keys))
        return {key: value for key in keys if (value := LocMemCache.get(self, key)) is not None}
