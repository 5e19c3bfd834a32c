"""From a right code to a login: the account of the number, and the proof that is spent once. Page and API use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import load_backend
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.conf.values import load_function
from django_telroi.errors import ProofRejected, VerificationRefused, make_answerable
from django_telroi.models import VerifiedPhone
from django_telroi.redaction import redact_arguments
from django_telroi.services import CheckResult
from django_telroi.services.accounts.proofs import spend_login_proof
from django_telroi.services.shared.reviewers import count_reviewer_login
from django_telroi.services.shared.transactions import unavailable_without_database, write_alias


class NoAccountFound(Exception):
    """The code was right, and no account that may log in has the number. The proof is not spent."""


class CodeUsedUp(Exception):
    """The code was right, and has logged in before."""


@redact_arguments("number")
@sensitive_variables()
@unavailable_without_database()
def user_of_number(number: str) -> AbstractBaseUser | None:
    """Return the user who verified ``number`` (E.164) last for one of ``LOGIN_PURPOSES``. None if they may not log in.

    The user is loaded by the first of ``AUTHENTICATION_BACKENDS`` that knows them, as Django does at each request of
    a session. So the backend decides about inactive users: ModelBackend does not let them in. ``user.backend`` is its
    dotted path, as ``django.contrib.auth.login`` needs it.

    Only the last one: earlier owners may have lost the number to another person, also if the last one is inactive.
    Raises Unavailable if the database fails.
    """
    records = VerifiedPhone.objects.using(write_alias()).filter(number=number, purpose__in=conf.login_purposes())
    newest = records.order_by("-verified_at", "-pk").first()
    if newest is None:
        return None
    for path in settings.AUTHENTICATION_BACKENDS:
        backend: Any = load_backend(path)
        # Some backends only answer questions about permissions.
        user: Any = backend.get_user(newest.user_id) if hasattr(backend, "get_user") else None
        if user is not None:
            user.backend = path
            return user  # type: ignore[no-any-return]
    return None


def site_function(key: str, chosen: str | Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Return the function of a setting, None if it is not set.

    Raises ImproperlyConfigured for a path that names no function.
    """
    try:
        return load_function(chosen) if chosen else None
    except Exception as error:  # noqa: BLE001 - a module of the site may raise anything
        reason = type(error).__name__
        raise ImproperlyConfigured(f'TELROI["{key}"] is not the dotted path of a function ({reason}).') from None


@sensitive_variables()
def redeem_login(request: HttpRequest, result: CheckResult) -> AbstractBaseUser:
    """Spend the proof of a right code. Returns the user, who must be logged in now.

    Raises NoAccountFound, and then the proof can be redeemed for a sign-up. Raises CodeUsedUp if another request has
    spent the proof, TooManyRequests after too many logins of app reviewers, and Unavailable.
    """
    # The code of a call for another purpose does not log in.
    if result.proof is None or result.attempt.purpose != conf.LOGIN_PURPOSE:
        raise CodeUsedUp
    # Read now and not at the call: the number may have been removed or moved to another account since.
    user = user_of_number(result.attempt.number)
    may_log_in = site_function("MAY_LOG_IN", conf.may_log_in())
    try:
        is_rejected = user is None or (may_log_in is not None and may_log_in(request, user) is not True)
    except VerificationRefused as refusal:
        make_answerable(refusal)
        raise
    if user is None or is_rejected:
        raise NoAccountFound
    # Before the proof is spent: a login that the limit refuses has not used its code.
    count_reviewer_login(result.attempt)
    try:
        # Before the login, so that of two requests with the same code one logs in.
        spend_login_proof(result.proof, user)
    except ProofRejected:
        raise CodeUsedUp from None
    return user
