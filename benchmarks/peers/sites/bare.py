"""One POST to the provider, without Django: the unit of all ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import provider
from posting import Expected, Posting, json_posting


def start(number: str, address: str) -> Posting:
    return json_posting(number, {}, address)


check = start


class Answer(list[bytes]):
    def close(self) -> None:
        """Do nothing. A response of WSGI can be closed."""


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    provider.call(environ["PATH_INFO"], "123456")
    start_response("200 OK", [])
    return Answer()


STARTED = Expected(200)
VERIFIED = STARTED
