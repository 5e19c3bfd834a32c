"""System checks: a set-up that is wrong is said before it hurts. None of them asks the database.

An id is never used again for something else. E: nothing good can come of it. W: look, and change it or silence it.
What needs the network, the cache or the rows is asked by ``manage.py telroi_doctor``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, register

from django_telroi.checks.backend import unusable_backend
from django_telroi.checks.calls import unsafe_calls
from django_telroi.checks.deployment import hasty_deployment
from django_telroi.checks.key import unfit_key
from django_telroi.checks.project import missing_parts
from django_telroi.checks.queueing import unfit_queue
from django_telroi.checks.readable import unknown_keys, unreadable
from django_telroi.checks.region_names import unknown_regions

CheckFunction = Callable[[], Iterable[CheckMessage]]


@register(Tags.security)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Read every setting once, and say what is dangerous about it."""
    return [
        *unreadable(),
        *unknown_keys(),
        *_found(unfit_key, unusable_backend, unsafe_calls, unknown_regions, unfit_queue),
    ]


@register(Tags.urls)
def check_project(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Whether the rest of the project has what our pages and webhooks need."""
    return _found(missing_parts)


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """What is fine on a developer's machine and is not in front of the world."""
    return _found(hasty_deployment)


def _found(*looks: CheckFunction) -> list[CheckMessage]:
    """Nothing where a setting cannot be read: that is said already, and hides what follows from it."""
    return [] if unreadable() else [message for look in looks for message in look()]
