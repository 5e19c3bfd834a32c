"""System checks of the settings and the project. They use neither the database nor the network.

A message states the fact, its hint the solution. ``telroi.E…`` is an error. ``telroi.W…`` is a warning, which a site
may silence. An id is never reused for another problem, because a silenced id would hide it. ``manage.py telroi_doctor``
tests what needs the network, the cache or the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, register

from django_telroi.checks.backend import check_backend
from django_telroi.checks.calls import check_calls
from django_telroi.checks.databases import check_databases
from django_telroi.checks.deployment import check_production_settings
from django_telroi.checks.key import check_key, check_key_names, check_removed_keys
from django_telroi.checks.login_checks import check_login, check_reviewer_numbers, check_staff_logins
from django_telroi.checks.missing_packages import check_packages, check_telemetry
from django_telroi.checks.number_keys import check_number_keys, check_stored_numbers, check_unfinished_conversion
from django_telroi.checks.project import check_included_urls
from django_telroi.checks.queueing import check_queue, check_task_backend, check_task_backend_in_production
from django_telroi.checks.readable import check_types, check_unknown_keys
from django_telroi.checks.second_factors import check_second_factors
from django_telroi.services.shared.transactions import write_alias

CheckFunction = Callable[[], Iterable[CheckMessage]]


@register(Tags.security)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Return a message for each setting that is misspelt, invalid or dangerous."""
    # Here and not above: this package is imported at every start, and the module needs phonenumbers and a large table.
    from django_telroi.checks.region_names import check_regions

    return [
        *check_types(),
        *check_unknown_keys(),
        *_messages(
            check_key,
            check_key_names,
            check_backend,
            check_calls,
            check_databases,
            check_regions,
            check_packages,
            check_queue,
            check_task_backend,
            check_second_factors,
            check_login,
            check_telemetry,
            check_number_keys,
        ),
    ]


@register(Tags.urls)
def check_project(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Return a message for each part of the project that the included URLs need and do not find."""
    return _messages(check_included_urls)


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Return warnings about settings that suit development but not production (``check --deploy``)."""
    return _messages(
        check_production_settings,
        check_reviewer_numbers,
        check_staff_logins,
        check_unfinished_conversion,
        check_task_backend_in_production,
    )


@register(Tags.database)
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Return errors of settings that do not fit the rows. ``migrate`` runs it, and ``check --database default``."""
    using = write_alias()
    if using not in (kwargs.get("databases") or ()):
        return []
    return _messages(partial(check_stored_numbers, using), partial(check_removed_keys, using))


def _messages(*functions: CheckFunction) -> list[CheckMessage]:
    """Return the messages of ``functions``, or none if a setting is invalid.

    An invalid setting raises ``ImproperlyConfigured`` in these functions. ``check_types`` reports it already.
    """
    # Checked for each group, because Django may run one tag without the others (``check --tag urls``).
    return [] if check_types() else [message for function in functions for message in function()]
