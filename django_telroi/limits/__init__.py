"""The doorkeeper: how often one address and one user may start and check, in front of the services.

Faces ask here what they would ask the services, and hand over their request. A request counts before anything else
happens, and where it cannot be counted it is refused. What is no callable number, or no code, is told by a look at it:
it rings nobody and does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf, services
from django_telroi.domain.codes import clean_code
from django_telroi.domain.phone import Phone, parse_phone, refuse_uncallable
from django_telroi.errors import VerificationRefused
from django_telroi.limits.counting import admit, digest_of, forget
from django_telroi.models import VerificationAttempt
from django_telroi.quiet import quiet_arguments
from django_telroi.services import CheckResult
from django_telroi.services.attempts import is_verified, was_started
from django_telroi.services.refusals import note_refusal
from django_telroi.services.requesters import Requester, requester_of
from django_telroi.services.starting import another_call_id
from django_telroi.services.transactions import write_alias


@quiet_arguments("number")
@sensitive_variables()
def start_verification(
    request: HttpRequest,
    number: str,
    *,
    user: AbstractBaseUser | None = None,
    purpose: str = "",
    language: str | None = None,
    attempt_uuid: UUID | None = None,
) -> VerificationAttempt:
    """``services.start_verification`` for whoever sent ``request``. Raises TooManyRequests and Unavailable as well."""
    requester = requester_of(request, user)
    phone = _callable_phone(number)
    once = digest_of("start", attempt_uuid, phone.number) if phone and attempt_uuid else None
    if phone:
        with _noted(phone, unless=lambda: was_started(attempt_uuid)):
            admit("start", requester, once=once)
    with _counting_anew_if_refused(requester, once=once):
        return services.start_verification(
            number,
            user=user,
            purpose=purpose,
            language=language,
            requester_ip=requester.ip,
            attempt_uuid=attempt_uuid,
        )


@sensitive_variables()
def call_again(
    request: HttpRequest, attempt_uuid: UUID, *, user: AbstractBaseUser | None = None
) -> VerificationAttempt:
    """``services.call_again`` for whoever sent ``request``: it counts as a start."""
    requester, once = requester_of(request, user), digest_of("call again", attempt_uuid)
    with _noted(None, unless=lambda: was_started(another_call_id(attempt_uuid))):
        admit("start", requester, once=once)
    with _counting_anew_if_refused(requester, once=once):
        return services.call_again(attempt_uuid, user=user, requester_ip=requester.ip)


@quiet_arguments("code")
@sensitive_variables()
def check_code(
    request: HttpRequest, attempt_uuid: UUID, code: str, *, user: AbstractBaseUser | None = None
) -> CheckResult:
    """``services.check_code`` for whoever sent ``request``. Raises TooManyRequests and Unavailable as well."""
    if clean_code(code):
        with _noted(None, unless=lambda: is_verified(attempt_uuid)):
            admit("check", requester_of(request, user), once=None)
    return services.check_code(attempt_uuid, code, user=user)


@contextmanager
def _noted(phone: Phone | None, *, unless: Callable[[], bool]) -> Iterator[None]:
    """Leave the traces of a refusal, and let pass what needs no place: it was answered before, and rings nobody."""
    try:
        yield
    except VerificationRefused as refusal:
        if not unless():
            note_refusal(refusal, phone, using=write_alias())
            raise


@contextmanager
def _counting_anew_if_refused(requester: Requester, *, once: str | None) -> Iterator[None]:
    """A start that was refused is no start: whoever sends the same again asks once more."""
    try:
        yield
    except BaseException:
        forget("start", requester, once=once)
        raise


@quiet_arguments("number")
def _callable_phone(number: str) -> Phone | None:
    """None for what the services will refuse by a look at its digits."""
    try:
        phone = parse_phone(number, default_region=conf.default_region())
        refuse_uncallable(phone, conf.calling_rules())
    except VerificationRefused:
        return None
    return phone
