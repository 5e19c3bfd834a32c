"""Canary: the internal modules of django-allauth that ``contrib/allauth/headless.py`` uses work as in 65.18."""

from __future__ import annotations

import inspect
from importlib.metadata import version

from allauth.core.internal import httpkit
from allauth.headless.internal.restkit import response


def test_the_internal_modules_work_as_they_did() -> None:
    parameters = {
        "is_headless_request": list(inspect.signature(httpkit.is_headless_request).parameters),
        "ErrorResponse": list(inspect.signature(response.ErrorResponse.__init__).parameters)[:3],
    }

    assert parameters == {"is_headless_request": ["request"], "ErrorResponse": ["self", "request", "exception"]}, (
        f"django-allauth {version('django-allauth')} is not like 65.18. contrib/allauth/headless.py uses these modules."
    )
