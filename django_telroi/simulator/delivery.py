"""Faults in sending a response: it does not arrive, arrives late or arrives in an unusual form.

Each function sends one response and returns whether the connection stays open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from django_telroi.simulator.http_connection import Connection
from django_telroi.simulator.responses import Outgoing

LENGTH = re.compile(rb"Content-Length: \d+\r\n")
# Each header line is valid. Only their number is not: http.client of Python reads at most 100.
PADDING = b"x-padding: " + b"p" * 1000 + b"\r\n"

Delivery = Callable[..., bool]


def as_it_is(connection: Connection, out: Outgoing) -> bool:
    """The right response, unchanged."""
    connection.finish(out.data)
    return True


def reset(connection: Connection, out: Outgoing) -> bool:
    """A reset instead of a response."""
    connection.reset()
    return False


def close(connection: Connection, out: Outgoing) -> bool:
    """The connection ends without a response."""
    return False  # the server closes it, with FIN


def hang(connection: Connection, out: Outgoing, *, seconds: float | None = None) -> bool:
    """Silence for ``seconds``, or until the client disconnects. Then the connection ends."""
    connection.wait(seconds)
    return False


def slow(connection: Connection, out: Outgoing, *, seconds: float = 1) -> bool:
    """The right response after ``seconds``."""
    connection.wait(seconds)
    return as_it_is(connection, out)


def drip_headers(connection: Connection, out: Outgoing, *, every: float = 0.5) -> bool:
    """The right response, one byte every ``every`` seconds, headers included."""
    return _drip(connection, out.data, every)


def drip_body(connection: Connection, out: Outgoing, *, every: float = 0.5) -> bool:
    """The headers at once, then the body, one byte every ``every`` seconds."""
    connection.send(out.head)
    return _drip(connection, out.body, every)


def cut_headers(connection: Connection, out: Outgoing) -> bool:
    """The connection ends in the middle of the headers."""
    connection.send(out.head[: len(out.head) // 2])
    return False


def cut_body(connection: Connection, out: Outgoing) -> bool:
    """The connection ends in the middle of the body."""
    connection.send(out.head + out.body[: len(out.body) // 2])
    return False


def reset_body(connection: Connection, out: Outgoing) -> bool:
    """A reset in the middle of the body."""
    cut_body(connection, out)
    return reset(connection, out)


def not_http(connection: Connection, out: Outgoing) -> bool:
    """A response that is not HTTP."""
    connection.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    return False


def endless_headers(connection: Connection, out: Outgoing) -> bool:
    """Headers without end, until the client disconnects."""
    connection.send(out.head.partition(b"\r\n")[0] + b"\r\n")
    while not connection.client_has_closed():
        connection.send(PADDING)
    return False


def huge_header(connection: Connection, out: Outgoing, *, size: int = 1_000_000) -> bool:
    """The right response with an additional header of ``size`` bytes."""
    status, _, rest = out.head.partition(b"\r\n")
    connection.send(status + b"\r\nx-huge: " + b"h" * size + b"\r\n" + rest + out.body)
    return True


def chunked(connection: Connection, out: Outgoing) -> bool:
    """The right response in chunks, which is valid HTTP."""
    head = LENGTH.sub(b"Transfer-Encoding: chunked\r\n", out.head)
    half = len(out.body) // 2
    chunks = (out.body[:half], out.body[half:], b"")
    return as_it_is(connection, Outgoing(head, b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)))


def without_length(connection: Connection, out: Outgoing) -> bool:
    """The right response without a length: it ends with the connection, which is valid HTTP."""
    as_it_is(connection, replace(out, head=LENGTH.sub(b"", out.head)))
    return False


def early_hints(connection: Connection, out: Outgoing) -> bool:
    """An informational response before the right one, which is valid HTTP."""
    return as_it_is(connection, replace(out, head=b"HTTP/1.1 103 Early Hints\r\n\r\n" + out.head))


def _drip(connection: Connection, data: bytes, every: float) -> bool:
    # A timeout for each read, as of ``requests``, never ends this. Only a limit for the whole request does.
    for position in range(len(data)):
        connection.send(data[position : position + 1])
        connection.wait(every)
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
