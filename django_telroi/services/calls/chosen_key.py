"""The state of a request with the row of its key, and the backend for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from time import monotonic

from django_telroi.backends import NO_KEY, Backend, get_backend
from django_telroi.services.calls.key_choice import choose_key
from django_telroi.services.calls.refusals import refuse_request
from django_telroi.services.calls.request import CallRequest, StartRequest
from django_telroi.services.shared.number_state import State, read_state
from django_telroi.services.shared.transactions import unavailable_without_database

STALE_AFTER = 1.0
"""Seconds after which a start reads the state again before it claims its call."""


def with_key(
    request: CallRequest,
    raw: StartRequest,
    backend: Backend | None,
    state: State,
    *,
    using: str,
    now: datetime | None,
) -> tuple[CallRequest, Backend, State]:
    """Return the request with the name of its key, the backend for it, and the state with the row of that key.

    The function in ``API_KEY`` is asked if no limit of the number rejects the call. A worker does not ask it again.
    """
    if backend is None:
        refuse_request(request, state, key=NO_KEY)
        user = raw.user if request.user_id is not None else None
        name = choose_key(user, request.purpose, request.phone.region)
        request, backend = replace(request, key_name=name), get_backend(name)
        return request, backend, read_again(request, using=using, now=now)
    if now is None and monotonic() - state.read_at > STALE_AFTER:
        # A slow cache, or the other half of a double click. Staff may have stopped all calls meanwhile.
        state = read_again(request, using=using, now=now)
    return request, backend, state


def read_again(request: CallRequest, *, using: str, now: datetime | None) -> State:
    with unavailable_without_database():
        return read_state(request.phone, using=using, now=now, user_id=request.user_id, key_name=request.key_name)
