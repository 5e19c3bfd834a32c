"""The services for async code: each runs in the thread that Django uses for the database, and is awaited.

The names follow Django's own, such as ``aget``. Arguments, results and exceptions are those of the service without the
``a``. They save you a ``sync_to_async``; they do not make a call to the database or to Telroi faster.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async

from django_telroi.redaction import as_secret
from django_telroi.services.accounts.ownership import change_phone
from django_telroi.services.accounts.phones import forget_phone, has_verified_phone
from django_telroi.services.accounts.proofs import add_phone, read_proof, redeem_proof
from django_telroi.services.attempts.status import cancel_verification, follow
from django_telroi.services.calls.start import call_again, read_out, start_verification
from django_telroi.services.codes.check import check_code

P = ParamSpec("P")
T = TypeVar("T")


def in_thread(service: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Return the async form of ``service``."""

    @wraps(service)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        # An error report shows the arguments of this frame and of those between it and the service.
        args = tuple(as_secret(value) for value in args)  # type: ignore[assignment]
        kwargs = {name: as_secret(value) for name, value in kwargs.items()}  # type: ignore[assignment]
        # thread_sensitive: Django's connections belong to one thread, and a test's transaction is in that thread too.
        return await sync_to_async(service, thread_sensitive=True)(*args, **kwargs)

    call.__name__ = call.__qualname__ = f"a{service.__name__}"
    return call


aadd_phone = in_thread(add_phone)
acall_again = in_thread(call_again)
acancel_verification = in_thread(cancel_verification)
achange_phone = in_thread(change_phone)
acheck_code = in_thread(check_code)
afollow = in_thread(follow)
aforget_phone = in_thread(forget_phone)
ahas_verified_phone = in_thread(has_verified_phone)
aread_out = in_thread(read_out)
aread_proof = in_thread(read_proof)
aredeem_proof = in_thread(redeem_proof)
astart_verification = in_thread(start_verification)
