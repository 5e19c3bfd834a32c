"""Reads the body of a response to its end, within a limit."""

from __future__ import annotations

from http.client import HTTPResponse, IncompleteRead
from io import BytesIO

from requests import PreparedRequest, Response
from requests.structures import CaseInsensitiveDict

MAX_BODY_BYTES = 64 * 1024
"""Bytes of a response's body."""


def read_whole(reply: HTTPResponse, request: PreparedRequest) -> Response:
    """Return the response with its whole raw body. Raises IncompleteRead if the body is cut or its end is unclear.

    A body above ``MAX_BODY_BYTES`` is cut there, plus one byte.
    """
    response = Response()
    response.status_code = reply.status
    response.reason = reply.reason
    response.headers = CaseInsensitiveDict(reply.headers.items())
    response.request = request
    response.url = str(request.url)
    response.raw = BytesIO(_body(reply))
    return response


def _body(reply: HTTPResponse) -> bytes:
    """Return the body. Raises IncompleteRead if it is incomplete or if the length headers contradict each other."""
    if not _is_framed(reply):
        raise IncompleteRead(b"")
    # To the end: ``read(n)`` of http.client returns what there is of a cut body, without an error.
    body = b""
    while len(body) <= MAX_BODY_BYTES and (part := reply.read(MAX_BODY_BYTES + 1 - len(body))):
        body += part
    if len(body) <= MAX_BODY_BYTES and reply.length:
        raise IncompleteRead(b"")
    return body


def _is_framed(reply: HTTPResponse) -> bool:
    # Two different lengths, or a length besides chunks: it is unclear where the body ends, and its rest would be read
    # as the response to the next request. http.client takes one of them without an error.
    lengths = set(reply.headers.get_all("Content-Length", []))
    encodings = [encoding.strip().lower() for encoding in reply.headers.get_all("Transfer-Encoding", [])]
    if encodings:
        return encodings == ["chunked"] and not lengths
    return len(lengths) <= 1 and all(length.isascii() and length.isdigit() for length in lengths)
