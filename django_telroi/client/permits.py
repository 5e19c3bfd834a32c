"""Permits for requests: a request is sent once, even if hooks or instrumentations call the session again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from requests import Response

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
