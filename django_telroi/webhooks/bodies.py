"""Reading the raw body of a request, up to a maximum length."""

from __future__ import annotations

from typing import BinaryIO

from django.http import HttpRequest

MAX_BODY_BYTES = 64 * 1024
"""Bytes. An event from Telroi has a few hundred."""


class BodyTooLong(Exception):
    """The body is longer than ``MAX_BODY_BYTES``. Telroi sends no such body."""


def raw_body(request: HttpRequest) -> bytes:
    """Return the body, unchanged.

    Raises BodyTooLong if the body, or its ``Content-Length``, exceeds ``MAX_BODY_BYTES``. A wrong ``Content-Length``
    does not help a sender, because the bytes are counted too. Raises UnreadablePostError if the sender disconnects
    before the end.
    """
    length = request.META.get("CONTENT_LENGTH") or ""
    # ``isdigit`` also accepts digits that ``int`` rejects, such as superscripts, and ``int`` rejects very long numbers.
    if length.isascii() and length.isdigit() and len(length) < 20 and int(length) > MAX_BODY_BYTES:
        raise BodyTooLong

    # Django treats a request without a length as empty, so a chunked body is read from the server's own stream. Only a
    # WSGI server that sets this flag ends such a stream. Without it, reading could wait forever.
    is_chunked = not length and request.META.get("wsgi.input_terminated")
    stream: BinaryIO | HttpRequest = (request.META.get("wsgi.input") if is_chunked else None) or request

    # One byte more than allowed is read, to tell a body of exactly the maximum from a longer one.
    parts, missing = [], MAX_BODY_BYTES + 1
    while missing and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    if not missing:
        raise BodyTooLong
    return b"".join(parts)
