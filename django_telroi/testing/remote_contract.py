"""The additional contract of a backend that sends requests over a network, as a test case."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sized
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, ApiUnreachable
from django_telroi.testing.contract import GIVEN_CODE, BackendContract, everything_logged

SCOPES = (None, "number", "key")


@dataclass(frozen=True)
class BackendRequest:
    """One request of the backend, with the name of its method."""

    name: str
    send: Callable[[], object]


class RemoteBackendContract(BackendContract):
    """Tests that a backend raises the right error for each failure: nothing was sent, refused, or unknown.

    The tests run against a double of the provider on a real socket, because only a real failure shows which exception
    an HTTP library raises.
    """

    @abstractmethod
    def requests(self) -> int | Sized:
        """Return how many requests the double has received, or a collection of them."""

    @abstractmethod
    def unreachable(self) -> AbstractContextManager[object]:
        """While the context lasts, the double's port is closed, so that connections are refused."""

    @abstractmethod
    def losing_answers(self) -> AbstractContextManager[object]:
        """While the context lasts, the double processes each request and closes the connection without an answer."""

    @abstractmethod
    def answering(self, status: int) -> AbstractContextManager[object]:
        """While the context lasts, the double answers each request with this status and a body that is not JSON.

        307 needs a ``Location`` header with another path of the double. Otherwise no HTTP library follows it, and the
        test of redirects would prove nothing.
        """

    def location(self) -> str:
        """Return the ``Location`` header of the double. It is requested at ``provider_url()`` with ``answering(307)``.

        Override it only for a double without HTTP.
        """
        url = urlsplit(self._backend().provider_url())
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        with closing(kind(url.hostname or "", url.port, timeout=30)) as connection:
            connection.request("POST", f"{url.path.rstrip('/')}/", body=b"{}")
            return connection.getresponse().getheader("Location") or ""

    def test_without_a_connection_nothing_was_sent(self) -> None:
        for request in self._requests():
            with self.unreachable():
                error = raised_by(request)
            assert isinstance(error, ApiUnreachable), (
                f"{request.name}: a refused connection must raise ApiUnreachable, not {error!r}"
            )

    def test_a_lost_answer_may_have_been_a_yes(self) -> None:
        for request in self._requests():
            before = self._request_count()
            with self.losing_answers():
                error = raised_by(request)
            assert isinstance(error, ApiOutcomeUnknown), (
                f"{request.name}: a connection closed without an answer must raise ApiOutcomeUnknown, not {error!r}"
            )
            # HTTP libraries repeat a request whose connection broke, unless they are told not to. The phone rings twice
            # then.
            sent = self._request_count() - before
            assert sent == 1, f"{request.name}: {sent} requests were received instead of 1. A retry calls twice"

    def test_an_answer_that_cannot_be_read_may_have_been_a_yes(self) -> None:
        for request in self._requests():
            with self.answering(200):
                error = raised_by(request)
            assert isinstance(error, ApiOutcomeUnknown), (
                f"{request.name}: an answer that is not JSON must raise ApiOutcomeUnknown, not {error!r}"
            )

    def test_a_redirect_is_not_followed(self) -> None:
        with self.answering(307):
            location = self.location()
        assert location, "the double must send a Location header with answering(307)"

        for request in self._requests():
            before = self._request_count()
            with self.answering(307):
                error = raised_by(request)
            assert isinstance(error, ApiOutcomeUnknown | ApiRefused), (
                f"{request.name}: a redirect must raise ApiOutcomeUnknown or ApiRefused, not {error!r}"
            )
            sent = self._request_count() - before
            assert sent == 1, f"{request.name}: {sent} requests were received instead of 1. Do not follow redirects"

    def test_a_refusal_says_which(self) -> None:
        # The services decide by the status what became of the call: see the tables in docs/explanation/how.rst.
        for status in (400, 401, 403, 404, 429, 500, 503):
            for request in self._requests():
                with self.answering(status):
                    error = raised_by(request)
                assert isinstance(error, ApiRefused), f"{request.name}: {status} must raise ApiRefused, not {error!r}"
                assert error.status == status, (
                    f"{request.name}: ApiRefused.status must be {status}, not {error.status!r}"
                )
                assert error.scope in SCOPES, (
                    f"{request.name}: ApiRefused.scope must be in {SCOPES}, not {error.scope!r}"
                )

    def test_an_error_tells_no_secret(self) -> None:
        with everything_logged() as lines:
            errors = [self._failing(request) for request in self._requests()]

        shown = f"{lines} {errors!r} {[str(error) for error in errors]}"
        secrets = {"the number": self.number[1:], "the code": GIVEN_CODE, "the secret": self.secret}
        exposed = [name for name, secret in secrets.items() if secret and secret in shown]
        assert exposed == [], f"an error or a log line contains {' and '.join(exposed)}"

    def _request_count(self) -> int:
        requests = self.requests()
        return requests if isinstance(requests, int) else len(requests)

    def _failing(self, request: BackendRequest) -> BaseException | None:
        with self.losing_answers():
            return raised_by(request)

    def _requests(self) -> list[BackendRequest]:
        backend = self._backend()
        return [
            BackendRequest("place_call", lambda: backend.place_call(self.number, code_length=6, language=None)),
            BackendRequest(
                "check_code", lambda: backend.check_code(GIVEN_CODE, call_id=self.unknown_id, to=self.number)
            ),
        ]


def raised_by(request: BackendRequest) -> ApiError | None:
    """Send the request. Return the ApiError that it raises, or None. Raises AssertionError for any other exception."""
    try:
        request.send()
    except ApiError as error:
        return error
    except Exception as error:
        raise AssertionError(f"{request.name} raised {type(error).__name__}, which is not an ApiError") from error
    return None
