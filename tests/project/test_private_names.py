"""Canaries: each private name of another package that we use still works as it did.

If one of these tests fails after an upgrade, its message names the module of ours to change. The package is then not
ready for that version, also if no other test fails.
"""

from __future__ import annotations

import inspect
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from importlib.metadata import version
from platform import python_version
from typing import Any

import pytest
from celery import Celery, _state
from django.core.cache import caches
from django.db import connection, transaction
from django.db.models import QuerySet
from django.middleware.csrf import CsrfViewMiddleware
from django.test import RequestFactory
from django.test.utils import _TestState
from django_ratelimit import core
from rest_framework.request import Request

from django_telroi.models import RefusalTally
from tests.project.private_names import foreign_names, overridden_names


@dataclass(frozen=True)
class PrivateName:
    """A private name of ``package``, used in ``module`` for ``purpose``, and last seen in the version ``last_seen``."""

    name: str
    package: str
    module: str
    last_seen: str
    purpose: str
    works: Callable[[], bool]

    def broken(self) -> str:
        installed = python_version() if self.package == "Python" else version(self.package)
        return (
            f"{self.name} of {self.package} {installed} does not work as in {self.last_seen}. "
            f"django_telroi/{self.module} uses it {self.purpose}."
        )


def celery_lists_its_apps() -> bool:
    with closing(Celery("canary", set_as_current=False, fixups=[])) as app:
        return app in _state._get_active_apps()


def celery_has_a_default_app() -> bool:
    return hasattr(_state, "default_app") and isinstance(_state.get_current_app(), Celery)


def django_marks_the_transaction_of_a_test_case() -> bool:
    [of_the_test] = connection.atomic_blocks
    with transaction.atomic():
        inner = connection.atomic_blocks[-1]
        return bool(of_the_test._from_testcase) and not inner._from_testcase


def django_marks_its_test_environment() -> bool:
    return hasattr(_TestState, "saved_data")


def django_deletes_without_reading() -> bool:
    hour = "2026-01-01T00:00Z"
    RefusalTally.objects.create(hour=hour, code="cooldown", count=1)
    deleted = QuerySet(RefusalTally)._raw_delete(connection.alias)
    return deleted == 1 and not RefusalTally.objects.exists()


def rest_framework_keeps_djangos_request() -> bool:
    request = RequestFactory().get("/")
    return Request(request)._request is request


def ratelimit_counts_under_the_computed_key() -> bool:
    group, value, rate = "canary", "a value", (5, 60)
    usage = partial(core.get_usage, None, group=group, key=lambda group, request: value, rate=rate)
    usage(increment=True)
    keys = [core._make_cache_key(group, end, rate, value, core.ALL) for end in windows_around(value, rate[1])]
    return any(caches["default"].get(key) == 1 for key in keys) and usage(increment=False)["count"] <= 1


def windows_around(value: str, seconds: int) -> Iterator[int]:
    """The window of now and the one before, in case that the window ended just now."""
    now = core._get_window(value, seconds)
    return iter((now, now - seconds))


def http_client_connects_with_the_replaced_function() -> bool:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = HTTPConnection("127.0.0.1", server.getsockname()[1])
        asked: list[Any] = []

        def connect(address: tuple[str, int], *rest: Any) -> socket.socket:
            asked.append(address)
            return socket.create_connection(address)

        connection._create_connection = connect  # type: ignore[attr-defined]
        with closing(connection):
            connection.connect()
        return asked == [server.getsockname()]


def django_rejects_forged_posts_with_this_method() -> bool:
    middleware = CsrfViewMiddleware(lambda request: None)  # type: ignore[arg-type, return-value]
    seen: list[str] = []
    middleware._reject = lambda request, reason: seen.append(reason)  # type: ignore[assignment, attr-defined]
    request = RequestFactory(enforce_csrf_checks=True).post("/")
    middleware.process_view(request, lambda request: None, (), {})  # type: ignore[arg-type, return-value]
    return len(seen) == 1


def spectacular_maps_a_field() -> bool:
    from drf_spectacular.openapi import AutoSchema

    return "bypass_extensions" in inspect.signature(AutoSchema._map_serializer_field).parameters


PRIVATE = (
    PrivateName(
        "_get_active_apps",
        "celery",
        "dispatch/celery_broker.py",
        "5.7",
        "to find the site's only app",
        celery_lists_its_apps,
    ),
    PrivateName(
        "_state",
        "celery",
        "dispatch/celery_broker.py",
        "5.7",
        "to find the site's app in any thread",
        celery_has_a_default_app,
    ),
    PrivateName(
        "_TestState",
        "Django",
        "conf/__init__.py",
        "6.1",
        "to see that a process runs tests",
        django_marks_its_test_environment,
    ),
    PrivateName(
        "_from_testcase",
        "Django",
        "services/shared/transactions.py",
        "6.1",
        "to ignore the transaction around a test",
        django_marks_the_transaction_of_a_test_case,
    ),
    PrivateName(
        "_raw_delete",
        "Django",
        "services/shared/deletes.py",
        "6.1",
        "to delete rows with one statement",
        django_deletes_without_reading,
    ),
    PrivateName(
        "_reject",
        "Django",
        "web/page_guards.py",
        "6.1",
        "to show a page of ours after a forged POST",
        django_rejects_forged_posts_with_this_method,
    ),
    PrivateName(
        "_request",
        "djangorestframework",
        "rest/django_request.py",
        "3.18",
        "to give Django's request to the services",
        rest_framework_keeps_djangos_request,
    ),
    PrivateName(
        "_get_window",
        "django-ratelimit",
        "backends/ratelimit_windows.py",
        "4.1",
        "to give a request of the budget back",
        ratelimit_counts_under_the_computed_key,
    ),
    PrivateName(
        "_make_cache_key",
        "django-ratelimit",
        "backends/ratelimit_windows.py",
        "4.1",
        "to give a request of the budget back",
        ratelimit_counts_under_the_computed_key,
    ),
    PrivateName(
        "_create_connection",
        "Python",
        "client/transport.py",
        "3.14",
        "to limit the time of a connection",
        http_client_connects_with_the_replaced_function,
    ),
    PrivateName(
        "_map_serializer_field",
        "drf-spectacular",
        "rest/openapi.py",
        "0.29",
        "to describe the fields of the API",
        spectacular_maps_a_field,
    ),
)
OF_THE_BRIDGES = {"internal": {"contrib/allauth/headless.py"}}
"""Names whose canary is among the tests of a bridge, because only its site has the package in INSTALLED_APPS."""


@pytest.mark.django_db
@pytest.mark.parametrize("private", PRIVATE, ids=lambda private: private.name)
def test_a_private_name_works_as_it_did(private: PrivateName) -> None:
    try:
        works = private.works()
    except Exception as error:
        raise AssertionError(private.broken()) from error

    assert works, private.broken()


def test_each_private_name_is_used_in_one_module_only_and_has_a_canary() -> None:
    used = {**foreign_names(), **overridden_names()}

    assert used == {private.name: {private.module} for private in PRIVATE} | OF_THE_BRIDGES


def test_the_message_of_a_canary_names_the_version_and_our_module() -> None:
    [private] = [each for each in PRIVATE if each.name == "_request"]

    assert private.broken() == (
        f"_request of djangorestframework {version('djangorestframework')} does not work as in 3.18. "
        "django_telroi/rest/django_request.py uses it to give Django's request to the services."
    )
