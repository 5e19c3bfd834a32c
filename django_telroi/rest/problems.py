"""The one body of all error responses, including those of DRF's own exceptions.

``{"code", "detail", "retry_after"}``: a stable code, a sentence for the person, and whole seconds or null. If fields
are missing or have the wrong type, ``errors`` is added. A typed number that is invalid adds ``errors`` with the reason,
and ``suggestions``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.utils.serializer_helpers import ReturnDict

from django_telroi.errors import AttemptNotFound, InvalidNumber, ProofRejected, Unavailable, VerificationRefused
from django_telroi.services.sentences import CODE_NOT_CHECKED, NOT_NOW, NUMBER_MISSING, sentence
from django_telroi.services.shared.arguments import NO_NUMBER
from django_telroi.services.typed_numbers import RejectedNumber


class InvalidIdempotencyKey(exceptions.APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "invalid_idempotency_key"
    default_detail = gettext_lazy("The header Idempotency-Key must be a UUID.")


class IdempotencyKeyUsed(exceptions.APIException):
    """The key is the id of a verification of another number or another user."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "idempotency_key_used"
    default_detail = gettext_lazy("This Idempotency-Key belongs to another request. Make a new one.")


class NoNumber(exceptions.APIException):
    """The site should supply the number to call, but has none for this user."""

    status_code = status.HTTP_409_CONFLICT
    default_code = NO_NUMBER
    default_detail = NUMBER_MISSING


class BodyTooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = gettext_lazy("This request is too large.")


class UserGone(exceptions.AuthenticationFailed):
    """The user of the token was deleted. simplejwt uses the same code if it reads the user itself."""

    default_code = "user_not_found"
    default_detail = gettext_lazy("This account does not exist any more. Log in again.")


class NotNow(exceptions.APIException):
    """The state cannot be read, for example because the database does not answer."""

    status_code = Unavailable.http_status
    default_code = Unavailable.code
    default_detail = NOT_NOW


class CodeNotChecked(NotNow):
    default_detail = CODE_NOT_CHECKED


