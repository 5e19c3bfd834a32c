"""Django's request inside one of Django REST framework.

The framework has no public name for it. So this module uses ``Request._request``, last seen in 3.18. No other module
may use it. ``tests/project/test_private_names.py`` says what a new version of the framework has changed.
"""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.request import Request


def django_request(request: Request | HttpRequest) -> HttpRequest:
    """Return the request that Django got: the one with the session, the user of the middleware and the raw body."""
    return request._request if isinstance(request, Request) else request
