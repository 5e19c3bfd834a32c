"""The faults that a test can set: responses that are wrong, incomplete, late or missing."""

from __future__ import annotations

import gzip as gzip_format
import inspect
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django_telroi.simulator.delivery import DELIVERIES, as_it_is
from django_telroi.simulator.http_connection import Connection
from django_telroi.simulator.responses import (
    HTML,
    JSON,
    REFUSALS,
    Answer,
    Refusal,
    compact,
    login_redirect,
    sign_in_page,
)

# In the style of nginx. Telroi's own server never sends such a page, but a proxy in front of it may.
PROXY_PAGE = b"<html><head><title>Bad gateway</title></head><body><center><h1>Bad gateway</h1></center></body></html>"

Rewrite = Callable[..., Answer]


def answer(
    original: Answer,
    *,
    status: int = 200,
    body: str = "",
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """A response with any status, headers and body."""
    return Answer(status, (("content-type", content_type), *(headers or {}).items()), body.encode())


def fields(original: Answer, *, change: Mapping[str, Any] | None = None, drop: Sequence[str] = ()) -> Answer:
    """The right response with some fields changed or removed. Errors stay unchanged."""
    # An error has none of these fields. With ``livemode`` added it would be a response that no server sends.
    if original.status >= 300:
        return original
    body = {**json.loads(original.body), **(change or {})}
    return replace(original, body=compact({name: value for name, value in body.items() if name not in drop}))


def login_page(original: Answer) -> Answer:
    """200 with the sign-in page, which a client gets if it follows the redirect to /login."""
    return sign_in_page()


def login(original: Answer) -> Answer:
    """302 to the sign-in page, as for a wrong path or method. The request is not carried out."""
    return login_redirect()


def redirect(original: Answer, *, location: str = "/elsewhere", status: int = 307) -> Answer:
    """A redirect to ``location``. With 307 and 308 the client should send the body there."""
    return Answer(status, (("location", location),), b"")


def proxy_page(original: Answer, *, status: int = 502) -> Answer:
    """502, or another status, with an HTML page of a proxy in front of Telroi."""
    return Answer(status, (("content-type", HTML),), PROXY_PAGE)


def gzip(original: Answer) -> Answer:
    """The right response, compressed although the client did not accept that."""
    headers = (*original.headers, ("content-encoding", "gzip"))
    return replace(original, headers=headers, body=gzip_format.compress(original.body))


def huge_body(original: Answer, *, size: int = 200_000) -> Answer:
    """The right response, padded with spaces to ``size`` bytes."""
    return replace(original, body=original.body.ljust(size))


def huge_gzip(original: Answer, *, size: int = 200_000_000) -> Answer:
    """The right response, padded to ``size`` bytes and compressed to very few."""
    # 200 MB become 194 KB on the wire. A client that decompresses without a limit needs all the memory.
    return gzip(huge_body(original, size=size))


def _replaced(original: Answer, *, body: bytes) -> Answer:
    return replace(original, body=body)


def _cut_json(original: Answer) -> Answer:
    return replace(original, body=original.body[: len(original.body) // 2])


def _with_bom(original: Answer) -> Answer:
    return replace(original, body=b"\xef\xbb\xbf" + original.body)


def _not_a_number(original: Answer) -> Answer:
    return replace(original, body=original.body[:-1] + b',"attempts_left":NaN}')


BODIES: Mapping[str, tuple[str, Rewrite]] = {
    "empty_body": ("No body at all.", partial(_replaced, body=b"")),
    "not_json": ("A text that is not JSON.", partial(_replaced, body=b"OK")),
    "not_utf8": ("Bytes that are not UTF-8.", partial(_replaced, body=b'{"id":"\xff\xfe"}')),
    "json_null": ("JSON null.", partial(_replaced, body=b"null")),
    "json_true": ("JSON true.", partial(_replaced, body=b"true")),
    "json_number": ("A JSON number.", partial(_replaced, body=b"42")),
    "json_string": ("A JSON string.", partial(_replaced, body=b'"verified"')),
    "json_list": ("An empty JSON list.", partial(_replaced, body=b"[]")),
    "json_object": ("An empty JSON object.", partial(_replaced, body=b"{}")),
    "json_deep": ("JSON with 100,000 levels.", partial(_replaced, body=b"[" * 100_000 + b"]" * 100_000)),
    "json_nan": ("The right response with a NaN added.", _not_a_number),
    "json_cut": ("The first half of the right response, with a length that fits.", _cut_json),
    "json_bom": ("The right response after a byte order mark.", _with_bom),
}
# Named options of `fields`.
FIELDS: Mapping[str, Mapping[str, Any]] = {
    "no_id": {"drop": ["id"]},
    "null_id": {"change": {"id": None}},
    "empty_id": {"change": {"id": ""}},
    "number_id": {"change": {"id": 7}},
    "other_to": {"change": {"to": "+10000000000"}},
    "status_failed": {"change": {"status": "failed"}},
    "verified_string": {"change": {"status": "verified", "verified": "true"}},
    "verified_number": {"change": {"status": "verified", "verified": 1}},
    "verified_by_status_only": {"change": {"status": "verified", "verified": False}},
    "verified_by_flag_only": {"change": {"status": "mismatch", "verified": True}},
    "livemode_false": {"change": {"livemode": False}},
    "no_livemode": {"drop": ["livemode"]},
}
REWRITES: Mapping[str, Rewrite] = {
    rewrite.__name__: rewrite
    for rewrite in (answer, fields, login_page, redirect, proxy_page, gzip, huge_body, huge_gzip)
}


@dataclass(frozen=True)
class Fault:
    """A failure of one request.

    ``about`` describes it. ``acts`` says whether the request is carried out: a phone may ring although the response is
    lost. Exactly one other field is set:

    * ``leaves_unread``: a reset before the request is read.
    * ``begin``: a wait before the request is carried out.
    * ``holds``: silence until released.
    * ``refuse``: an error response. With ``acts`` the request is still carried out.
    * ``rewrite``: another response.
    * ``deliver``: the response is sent in another way.
    """

    about: str
    acts: bool = True
    leaves_unread: bool = False
    begin: Callable[..., None] | None = None
    holds: bool = False
    refuse: Callable[..., Refusal] | None = None
    rewrite: Callable[..., Answer] | None = None
    deliver: Callable[..., bool] | None = None

    def tuned(self, *, acts: bool | None = None, **options: Any) -> Fault:
        """Return the fault with these options. Raises ValueError for an unknown option."""
        chosen = replace(self, acts=self.acts if acts is None else acts)
        if not options:
            return chosen
        if self.begin:
            return replace(chosen, begin=with_options(self.begin, options))
        if self.refuse:
            return replace(chosen, refuse=with_options(self.refuse, options))
        if self.rewrite:
            return replace(chosen, rewrite=with_options(self.rewrite, options))
        return replace(chosen, deliver=with_options(self.deliver or as_it_is, options))


def begins_late(connection: Connection, released: threading.Event, *, seconds: float | None = 6) -> None:
    """The request is carried out after ``seconds`` or when released (None: only then). Then the right response."""
    connection.wait(seconds, until=released)


def with_options(way: Callable[..., Any], options: Mapping[str, Any]) -> Callable[..., Any]:
    """Return the function with these keyword arguments. Raises ValueError for an unknown one."""
    # Checked when the test sets the fault. Otherwise the mistake would be a TypeError in the thread of a connection,
    # which the test sees as a broken connection.
    known = {
        name for name, each in inspect.signature(way).parameters.items() if each.kind is inspect.Parameter.KEYWORD_ONLY
    }
    if unknown := options.keys() - known:
        raise ValueError(f"unknown option: {', '.join(sorted(unknown))}")
    return partial(way, **options)


def _about(way: Callable[..., Any]) -> str:
    return (inspect.getdoc(way) or "").partition("\n")[0]


# The order is that of the list over HTTP. Every fault has one docstring or text, which is its help there.
FAULTS: Mapping[str, Fault] = {
    "reset_unread": Fault("A reset before the request is read.", acts=False, leaves_unread=True),
    "begins_late": Fault(_about(begins_late), begin=begins_late),
    "hold": Fault("Silence until released, then the right response.", holds=True),
    **{name: Fault(_about(way), deliver=way) for name, way in DELIVERIES.items()},
    **{name: Fault(_about(way), rewrite=way) for name, way in REWRITES.items()},
    # Telroi sends this before it checks the key, so nothing was carried out.
    "login": Fault(_about(login), acts=False, rewrite=login),
    **{name: Fault(about, rewrite=way) for name, (about, way) in BODIES.items()},
    **{
        name: Fault(f"The right response with other fields: {options}.", rewrite=partial(fields, **options))
        for name, options in FIELDS.items()
    },
    **{name: Fault(_about(way), acts=False, refuse=way) for name, way in REFUSALS.items()},
}
