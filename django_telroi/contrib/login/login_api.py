"""The endpoints of the login. They are those of a verification, with one purpose and without a user.

The answer to the right code is that of the setting ``LOGIN_RESPONSE``, for example with tokens. Without the setting the
user is logged in in Django's session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import login
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpResponse
from django.utils.functional import lazy
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions, status
from rest_framework.authentication import CSRFCheck
from rest_framework.parsers import JSONParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from django_telroi import conf, limits
from django_telroi.contrib.login.login_steps import code_used_text, logged_in_text, no_account_text
from django_telroi.contrib.login.phone_login import CodeUsedUp, NoAccountFound, redeem_login, site_function
from django_telroi.errors import TelroiError
from django_telroi.rest.django_request import django_request
from django_telroi.rest.endpoint import PhoneEndpoint
from django_telroi.rest.problems import problem
from django_telroi.rest.serializers import PhoneCheckSerializer, PhoneStartSerializer, body_of
from django_telroi.rest.views import CallAgainView, CancelView, CheckView, StartView, VerificationView, status_of_check
from django_telroi.services import CheckOutcome
from django_telroi.services.shared.transactions import DATABASE_LOST, close_lost_connections

__all__ = [
    "LoginApiCallAgainView",
    "LoginApiCancelView",
    "LoginApiCheckView",
    "LoginApiStartView",
    "LoginApiStatusView",
    "LoginEndpoint",
]


class NoAccountProblem(exceptions.APIException):
    """The code was right, and no account that may log in has the number."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "no_account"
    default_detail = lazy(no_account_text, str)()


class CodeUsedProblem(exceptions.APIException):
    """The code was right, and has logged in before."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "code_used"
    default_detail = lazy(code_used_text, str)()


class LoginStartSerializer(PhoneStartSerializer):
    """The number to call."""

    purpose = None  # type: ignore[assignment]  # None removes a field of the base class


class LoginEndpoint(PhoneEndpoint):
    """Base class of the endpoints of the login. They need no login, whatever the project's defaults are.

    They read JSON only. A form of another site cannot send it, so it cannot log its visitors in to another account.
    """

    # An expired token in the request must not stop its owner from getting a new one.
    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (JSONParser,)  # type: ignore[assignment]
    user: AbstractBaseUser | None = None
    """The calls belong to no user, also if a user is logged in: they may log in to another account."""


class LoginApiStartView(LoginEndpoint, StartView):
    """Calls a number and reads out a code that logs in.

    The response does not show whether an account has the number. Send the header `Idempotency-Key` with a new UUID. You
    can then send the request again, and only one call is placed.
    """

    serializer_class = LoginStartSerializer

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        body = self.validated_body(request)
        return self.start(request, body["number"], {**body, "purpose": conf.LOGIN_PURPOSE})

    def has_purpose(self, purpose: str) -> bool:
        return True


class LoginApiStatusView(LoginEndpoint, VerificationView):
    """Returns the status of a call that logs in."""


class LoginApiCallAgainView(LoginEndpoint, CallAgainView):
    """Calls the same number again. The response is a new call with a new `id`."""


class LoginApiCancelView(LoginEndpoint, CancelView):
    """Cancels a call that logs in."""


class LoginApiCheckView(LoginEndpoint, CheckView):
    """Checks the code. The right one logs in, once.

    A wrong code is not an error: the status is 200. Read `verified` or `outcome`.
    """

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        # Before the code is checked, so that a wrong path uses up no code.
        make_body = site_function("LOGIN_RESPONSE", conf.login_response())
        if make_body is None:
            refuse_forged_request(request)
        code = self.validated_body(request)["code"]
        # An id of the other endpoints, which give the proof of its code, is not found and uses no try.
        result = limits.check_code(django_request(request), self.attempt_uuid, code, purpose=conf.LOGIN_PURPOSE)
        if result.outcome != CheckOutcome.VERIFIED:
            return Response(body_of(PhoneCheckSerializer, result), status=status_of_check(result))
        try:
            user = redeem_login(django_request(request), result)
        except NoAccountFound:
            return answer_no_account(result.proof)
        except CodeUsedUp:
            raise CodeUsedProblem from None
        # The code is used up from here on, so no answer may ask for the same code again.
        with as_failed_login():
            if make_body is not None:
                return Response(make_body(django_request(request), user))
            login(django_request(request), user)  # type: ignore[arg-type]  # a user of any model
        return Response(logged_in_body(body_of(PhoneCheckSerializer, result)))


def logged_in_body(check: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a login in the session, from the body ``check`` of the right code. Its proof is used."""
    return check | {"proof": None, "detail": logged_in_text()}


class LoginFailed(Exception):
    """The login failed after the code was used up. The error that it had is the ``__cause__``."""


@contextmanager
def as_failed_login() -> Iterator[None]:
    """Raise LoginFailed, which is a 500, for an error that the endpoint would answer with "type the code again"."""
    try:
        yield
    except (exceptions.APIException, Http404, PermissionDenied):
        raise  # the site's own answer
    except (*DATABASE_LOST, TelroiError, SuspiciousOperation, RecursionError, LookupError) as error:
        if isinstance(error, DATABASE_LOST):
            close_lost_connections(error)
        raise LoginFailed from error


def refuse_forged_request(request: Request) -> None:
    """Raise PermissionDenied for a request without a CSRF token.

    Otherwise another site could log its visitors in to an account of its own, and see what they do there. REST
    framework checks the token only for users who are logged in.
    """
    check = CSRFCheck(lambda _request: HttpResponse())
    check.process_request(django_request(request))
    if reason := check.process_view(django_request(request), lambda _request: HttpResponse(), (), {}):
        raise exceptions.PermissionDenied(f"CSRF Failed: {reason}")


@sensitive_variables()
def answer_no_account(proof: str | None) -> Response:
    """Return the response for a right code of a number without an account. The proof can be redeemed for a sign-up."""
    body = problem(NoAccountProblem.default_code, str(NoAccountProblem.default_detail))
    return Response(body | {"proof": proof}, status=NoAccountProblem.status_code)
