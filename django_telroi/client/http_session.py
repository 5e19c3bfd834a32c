"""The ``requests.Session`` of all requests of a client, so that instrumentations and hooks see them.

A request needs a permit, so it is sent once, even if hooks or instrumentations call the session again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from types import MappingProxyType

from requests import PreparedRequest, Request, Response, Session
from requests.adapters import BaseAdapter
from requests.sessions import merge_hooks
from requests.structures import CaseInsensitiveDict

from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiUnreachable


class Permit:
    """Allows the transport to send one request once, and stores the response or the failure.

    ``response``: the response that the transport read. ``failure``: the class of its error and the reason. The error
    itself is not kept, because its traceback refers to frames that hold the permit and the request. Both are None while
    nothing was received. ``settled``: called by the transport once one of them is set, inside of all instrumentations.
    """

    def __init__(self, settled: Callable[[Permit], None] | None = None) -> None:
        self.settled = settled
        self.response: Response | None = None
        self.failure: tuple[type[ApiError], str] | None = None
        # ``pop`` is atomic, so one of two threads gets the permit.
        self._unused = [True]

    def take(self) -> bool:
        """Use the permit up. Returns False if it was used before."""
        try:
            return self._unused.pop()
        except IndexError:
            return False

    def outcome(self) -> Response | ApiError:
        """Return what came of the request, also if the session raised an error of its own."""
        if self.response is not None:
            return self.response
        if self.failure is not None:
            # A new error: an instrumentation may have attached its own errors to the first one.
            failure, reason = self.failure
            return failure(reason)
        # A permit that is taken here cannot be used later, for example by another thread of the instrumentation.
        return ApiUnreachable("hook failed") if self.take() else ApiOutcomeUnknown("hook failed")


_current: ContextVar[Permit | None] = ContextVar("django_telroi.client.permit", default=None)


@contextmanager
def permitted(settled: Callable[[Permit], None] | None = None) -> Iterator[Permit]:
    """Give a permit to the code in the block, for one request in this thread or greenlet."""
    # Not an attribute of the request: an instrumentation may send a copy of it.
    permit = Permit(settled)
    token = _current.set(permit)
    try:
        yield permit
    finally:
        _current.reset(token)


def take_permit() -> Permit:
    """Return the permit of the request that is sent now. Raises RuntimeError if there is none or it is used up."""
    permit = _current.get()
    if permit is None or not permit.take():
        raise RuntimeError("TelroiClient sends each request once, in its own thread. This session sends nothing else.")
    return permit


class HttpSession(Session):
    """Sends the client's requests as they are: it adds nothing of its own and follows no redirect.

    ``request`` and ``send`` are those of ``requests``, because instrumentations patch them. Threads can share the
    session: a request changes nothing in it.
    """

    headers: CaseInsensitiveDict[str]  # type: ignore[assignment]  # all of ours are text

    def __init__(self, transport: BaseAdapter, headers: CaseInsensitiveDict[str]) -> None:
        super().__init__()
        # Otherwise it would follow .netrc and the environment variables for proxies and trust stores.
        self.trust_env = False
        self.headers = headers
        # Nothing would store a cookie now, because ``requests`` takes cookies from responses of urllib3 only.
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # Read-only: ``mount`` raises TypeError. Another adapter may retry, and a retry would be a second call.
        self.adapters = MappingProxyType({"http": transport})  # type: ignore[assignment]

    def prepare_request(self, request: Request) -> PreparedRequest:
        """Return the request with its method, URL and body unchanged.

        The method of ``requests`` would change the URL of some requests: it resolves ``..`` and quotes characters. It
        also takes four times as long as the rest of the session. Only headers and hooks are merged with those of the
        session, because an instrumentation may add some to one request.
        """
        prepared = PreparedRequest()
        prepared.method = request.method
        prepared.url = request.url
        # A copy: what an instrumentation adds must not go into the next request.
        prepared.headers = self.headers.copy()
        prepared.headers.update(request.headers)
        prepared.body = request.data or None
        prepared.hooks = merge_hooks(request.hooks, self.hooks)  # type: ignore[no-untyped-call]
        return prepared

    def get_redirect_target(self, resp: Response) -> None:
        """Return None, so no redirect is followed.

        ``allow_redirects=False`` is not enough: ``requests`` would still parse the target, and raise if it is invalid.
        """
