"""The ``requests.Session`` that all requests of a client go through, so that instrumentations and hooks see them."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from types import MappingProxyType

from requests import PreparedRequest, Request, Response, Session
from requests.adapters import BaseAdapter
from requests.sessions import merge_hooks
from requests.structures import CaseInsensitiveDict


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