def answer_problem(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the response for an exception, or None for one that Django must handle.

    It is the exception handler of our endpoints, in place of the project's own. Unlike DRF's handler it rolls no
    transaction back, because our endpoints do not run in a transaction of ``ATOMIC_REQUESTS``.
    """
    if isinstance(exc, VerificationRefused):
        # The OpenAPI schema makes its examples without a view.
        refusal_sentence = getattr(context["view"], "refusal_sentence", sentence)
        detail = refusal_sentence(exc.code, retry_after=exc.retry_after)
        body = problem(exc.code, detail, retry_after=exc.retry_after)
        if isinstance(exc, InvalidNumber) and hasattr(context["view"], "rejected_number"):
            body |= number_problem(context["view"].rejected_number())
        return _response(exc.http_status, body, context)
    if isinstance(exc, ProofRejected):
        return _response(exc.http_status, problem(exc.code, sentence(exc.code)), context)
    # Anything else is a bug. Django must report it, and the client gets 500.
    known = _as_api_exception(exc)
    if known is None:
        return None
    response = _response(known.status_code, _body_of(known), context)
    # RFC 9110 requires the header with 401. DRF's own handler sets it too.
    if challenge := getattr(known, "auth_header", None):
        response["WWW-Authenticate"] = challenge
    return response


def problem(code: str, detail: str, *, retry_after: int | None = None, errors: object = None) -> dict[str, Any]:
    """Return the body of an error response. ``retry_after`` is in seconds."""
    body: dict[str, Any] = {"code": code, "detail": detail, "retry_after": retry_after}
    return body if errors is None else body | {"errors": errors}


def number_problem(rejected: RejectedNumber | None) -> dict[str, Any]:
    """Return what the body says about a typed number that is invalid. Nothing for a number on file."""
    if rejected is None:
        return {}
    # The form of ``ErrorDetail.get_full_details``, because the code must be in the JSON.
    error = {"message": rejected.sentence, "code": rejected.problem}
    return {"detail": rejected.sentence, "errors": {"number": [error]}, "suggestions": list(rejected.suggestions)}


def _as_api_exception(exc: Exception) -> exceptions.APIException | None:
    """Return the DRF exception for ``exc``, or None if the request did not cause it."""
    match exc:
        case exceptions.Throttled() if _names_no_second(exc):
            return exceptions.Throttled(wait=1, code=str(exc.get_codes()))
        case exceptions.APIException():
            return exc
        case AttemptNotFound():
            return exceptions.NotFound(sentence(AttemptNotFound.code))
        case Http404():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case SuspiciousOperation() | RecursionError():
            # More fields than Django accepts, or JSON nested deeper than Python can read.
            return exceptions.ParseError()
        case LookupError() if type(exc) is LookupError:
            # Only codecs raise exactly this class: a part of a multipart body names a charset that does not exist.
            # Django 5.2.0 does not catch it.
            return exceptions.ParseError()
    return None


def _names_no_second(exc: exceptions.Throttled) -> bool:
    """Return whether the text of DRF names a wait of less than a second, which a throttle may compute."""
    wait: int | None = getattr(exc, "wait", None)
    return wait is not None and wait < 1 and str(exc.detail) == str(exceptions.Throttled(wait=wait).detail)


def _body_of(exc: exceptions.APIException) -> dict[str, Any]:
    detail: Any = exc.detail
    if isinstance(exc, exceptions.ValidationError):
        text = _("Something in this request is missing or not of the right kind.")
        return problem("invalid", text, errors=_errors_by_field(detail))
    if isinstance(detail, dict):
        # Some permission and authentication classes pass their own code this way.
        codes, texts = _texts_of(detail.get("code")), _texts_of(detail.get("detail"))
    else:
        codes, texts = _texts_of(exc.get_codes()), _texts_of(detail)
    code = codes[0] if codes else exc.default_code
    text = " ".join(texts) or str(exc.default_detail)
    return problem(code, text, retry_after=_whole_seconds(getattr(exc, "wait", None)))


def _texts_of(value: Any) -> list[str]:
    """Return all texts in a detail of DRF, which may be a text, a list or an object."""
    if value is None:
        return []
    if not isinstance(value, dict | list | tuple):
        return [str(value)]
    nested = value.values() if isinstance(value, dict) else value
    return [text for each in nested for text in _texts_of(each)]


def _errors_by_field(detail: Any) -> dict[str, Any]:
    """Return the errors as an object. A validator of the project may raise a text or a list."""
    by_field = detail if isinstance(detail, dict) else {api_settings.NON_FIELD_ERRORS_KEY: detail}
    return {name: [found] if isinstance(found, str) else found for name, found in by_field.items()}


def _whole_seconds(wait: object) -> int | None:
    """Return the wait rounded up, at least 1, or None if it is no number. A throttle may compute 0 or less."""
    return max(1, math.ceil(wait)) if isinstance(wait, int | float) and math.isfinite(wait) else None


@sensitive_variables()
def _is_encodable(typed: object) -> bool:
    texts = typed.values() if isinstance(typed, Mapping) else ()
    try:
        "".join(text for text in texts if isinstance(text, str)).encode()
    except UnicodeEncodeError:
        return False
    return True


def _response(status_code: int, body: dict[str, Any], context: Mapping[str, Any]) -> Response:
    """The response carries the serializer, so that the browsable form shows what was typed and its errors.

    The form is empty if the text cannot be encoded: JSON may contain half of a surrogate pair, which no page can show.
    """
    serializer = getattr(context["view"], "body_serializer", None)
    if serializer and not _is_encodable(serializer.initial_data):
        serializer = None
    response = Response(ReturnDict(body, serializer=serializer) if serializer else body, status=status_code)
    if body["retry_after"] is not None:
        response["Retry-After"] = str(body["retry_after"])
    return response
