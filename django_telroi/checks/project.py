"""What the rest of the project must have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from django_telroi import conf
from django_telroi.backends import is_own_backend

PAGE, API, WEBHOOK = "telroi:start", "telroi-rest:verifications", "telroi-webhooks:webhook"


def missing_parts() -> Iterator[CheckMessage]:
    """Addresses that are not there, and what lacks something behind those that are."""
    if getattr(settings, "ROOT_URLCONF", None) is None:
        return
    if not (_is_included(PAGE) or _is_included(API)):
        yield checks.Warning(
            "Neither the page nor the API has an address.",
            hint='Add path("phone/", include("django_telroi.urls")) to your URLconf. '
            "Silence this if you call django_telroi.services from your own views only.",
            id="telroi.W007",
        )
    yield from _behind_the_page()
    yield from _behind_the_api()
    if _is_included(WEBHOOK) and not conf.webhook_secrets() and not is_own_backend():
        yield checks.Warning(
            "The webhook has an address and no secret: every event is refused, and soon none will come.",
            hint='Set TELROI["WEBHOOK_SECRETS"] to the secret that Telroi\'s dashboard shows.',
            id="telroi.W008",
        )


def _behind_the_page() -> Iterator[CheckMessage]:
    if _is_included(PAGE) and not _has_sessions():
        yield Error(
            "The page keeps a person's verification in the session, and there are no sessions.",
            hint='Add "django.contrib.sessions.middleware.SessionMiddleware" to MIDDLEWARE.',
            id="telroi.E010",
        )
    if not _leads_somewhere(conf.success_url()):
        yield Error(
            'TELROI["SUCCESS_URL"] is no path and no URL, and your URLconf has no pattern of that name.',
            hint='Set it to a path such as "/account/", or to the name of a pattern that takes no arguments.',
            id="telroi.E013",
        )


def _behind_the_api() -> Iterator[CheckMessage]:
    if _is_included(API) and not apps.is_installed("rest_framework"):
        yield checks.Warning(
            '"rest_framework" is not in INSTALLED_APPS, and the API is in your URLconf.',
            hint='Add "rest_framework" to INSTALLED_APPS. Without it, a browser that opens the API gets an error 500. '
            "Silence this if your API renders JSON only.",
            id="telroi.W018",
        )


def _is_included(name: str) -> bool:
    try:
        reverse(name)
    except NoReverseMatch:
        return False
    return True


def _leads_somewhere(success_url: Any) -> bool:
    """Whether the redirect after a verification finds an address."""
    try:
        resolve_url(success_url or "/")
    except NoReverseMatch:
        return False
    return True


def _has_sessions() -> bool:
    return any(_is_for_sessions(import_string(path)) for path in settings.MIDDLEWARE)


def _is_for_sessions(middleware: object) -> bool:
    return isinstance(middleware, type) and issubclass(middleware, SessionMiddleware)
