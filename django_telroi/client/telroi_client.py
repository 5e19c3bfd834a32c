"""``TelroiClient``, the client for Telroi's API.

See "A call" and "A code" in docs/explanation/how.rst for what the errors mean for a person.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Mapping
from time import monotonic
from types import TracebackType
from typing import Any, TypeVar

from requests import Response, Session
from requests.structures import CaseInsensitiveDict

from django_telroi.client.classify import RequestKind, read_reply
from django_telroi.client.deadline import Timeouts
from django_telroi.client.http_session import HttpSession, Permit, permitted
from django_telroi.client.json_values import JSON, as_secret_text, clean_path, encode, http_date, without_none
from django_telroi.client.observers import ObservedRequest, RequestPurpose, observed
from django_telroi.client.origin import read_base_url, read_proxy_url
from django_telroi.client.replies import OtpCall, OtpCheck, Probe, read_call, read_check, read_list
from django_telroi.client.transport import Transport
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, ApiRefusedByProxy, ApiUnreachable, RateScope
from django_telroi.log_fields import LOG_FIELDS
from django_telroi.redaction import Secret, kind_of

logger = logging.getLogger("django_telroi.client")
logging.getLogger("django_telroi.client").addFilter(LOG_FIELDS)

T = TypeVar("T")

# A space or a line break in one of them would begin another request. The path may have a query but no fragment, which
# is never sent.
METHOD = re.compile(r"[A-Za-z]{1,20}")
PATH = re.compile(r"/[!\"$-~]*")

EVENTS: dict[type[ApiError], str] = {
    ApiUnreachable: "telroi_unreachable",
    ApiOutcomeUnknown: "telroi_outcome_unknown",
    ApiRefused: "telroi_refused",
    ApiRefusedByProxy: "telroi_refused",
}


class TelroiClient:
    """Sends requests to Telroi's API. Each request is sent at most once.

    Its methods raise ApiUnreachable (nothing was sent), ApiOutcomeUnknown (the request may have been carried out) or
    ApiRefused (Telroi refused it). The client never retries, because a retry may be a second call: that is the caller's
    decision.

    All timeouts are in seconds:

    * ``total_timeout`` limits the whole request: connecting (over all IP addresses of the host), sending and reading.
      It does not limit the DNS lookup, because the system's resolver takes no timeout.
    * ``read_timeout`` limits the wait for each piece of the response. Keep it above the 20 s that Telroi may need to
      place a call.
    * ``connect_timeout`` limits each step of connecting: one IP address, one TLS handshake, one response of a proxy.

    Certificates are always verified against certifi's list. ``.netrc`` and the environment variables for proxies and
    trust stores are not used. To use a proxy, pass ``proxy_url`` (http or https).

    ``session`` is the ``requests.Session`` that sends the requests. Add response hooks to it. It takes no adapters, and
    it sends no other requests.

    ``trace_headers``: whether Telroi gets the headers that instrumentations add to requests, such as ``traceparent``
    and ``baggage``. Without it only the headers of ``session.headers`` are sent.

    Threads can share one client. It also works in a process that is forked after the client was used.
    """

    _base_url = ""  # for the repr of a client whose constructor raised ValueError

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = "https://app.telroi.ai",
        connect_timeout: float = 5,
        read_timeout: float = 25,
        total_timeout: float = 30,
        proxy_url: str | None = None,
        trace_headers: bool = False,
    ) -> None:
        """Raises ValueError for a key that is not valid in a header, a URL that would expose it, and wrong timeouts."""
        # Masked first: if a check below fails, an error report shows the local variables of this frame.
        api_key, proxy_url = Secret(api_key), proxy_url and Secret(proxy_url)
        # Only what would break the header. Telroi's keys vary in length, so no format is required.
        if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
            raise ValueError("api_key must be printable ASCII without spaces.")
        timeouts = (connect_timeout, read_timeout, total_timeout)
        if not all(math.isfinite(seconds) and seconds > 0 for seconds in timeouts):
            raise ValueError("Timeouts must be finite numbers of seconds above 0.")
        self._origin, self._base_url = read_base_url(base_url)
        headers = CaseInsensitiveDict(
            {
                "Authorization": Secret(f"Bearer {api_key}"),
                # Without it, every error is a 302 to the login page.
                "Accept": "application/json",
                # A compressed body could become a thousand times as long.
                "Accept-Encoding": "identity",
                "Content-Type": "application/json",
                "User-Agent": "django-telroi",
            }
        )
        transport = Transport(
            self._origin,
            proxy=read_proxy_url(proxy_url, self._origin) if proxy_url else None,
            timeouts=Timeouts(*timeouts),
            own_headers=None if trace_headers else headers,
        )
        self._api_key = api_key
        self.session: Session = HttpSession(transport, headers)

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
        self.session.close()

    def place_otp(
        self, to: str, *, code_length: int | None = None, language: str | None = None, code: str | None = None
    ) -> OtpCall:
        """Call ``to`` and read out a code. Returns the call.

        ``to``: the number in E.164. Telroi dials and bills it unchanged.
        ``code_length``: digits of Telroi's code, 4 to 10. Telroi may use fewer and does not report that.
        ``language``: a BCP 47 tag.
        ``code``: 4 to 10 digits to read out instead of a code of Telroi. Telroi then cannot check it.
        """
        to, code = as_secret_text(to), None if code is None else as_secret_text(code)
        body = encode(without_none(to=to, code_length=code_length, language=language, code=code))
        # Telroi's docs speak of limits by number only, so a 429 with an unknown text is taken for one of those.
        kind = self._request_kind(to, code or "", limited="number", operation=RequestPurpose.CALL)
        return self._send("POST", "/v1/otp", body, kind=kind, read=lambda reply: read_call(reply, to))

    def check_otp(self, code: str, *, id: str | None = None, to: str | None = None) -> OtpCheck:  # noqa: A002
        """Check ``code`` for the call ``id``, or without an id for the newest call to exactly ``to``. Returns the
        answer.

        Each check uses one of the few tries; a check with an unknown outcome may use one too. The reply does not say
        which call or number it is about. The caller must make sure that the person who typed the code asked for the
        call. Raises ValueError without ``id`` and ``to``.
        """
        if id is None and to is None:
            raise ValueError("check_otp needs id or to.")
        code, to = as_secret_text(code), None if to is None else as_secret_text(to)
        body = encode(without_none(id=id, to=to, code=code))
        kind = self._request_kind(code, to or "", operation=RequestPurpose.CHECK)
        return self._send("POST", "/v1/otp/verify", body, kind=kind, read=read_check)

    def list_numbers(self) -> list[dict[str, JSON]]:
        """Return the workspace's numbers. Needs the scope ``numbers:read``: a valid key without it gets a 403."""
        return self._send("GET", "/v1/numbers", None, kind=self._request_kind(), read=read_list)

    def probe(self) -> Probe:
        """Request the list of numbers, to test the key and the connection.

        Never raises an ``ApiError`` and logs no refusal: a key that may not read the list is no fault.
        """
        return self._probe("GET", "/v1/numbers", None, read=read_list)

    def probe_check(self) -> Probe:
        """Send a check without a code, which Telroi rejects. Its status shows whether the key has the scope of checks.

        Telroi checks the scope first: 400 or 422 if the key has it, 403 if it has not. Uses no try of any call. Never
        raises an ``ApiError`` and logs no refusal.
        """
        return self._probe("POST", "/v1/otp/verify", encode({}), read=lambda reply: reply)

    def request(self, method: str, path: str, json: object = None) -> JSON:
        """Send a request to any other endpoint (speech, calls, contacts).

        Returns the parsed JSON, or None for an empty 204. ``path`` is appended to the base URL and must begin with a
        slash. Put no secret into it: Telroi's errors repeat it, and proxies may log it. Raises ValueError for an
        invalid method or path.
        """
        if not METHOD.fullmatch(method) or not PATH.fullmatch(path):
            raise ValueError(
                "method must have 1 to 20 ASCII letters. path must begin with a slash and be printable ASCII, "
                "without spaces and without a fragment."
            )
        body = None if json is None else encode(json)
        # Telroi's errors may repeat a value, for example a number, so all texts of the body are redacted from them.
        values = json.values() if isinstance(json, dict) else ()
        hidden = [Secret(value) for value in values if isinstance(value, str)]
        del json, values  # error reports show the local variables of each frame
        return self._send(method.upper(), path, body, kind=self._request_kind(*hidden), read=lambda reply: reply)

    def _request_kind(
        self, *hidden: str, limited: RateScope = "key", operation: RequestPurpose = RequestPurpose.OTHER
    ) -> RequestKind:
        return RequestKind(limited=limited, operation=operation, hidden=(self._api_key, *hidden))

    def _probe(self, method: str, path: str, body: bytes | None, *, read: Callable[[JSON], object]) -> Probe:
        started = monotonic()
        kind = self._request_kind(operation=RequestPurpose.PROBE)
        outcome, response = self._ask(method, path, body, kind=kind, read=read)
        return Probe(
            error=outcome if isinstance(outcome, ApiError) else None,
            seconds=monotonic() - started,
            server_time=http_date(response.headers.get("Date", "")) if response is not None else None,
        )

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        kind: RequestKind,
        read: Callable[[JSON], T | ApiError],
    ) -> T:
        """Send the request, log it, and return the value or raise the error.

        Errors are raised only here, so that their tracebacks contain no frame with a key, a code or a number.
        """
        started = monotonic()
        outcome, _response = self._ask(method, path, body, kind=kind, read=read)
        # Logged without the query, the body and the headers, which contain the number, the code and the key.
        milliseconds = round((monotonic() - started) * 1000)
        if isinstance(outcome, ApiError):
            event = EVENTS[type(outcome)]
            logger.info('%s method=%s path=%s why="%s" ms=%d', event, method, clean_path(path), outcome, milliseconds)
            raise outcome
        logger.debug("telroi_answered method=%s path=%s ms=%d", method, clean_path(path), milliseconds)
        return outcome

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        kind: RequestKind,
        read: Callable[[JSON], T | ApiError],
    ) -> tuple[T | ApiError, Response | None]:
        """Send the request, and return what was read from the response. The observer of this process sees both."""
        with observed(
            lambda: ObservedRequest(method, clean_path(path), self._base_url, self._origin, kind.operation)
        ) as observation:
            if observation is None:
                answer = self._exchange(method, path, body)
            else:
                # Read twice, because an instrumentation of ``requests`` ends its span before the session returns.
                def see(permit: Permit) -> None:
                    early = permit.outcome()
                    observation.see(read_reply(early, kind, read), _status_of(early))

                answer = self._exchange(method, path, body, headers=observation.headers, settled=see)
            outcome = read_reply(answer, kind, read)
            if observation is not None:
                observation.conclude(outcome, _status_of(answer))
        return outcome, None if isinstance(answer, ApiError) else answer

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        headers: Mapping[str, str] | None = None,
        settled: Callable[[Permit], None] | None = None,
    ) -> Response | ApiError:
        """Send the request through the session. Returns the response, or the error without a traceback.

        Hooks and instrumentations of the site run around the transport and may raise. The error still says whether the
        request was sent, and a response that was read is returned.
        """
        with permitted(settled) as permit:
            try:
                # Without the argument if there are no headers: an instrumentation may pass its own.
                extra: dict[str, Any] = {"headers": headers} if headers else {}
                return self.session.request(method, self._base_url + path, data=body, allow_redirects=False, **extra)
            except Exception as error:  # noqa: BLE001 - a hook may raise anything
                # Its text is not logged, because it may contain the number. The transport's own error is logged later.
                if permit.failure is None:
                    logger.error(
                        "telroi_hook_failed method=%s path=%s error=%s", method, clean_path(path), kind_of(error)
                    )
        return permit.outcome()


def _status_of(answer: Response | ApiError) -> int | None:
    return None if isinstance(answer, ApiError) else answer.status_code
