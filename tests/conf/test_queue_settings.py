"""``DISPATCH = "tasks"`` needs a task framework: Django's own, or the package for Django 5.2."""

from __future__ import annotations

from collections.abc import Iterator

import django
import pytest
from django.core.exceptions import ImproperlyConfigured

from django_telroi import conf
from django_telroi.checks.readable import check_types
from django_telroi.conf import call_settings
from django_telroi.domain.states import Dispatch
from tests.calling_site import Configure, configure

__all__ = ["configure"]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The frameworks that are installed."""
    packages: set[str] = set()
    monkeypatch.setattr(call_settings, "find_spec", lambda name: name in packages or None)
    call_settings.task_framework.cache_clear()
    yield packages
    call_settings.task_framework.cache_clear()


def test_without_a_framework_the_error_says_what_to_install(installed: set[str], configure: Configure) -> None:
    configure(DISPATCH="tasks")

    with pytest.raises(ImproperlyConfigured) as raised:
        conf.dispatch()

    said = str(raised.value)
    assert f"needs Django 6.0 or newer, and this is Django {django.get_version()}." in said
    assert 'install "django-tasks-db[compat]"' in said
    assert [(error.id, error.msg) for error in check_types()] == [("telroi.E002", said)]


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ({"django.tasks"}, "django.tasks"),
        ({"django_tasks"}, "django_tasks"),
        ({"django.tasks", "django_tasks"}, "django.tasks"),
    ],
)
def test_djangos_own_framework_comes_first(
    packages: set[str], expected: str, installed: set[str], configure: Configure
) -> None:
    installed |= packages
    configure(DISPATCH="tasks")

    assert (conf.dispatch(), conf.task_framework()) == (Dispatch.TASKS, expected)


@pytest.mark.parametrize("dispatch", ["inline", "celery"])
def test_other_sites_need_no_framework(dispatch: str, installed: set[str], configure: Configure) -> None:
    configure(DISPATCH=dispatch)

    assert conf.dispatch() == dispatch


@pytest.mark.parametrize("key", ["TASKS_BACKEND", "TASKS_QUEUE"])
def test_an_empty_name_is_djangos_default(key: str, configure: Configure) -> None:
    configure(**{key: None})

    assert getattr(conf, key.lower())() == "default"
