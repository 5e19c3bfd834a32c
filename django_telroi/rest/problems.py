"""One body for whatever ends a request early, DRF's own exceptions included.

``{"code", "detail", "retry_after"}``: a stable word, a sentence for the person, and whole seconds or null; where fields
are missing or of the wrong kind, ``errors`` beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.utils.serializer_helpers import ReturnDict

from django_telroi.errors import AttemptNotFound, ProofRejected, Unavailable, VerificationRefused
from django_telroi.services.sentences import CODE_NOT_CHECKED, NOT_NOW, sentence


class InvalidIdempotencyKey(exceptions.APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "invalid_idempotency_key"
    default_detail = gettext_lazy("The header Idempotency-Key must be a UUID.")


class IdempotencyKeyUsed(exceptions.APIException):
    """It is the id of something else: another number's, another user's."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "idempotency_key_used"
    default_detail = gettext_lazy("This Idempotency-Key belongs to another request. Make a new one.")


class BodyTooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = gettext_lazy("This request is too large.")


class UserGone(exceptions.AuthenticationFailed):
    """The user of the token was deleted. The code is the one that simplejwt gives where it looks the user up itself."""

    default_code = "user_not_found"
    default_detail = gettext_lazy("This account does not exist any more. Log in again.")


class NotNow(exceptions.APIException):
    """The database is gone, say: nobody can tell how anything stands."""

    status_code = Unavailable.http_status
    default_code = Unavailable.code
    default_detail = NOT_NOW


class CodeNotChecked(NotNow):
    default_detail = CODE_NOT_CHECKED


def answer_problem(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """The handler of our endpoints, whatever the project's own one says. None leaves the error to Django.

    DRF's handler rolls a transaction of ATOMIC_REQUESTS back. Ours need not, for no endpoint of ours runs in one.
    """
    if isinstance(exc, VerificationRefused):
        body = problem(exc.code, sentence(exc.code, retry_after=exc.retry_after), retry_after=exc.retry_after)
        return _response(exc.http_status, body, context)
    if isinstance(exc, ProofRejected):
        return _response(exc.http_status, problem(exc.code, sentence(exc.code)), context)
    known = _known(exc)
    if known is None:
        return None
    response = _response(known.status_code, _body_of(known), context)
    if challenge := getattr(known, "auth_header", None):
        response["WWW-Authenticate"] = challenge
    return response


def problem(code: str, detail: str, *, retry_after: int | None = None, errors: object = None) -> dict[str, Any]:
    body: dict[str, Any] = {"code": code, "detail": detail, "retry_after": retry_after}
    return body if errors is None else body | {"errors": errors}


def _known(exc: Exception) -> exceptions.APIException | None:
    """What went wrong in DRF's terms, if it was the request's fault."""
    match exc:
        case exceptions.APIException():
            return exc
        case AttemptNotFound():
            return exceptions.NotFound(sentence(AttemptNotFound.code))
        case Http404():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case SuspiciousOperation() | RecursionError():
            # More fields than Django takes, or JSON nested deeper than Python reads.
            return exceptions.ParseError()
        case LookupError() if type(exc) is LookupError:
            # Only codecs raise the bare class: a part of a multipart body names a charset that does not exist, which
            # Django 5.2.0 passes on.
            return exceptions.ParseError()
    return None


def _body_of(exc: exceptions.APIException) -> dict[str, Any]:
    detail: Any = exc.detail
    if isinstance(exc, exceptions.ValidationError):
        return problem("invalid", _("Something in this request is missing or not of the right kind."), errors=detail)
    if isinstance(detail, dict):
        # How some permissions and authentications bring a code of their own.
        return problem(str(detail.get("code", exc.default_code)), str(detail.get("detail", exc.default_detail)))
    return problem(str(exc.get_codes()), str(detail), retry_after=getattr(exc, "wait", None))


def _response(status_code: int, body: dict[str, Any], context: Mapping[str, Any]) -> Response:
    """A serializer goes with the body, so that the browsable form shows what was typed and what is wrong with it."""
    serializer = getattr(context["view"], "asked_with", None)
    response = Response(ReturnDict(body, serializer=serializer) if serializer else body, status=status_code)
    if body["retry_after"] is not None:
        response["Retry-After"] = str(body["retry_after"])
    return response
