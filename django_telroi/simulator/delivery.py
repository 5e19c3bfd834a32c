"""Ways in which a good answer does not arrive, or arrives oddly.

Each function delivers one answer in its way and says whether the connection lives on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from django_telroi.simulator.http_server import Connection
from django_telroi.simulator.responses import Outgoing

LENGTH = re.compile(rb"Content-Length: \d+\r\n")
PADDING = b"x-padding: " + b"p" * 1000 + b"\r\n"

Delivery = Callable[..., bool]


def as_it_is(line: Connection, out: Outgoing) -> bool:
    line.finish(out.data)
    return True


def reset(line: Connection, out: Outgoing) -> bool:
    """A reset instead of an answer."""
    line.reset()
    return False


def close(line: Connection, out: Outgoing) -> bool:
    """The connection ends without an answer."""
    return False


def hang(line: Connection, out: Outgoing, *, seconds: float | None = None) -> bool:
    """Silence for so many seconds, or until the client leaves; then the connection ends."""
    line.linger(seconds)
    return False


def slow(line: Connection, out: Outgoing, *, seconds: float = 1) -> bool:
    """The right answer, late."""
    line.linger(seconds)
    return as_it_is(line, out)


def drip_headers(line: Connection, out: Outgoing, *, every: float = 0.5) -> bool:
    """The right answer, a byte at a time from its first one."""
    return _drip(line, out.data, every)


def drip_body(line: Connection, out: Outgoing, *, every: float = 0.5) -> bool:
    """The headers at once, then the body a byte at a time."""
    line.send(out.head)
    return _drip(line, out.body, every)


def cut_headers(line: Connection, out: Outgoing) -> bool:
    """The connection ends within the headers."""
    line.send(out.head[: len(out.head) // 2])
    return False


def cut_body(line: Connection, out: Outgoing) -> bool:
    """The connection ends within the body."""
    line.send(out.head + out.body[: len(out.body) // 2])
    return False


def reset_body(line: Connection, out: Outgoing) -> bool:
    """A reset within the body."""
    cut_body(line, out)
    return reset(line, out)


def not_http(line: Connection, out: Outgoing) -> bool:
    """Something else than HTTP answers."""
    line.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    return False


def endless_headers(line: Connection, out: Outgoing) -> bool:
    """Headers until the client leaves."""
    line.send(out.head.partition(b"\r\n")[0] + b"\r\n")
    while not line.client_has_left():
        line.send(PADDING)
    return False


def huge_header(line: Connection, out: Outgoing, *, size: int = 1_000_000) -> bool:
    """One header of so many bytes before the right answer."""
    status, _, rest = out.head.partition(b"\r\n")
    line.send(status + b"\r\nx-huge: " + b"h" * size + b"\r\n" + rest + out.body)
    return True


def chunked(line: Connection, out: Outgoing) -> bool:
    """The right answer in chunks, which is legal."""
    head = LENGTH.sub(b"Transfer-Encoding: chunked\r\n", out.head)
    half = len(out.body) // 2
    chunks = (out.body[:half], out.body[half:], b"")
    return as_it_is(line, Outgoing(head, b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)))


def without_length(line: Connection, out: Outgoing) -> bool:
    """The right answer, whose end is the end of the connection, which is legal."""
    as_it_is(line, replace(out, head=LENGTH.sub(b"", out.head)))
    return False


def early_hints(line: Connection, out: Outgoing) -> bool:
    """An informational answer before the right one, which is legal."""
    return as_it_is(line, replace(out, head=b"HTTP/1.1 103 Early Hints\r\n\r\n" + out.head))


def _drip(line: Connection, data: bytes, every: float) -> bool:
    for position in range(len(data)):
        line.send(data[position : position + 1])
        line.linger(every)
    return True


DELIVERIES: Mapping[str, Delivery] = {
    way.__name__: way
    for way in (
        reset,
        close,
        hang,
        slow,
        drip_headers,
        drip_body,
        cut_headers,
        cut_body,
        reset_body,
        not_http,
        endless_headers,
        huge_header,
        chunked,
        without_length,
        early_hints,
    )
}
