"""The raw bytes of a request, and not too many of them."""

from __future__ import annotations

from typing import BinaryIO

from django.http import HttpRequest

LONGEST_BODY = 64 * 1024
"""Bytes. An event of Telroi's has a few hundred."""


class BodyTooLong(Exception):
    """More than Telroi ever sends."""


def raw_body(request: HttpRequest) -> bytes:
    """The body as it came. Raises BodyTooLong after one byte too many, whatever its length was said to be.

    And UnreadablePostError where the sender leaves in the middle.
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
    """What a proxy sent on without a length. Django sees nothing of it; a server that ends it says so."""
    if request.META.get("CONTENT_LENGTH") or not request.META.get("wsgi.input_terminated"):
        return None
    return request.META.get("wsgi.input")
