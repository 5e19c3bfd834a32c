"""Requests to django-allauth's API, and its answer with the errors of a form.

django-allauth has no public functions for them, so this module uses two of its internal modules, last seen in 65.18:
``allauth.core.internal.httpkit`` and ``allauth.headless.internal.restkit.response``. No other module may import
them. ``tests/project/test_private_names.py`` says what a new version of django-allauth has changed.
"""

from __future__ import annotations

from allauth.core.internal import httpkit
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase

__all__ = ["error_response", "is_headless_request"]


def is_headless_request(request: HttpRequest) -> bool:
    """Return whether the request came over the API of django-allauth."""
    return bool(httpkit.is_headless_request(request))


def error_response(request: HttpRequest, error: ValidationError) -> HttpResponseBase:
    """Return the API's answer 400 with the errors of a form."""
    # Not above: only a site with the extra "headless" of django-allauth can import it.
    from allauth.headless.internal.restkit.response import ErrorResponse

    response: HttpResponseBase = ErrorResponse(request, exception=error)
    return response
