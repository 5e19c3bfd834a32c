"""Caches that fail in different ways."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache


class Pools:
    """A ``pool_class`` of ``RedisCache`` whose pools a test closes. Django closes none of them."""

    open: ClassVar[list[Any]] = []

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Any:
        from redis import ConnectionPool

        cls.open.append(ConnectionPool.from_url(url, **options))
        return cls.open[-1]

    @classmethod
    def close(cls) -> None:
        while cls.open:
            cls.open.pop().disconnect()


class Gone(DummyCache):
    """Each command raises the client's own error."""

    def _fails(self, *args: Any, **options: Any) -> Any:
        raise ConnectionError("no route to the cache")

    add = get = set = delete = get_many = incr = _fails  # type: ignore[assignment]


class Mute(LocMemCache):
    """Like a client that swallows errors: it stores nothing and returns no number."""

    def add(self, *args: Any, **options: Any) -> bool:
        return False

    def incr(self, *args: Any, **options: Any) -> Any:
        return None

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        return default


class Uncounting(LocMemCache):
    """Stores values but cannot increment them."""

    def incr(self, *args: Any, **options: Any) -> Any:
        raise ValueError("the key is gone")


class Unread(LocMemCache):
    """Stores values but never returns them."""

    def get_many(self, *args: Any, **options: Any) -> Any:
        raise TimeoutError


class Keeping(LocMemCache):
    """Ignores deletes."""

    def delete(self, *args: Any, **options: Any) -> Any:
        raise ConnectionError("no route to the cache")


class Counting(LocMemCache):
    """Counts its commands and their keys."""

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


class Breaking(LocMemCache):
    """Raises at one command, and works before and after it."""

    error: ClassVar[type[BaseException]] = ConnectionError
    until: ClassVar[int] = -1
    """How many commands still work. Negative after the one that raised."""

    @classmethod
    @contextmanager
    def at(cls, command: int, error: type[BaseException]) -> Iterator[None]:
        cls.until, cls.error = command, error
        yield
        cls.until = -1

    def _command(self) -> None:
        Breaking.until -= 1
        if Breaking.until == -1:
            raise self.error

    def add(self, *args: Any, **options: Any) -> bool:
        self._command()
        return super().add(*args, **options)

    def incr(self, *args: Any, **options: Any) -> int:
        self._command()
        return super().incr(*args, **options)

    def get_many(self, *args: Any, **options: Any) -> Any:
        self._command()
        return super().get_many(*args, **options)
