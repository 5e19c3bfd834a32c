"""Checks of the URLconf and of what the included URLs need: sessions, Django REST framework, webhook secrets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, resolve, reverse
from django.utils.module_loading import import_string

from django_telroi import conf
from django_telroi.backends import is_own_backend
from django_telroi.checks.missing_packages import errors_without
from django_telroi.checks.second_factors import has_second_factor
from django_telroi.packages import REST_FRAMEWORK

PAGE, API, WEBHOOK = "telroi:start", "telroi-rest:verifications", "telroi-webhooks:webhook"
LOGIN_PAGE, LOGIN_API = "telroi-login:start", "telroi-login-api:start"


def check_included_urls() -> Iterator[CheckMessage]:
    """Yield a message if no URL of ours is included, or if an included URL lacks something."""
    if not _has_urls():
        return
    is_any_included = any(map(_is_included, (PAGE, API, LOGIN_PAGE, LOGIN_API)))
    if not (is_any_included or has_second_factor() or _has_other_bridge()):
        yield checks.Warning(
            "The URLconf includes neither the pages nor the API.",
            hint='Include django_telroi.urls in your URLconf: path("phone/", include("django_telroi.urls")). '
            "If your own views call django_telroi.services, add telroi.W007 to SILENCED_SYSTEM_CHECKS.",
            id="telroi.W007",
        )
    yield from _check_middleware()
    yield from _check_pages()
    yield from _check_api()
    yield from _check_gates()
    has_secrets = conf.are_secrets_read_by_function() or conf.webhook_secrets()
    if _is_included(WEBHOOK) and not has_secrets and not is_own_backend():
        yield checks.Warning(
            "The webhook URL is included but WEBHOOK_SECRETS is empty, so every webhook is rejected. "
            "After 20 failures in a row Telroi disables the endpoint.",
            hint='Set TELROI["WEBHOOK_SECRETS"] to a list with the secret from Telroi\'s dashboard.',
            id="telroi.W008",
        )


def _check_middleware() -> Iterator[CheckMessage]:
    """Yield a message for django-reversion's middleware, unless its transaction is switched off."""
    for path in settings.MIDDLEWARE:
        middleware: Any = import_string(path)
        bases = getattr(middleware, "__mro__", ())
        if any(base.__module__ == "reversion.middleware" for base in bases) and getattr(middleware, "atomic", False):
            yield checks.Warning(
                f"{path} opens a transaction around each POST, so every check of a code is an error 500: a later error "
                "would give the try back.",
                hint="Use a subclass with atomic = False in MIDDLEWARE.",
                id="telroi.W054",
            )


def has_pages() -> bool:
    """Return whether the URLconf includes the pages. The card in a page of the site needs them too."""
    return _has_urls() and _is_included(PAGE)


def _has_urls() -> bool:
    # A project that only runs workers has none.
    return getattr(settings, "ROOT_URLCONF", None) is not None


def _check_pages() -> Iterator[CheckMessage]:
    # A subclass of SessionMiddleware has another path, so the classes are compared and not the paths.
    middleware = [import_string(path) for path in settings.MIDDLEWARE]
    has_sessions = any(isinstance(each, type) and issubclass(each, SessionMiddleware) for each in middleware)
    if (_is_included(PAGE) or _is_included(LOGIN_PAGE)) and not has_sessions:
        yield Error(
            "Pages of django-telroi are included, but SessionMiddleware is not in MIDDLEWARE. "
            "The pages keep the verification in the session.",
            hint='Add "django.contrib.sessions.middleware.SessionMiddleware" to MIDDLEWARE.',
            id="telroi.E010",
        )
    # Each card resolves these URLs for its links, so with an invalid one no page works.
    for key, url in (
        ("SUCCESS_URL", conf.success_url()),
        ("ALTERNATIVE_URL", conf.alternative_url()),
        ("LOGIN_ALTERNATIVE_URL", conf.login_alternative_url()),
        ("LOGIN_SIGN_UP_URL", conf.login_sign_up_url()),
    ):
        if not _is_resolvable(url):
            yield Error(
                f'TELROI["{key}"] is not a path, a URL or the name of a URL pattern without arguments.',
                hint='Set it to a path such as "/account/", or to the name of a URL pattern without arguments.',
                id="telroi.E013",
            )


def _check_api() -> Iterator[CheckMessage]:
    is_included = _is_included(API) or _is_included(LOGIN_API)
    if is_included or _has_phone_verify_endpoints():
        yield from errors_without(REST_FRAMEWORK, "The API")
    if is_included and REST_FRAMEWORK.is_installed and not apps.is_installed("rest_framework"):
        yield checks.Warning(
            'The API is included, but "rest_framework" is not in INSTALLED_APPS. '
            "A browser that opens the API gets an error 500.",
            hint='Add "rest_framework" to INSTALLED_APPS. If your API renders JSON only, add telroi.W018 to '
            "SILENCED_SYSTEM_CHECKS.",
            id="telroi.W018",
        )


def _check_gates() -> Iterator[CheckMessage]:
    """Yield an error for each purpose that a gate of a view has and no verification can be for."""
    from django_telroi.web.gates import gates_of  # not above: this module is imported at every start

    reported: set[str] = set()
    for pattern in _patterns(get_resolver().url_patterns):
        for gate in gates_of(pattern.callback):
            try:
                gate.purpose_to_verify()
            except ImproperlyConfigured as error:
                if str(error) not in reported:
                    reported.add(str(error))
                    yield Error(
                        f"{error} The page fails for each user without such a phone.",
                        hint=f"Correct the purpose in {pattern.lookup_str}, or the setting.",
                        id="telroi.E050",
                    )


def _patterns(below: Iterable[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for each in below:
        if isinstance(each, URLResolver):
            yield from _patterns(each.url_patterns)
        else:
            yield each


def _has_other_bridge() -> bool:
    """Return whether the site places its calls by the bridge to django-allauth or to django-phone-verify."""
    return apps.is_installed("django_telroi.contrib.allauth") or _has_phone_verify_endpoints()


def _has_phone_verify_endpoints() -> bool:
    # django-phone-verify itself has a URL of this name.
    return _is_included("phone-register") and resolve(reverse("phone-register")).func.__module__.startswith(
        "django_telroi."
    )


def _is_included(name: str) -> bool:
    try:
        reverse(name)
    except NoReverseMatch:
        return False
    return True


def _is_resolvable(url: Any) -> bool:
    """Return True if the URL of a setting can be resolved, also if it is empty."""
    try:
        resolve_url(url or "/")
    except NoReverseMatch:
        return False
    return True
