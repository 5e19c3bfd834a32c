"""Reading the raw body of a request, up to a maximum length."""

from __future__ import annotations

from typing import BinaryIO

from django.http import HttpRequest

LONGEST_BODY = 64 * 1024
"""Bytes. An event from Telroi has a few hundred."""


class BodyTooLong(Exception):
    """The body is longer than ``LONGEST_BODY``. Telroi sends no such body."""


def raw_body(request: HttpRequest) -> bytes:
    """Return the body, unchanged.

    Raises BodyTooLong if the body, or its ``Content-Length``, exceeds ``LONGEST_BODY``. A wrong ``Content-Length`` does
    not help a sender, because the bytes are counted too. Raises UnreadablePostError if the sender disconnects before
    the end.
    """
    if _announced_length(request) > LONGEST_BODY:
        raise BodyTooLong
    stream = _chunked_body(request) or request
    parts, missing = [], LONGEST_BODY + 1
    while missing and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    if not missing:
        raise BodyTooLong
    return b"".join(parts)


def _announced_length(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or ""
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def _chunked_body(request: HttpRequest) -> BinaryIO | None:
    """Return the stream of a chunked request, or None for any other request.

    Django treats a request without a length as empty. A WSGI server that ends such a stream sets
    ``wsgi.input_terminated``. Without that flag, reading could wait forever.
    """
    if request.META.get("CONTENT_LENGTH") or not request.META.get("wsgi.input_terminated"):
        return None
    return request.META.get("wsgi.input")
