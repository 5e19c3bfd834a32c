"""The client."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Sequence
from json import dumps
from time import monotonic
from types import TracebackType
from typing import TypeVar

from requests import PreparedRequest, Response
from requests.structures import CaseInsensitiveDict

from django_telroi.client.classify import RequestKind, classify
from django_telroi.client.clean_text import clean_path
from django_telroi.client.deadline import Timeouts
from django_telroi.client.json_fields import http_date
from django_telroi.client.origin import read_base_url, read_proxy_url
from django_telroi.client.replies import OtpCall, OtpCheck, Probe, read_call, read_check, read_list
from django_telroi.client.strict_json import JSON
from django_telroi.client.transport import Transport
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, ApiUnreachable, RateScope
from django_telroi.redaction import Secret, SecretBytes

logger = logging.getLogger("django_telroi.client")

T = TypeVar("T")

METHOD = re.compile(r"[A-Za-z]{1,20}")
PATH = re.compile(r"/[!\"$-~]*")

EVENTS: dict[type[ApiError], str] = {
    ApiUnreachable: "telroi_unreachable",
    ApiOutcomeUnknown: "telroi_outcome_unknown",
    ApiRefused: "telroi_refused",
}


class TelroiClient:
    """Telroi's API, each request sent at most once.

    Raises ApiUnreachable (nothing was sent), ApiOutcomeUnknown (it may have happened) or ApiRefused (Telroi said no).
    It repeats nothing by itself: whether to ask again is for the caller to say, who knows what a second call costs.

    ``total_timeout`` bounds connecting over all of the host's addresses, sending and reading. It does not bound the
    wait for a name server that hangs: the system's resolver takes no timeout. ``read_timeout`` bounds the wait for each
    piece of the answer and should exceed the 20 s that Telroi may take to place a call. ``connect_timeout`` bounds each
    step of connecting: one address, one TLS handshake, one word of a proxy.

    Certificates are verified against certifi's list, always. ``.netrc``, the variables for proxies and those for trust
    stores are not looked at; ``proxy_url`` (http or https) is the one way to a proxy.

    One client may be used by any number of threads, and by a process that was forked after it was used.
    """

    _base_url = ""  # for the repr of one that was refused

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = "https://app.telroi.ai",
        connect_timeout: float = 5,
        read_timeout: float = 25,
        total_timeout: float = 30,
        proxy_url: str | None = None,
    ) -> None:
        """Raises ValueError for a key that fits no header, for a URL that would show it, and for no time at all."""
        api_key, proxy_url = Secret(api_key), proxy_url and Secret(proxy_url)
        _refuse_unusable_key(api_key)
        _refuse_no_time(connect_timeout, read_timeout, total_timeout)
        origin, self._base_url = read_base_url(base_url)
        self._adapter = Transport(
            origin,
            proxy=read_proxy_url(proxy_url, origin) if proxy_url else None,
            timeouts=Timeouts(connect_timeout, read_timeout, total_timeout),
        )
        self._api_key = api_key
        self._headers = CaseInsensitiveDict(
            {
                "Authorization": Secret(f"Bearer {api_key}"),
                # Without it, every error is a 302 to a page for signing in.
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Content-Type": "application/json",
                "User-Agent": "django-telroi",
            }
        )

    def __repr__(self) -> str:
        return f"<TelroiClient {self._base_url}>"

    def __enter__(self) -> TelroiClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections. The client can still be used."""
        self._adapter.close()

    def place_otp(
        self, to: str, *, code_length: int | None = None, language: str | None = None, code: str | None = None
    ) -> OtpCall:
        """Ring ``to`` and read out a code: Telroi's own, or ``code`` (4 to 10 digits), which it then does not judge.

        ``to`` is dialled and billed as it stands, so it should be E.164. ``code_length`` (4 to 10) is capped by Telroi
        without a word. ``language`` is BCP 47.
        """
        to, code = _quiet(to), None if code is None else _quiet(code)
        body = _encoded(_given(to=to, code_length=code_length, language=language, code=code))
        question = self._question(to, code or "", limited="number")
        return self._ask("POST", "/v1/otp", body, question=question, read=lambda reply: read_call(reply, to))

    def check_otp(self, code: str, *, id: str | None = None, to: str | None = None) -> OtpCheck:  # noqa: A002
        """Have ``code`` judged for the call ``id``, or without an id for the newest call to exactly ``to``.

        Each asking costs one of the few tries, one with an unknown outcome perhaps too. Telroi does not repeat what it
        judged: to bind the answer to a person is the caller's part.
        """
        if id is None and to is None:
            raise ValueError("check_otp needs id or to.")
        code, to = _quiet(code), None if to is None else _quiet(to)
        body = _encoded(_given(id=id, to=to, code=code))
        return self._ask("POST", "/v1/otp/verify", body, question=self._question(code, to or ""), read=read_check)

    def list_numbers(self) -> list[dict[str, JSON]]:
        """The workspace's numbers. Needs the scope ``numbers:read``: a 403 here still proves the key good."""
        return self._ask("GET", "/v1/numbers", None, question=self._question(), read=read_list)

    def probe(self) -> Probe:
        """Ask for the numbers, only to see how Telroi answers. Raises nothing."""
        started = monotonic()
        try:
            response = self._adapter.send(self._prepared("GET", "/v1/numbers", None))
        except ApiError as error:
            return Probe(error.with_traceback(None), monotonic() - started, None)
        seconds = monotonic() - started
        outcome = _read(response, self._question(), read_list)
        return Probe(
            error=outcome if isinstance(outcome, ApiError) else None,
            seconds=seconds,
            server_time=http_date(response.headers.get("Date", "")),
        )

    def request(self, method: str, path: str, json: object = None) -> JSON:
        """The parsed JSON of any other endpoint (speech, calls, contacts); None for an empty 204.

        ``path`` is appended to the base URL and must begin with a slash. Put no secret into it: Telroi's errors repeat
        it, and so do the logs of whatever stands between.
        """
        if not METHOD.fullmatch(method) or not PATH.fullmatch(path):
            raise ValueError("A method is a word; a path begins with a slash and is ASCII without spaces and fragment.")
        body = None if json is None else _encoded(json)
        hidden = _texts_in(json)
        del json  # a report of an error shows the locals of each frame
        return self._ask(method.upper(), path, body, question=self._question(*hidden), read=lambda reply: reply)

    def _question(self, *hidden: str, limited: RateScope = "key") -> RequestKind:
        return RequestKind(limited=limited, hidden=(self._api_key, *hidden))

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        question: RequestKind,
        read: Callable[[JSON], T | ApiError],
    ) -> T:
        """The one place that raises: what is raised here holds no frame that saw a key, a code or a number."""
        started = monotonic()
        outcome = self._outcome(self._prepared(method, path, body), question, read)
        milliseconds = round((monotonic() - started) * 1000)
        if isinstance(outcome, ApiError):
            event = EVENTS[type(outcome)]
            logger.info('%s method=%s path=%s why="%s" ms=%d', event, method, clean_path(path), outcome, milliseconds)
            raise outcome
        logger.debug("telroi_answered method=%s path=%s ms=%d", method, clean_path(path), milliseconds)
        return outcome

    def _outcome(
        self, request: PreparedRequest, question: RequestKind, read: Callable[[JSON], T | ApiError]
    ) -> T | ApiError:
        try:
            # Not through a Session: it would read the body of a redirect whole, inflate it, and look where it leads.
            response = self._adapter.send(request)
        except ApiError as error:
            return error.with_traceback(None)
        return _read(response, question, read)

    def _prepared(self, method: str, path: str, body: bytes | None) -> PreparedRequest:
        """Not by ``PreparedRequest.prepare``: everything in it is known here."""
        request = PreparedRequest()
        request.method = method
        request.url = self._base_url + path
        request.headers = self._headers
        request.body = body
        return request


