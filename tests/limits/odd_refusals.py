"""Refusals of a site's functions whose code or wait no response can have as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_telroi.errors import DestinationPaused, NotCallable, TooManyRequests, VerificationRefused


class TooNew(NotCallable):
    """A refusal with a code of the site."""

    code = "account_too_new"
    http_status = 403


class NumberAsCode(NotCallable):
    code: Any = 5
    http_status: Any = "no"


class TextAsCode(NotCallable):
    code = "Account is too new!\n" * 20


class WaitSetLater(TooManyRequests):
    def __init__(self) -> None:
        super().__init__()
        self.retry_after: Any = 1.5


class NoInit(TooManyRequests):
    def __init__(self) -> None:
        pass


WAITS: dict[str, tuple[Callable[[], VerificationRefused], int | None]] = {
    "whole": (lambda: TooManyRequests(77), 77),
    "years": (lambda: TooManyRequests(10**12), 10**9),
    "fraction": (lambda: TooManyRequests(1.5), 2),
    "pause": (lambda: DestinationPaused(3600.7), 3601),
    "negative": (lambda: TooManyRequests(-5), 1),
    "zero": (lambda: TooManyRequests(0), 1),
    "text": (lambda: TooManyRequests("soon"), None),  # type: ignore[arg-type]
    "nan": (lambda: TooManyRequests(float("nan")), None),
    "inf": (lambda: TooManyRequests(float("inf")), None),
    "true": (lambda: TooManyRequests(True), None),
    "later": (WaitSetLater, 2),
    "no_init": (NoInit, None),
}

CODES: dict[str, tuple[Callable[[], VerificationRefused], tuple[int, str]]] = {
    "own": (TooNew, (403, "account_too_new")),
    "number": (NumberAsCode, (503, "unavailable")),
    "text": (TextAsCode, (400, "unavailable")),
    "none": (VerificationRefused, (503, "unavailable")),
}
