"""What the rest of the project must have."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from django_telroi import conf

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
    if _is_included(PAGE) and not _has_sessions():
        yield Error(
            "The page keeps a person's verification in the session, and there are no sessions.",
            hint='Add "django.contrib.sessions.middleware.SessionMiddleware" to MIDDLEWARE.',
            id="telroi.E010",
        )
    if _is_included(WEBHOOK) and not conf.webhook_secrets():
        yield checks.Warning(
            "The webhook has an address and no secret: every event is refused, and soon none will come.",
            hint='Set TELROI["WEBHOOK_SECRETS"] to the secret that Telroi\'s dashboard shows.',
            id="telroi.W008",
        )


def _is_included(name: str) -> bool:
    try:
        reverse(name)
    except NoReverseMatch:
        return False
    return True


def _has_sessions() -> bool:
    return any(_is_for_sessions(import_string(path)) for path in settings.MIDDLEWARE)


def _is_for_sessions(middleware: object) -> bool:
    return isinstance(middleware, type) and issubclass(middleware, SessionMiddleware)