def _read(response: Response, question: RequestKind, read: Callable[[JSON], T | ApiError]) -> T | ApiError:
    """What an answer amounts to. Raises nothing: the request was sent, so an error in reading is an unknown outcome."""
    try:
        reply = classify(response, question)
        return reply if isinstance(reply, ApiError) else read(reply)
    except Exception:  # noqa: BLE001 - memory may run out, and a parser of the standard library may have a bug
        return ApiOutcomeUnknown("unreadable")


def _refuse_unusable_key(api_key: str) -> None:
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ValueError("api_key must be printable ASCII without spaces.")


def _refuse_no_time(*timeouts: float) -> None:
    if not all(math.isfinite(seconds) and seconds > 0 for seconds in timeouts):
        raise ValueError("Timeouts are seconds, more than none and fewer than for ever.")


def _quiet(text: str) -> Secret:
    """Raises TypeError for what is no text: str(None) would be dialled, and billed."""
    if not isinstance(text, str):
        raise TypeError("A number and a code are text.")
    return Secret(text)


def _given(**fields: JSON) -> dict[str, JSON]:
    """Without what is None: to Telroi, null is not the same as absent."""
    return {name: value for name, value in fields.items() if value is not None}


def _encoded(body: object) -> SecretBytes:
    return SecretBytes(dumps(body, allow_nan=False, separators=(",", ":")).encode())


def _texts_in(body: object) -> Sequence[str]:
    values = body.values() if isinstance(body, dict) else ()
    return [Secret(value) for value in values if isinstance(value, str)]
