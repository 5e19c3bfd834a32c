"""Checks of the databases: their clocks, their transactions, and where the users are."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router

from django_telroi.services.shared.transactions import write_alias


def check_databases() -> Iterator[CheckMessage]:
    """Yield a message for each setting of a database with which times are wrong or no call can be placed."""
    yield from _time_zone()
    yield from _autocommit()
    yield from _users_elsewhere()


def _time_zone() -> Iterator[CheckMessage]:
    if not settings.USE_TZ:
        yield Error(
            "USE_TZ is off. django-telroi requires USE_TZ = True, because local time jumps when daylight saving starts "
            "or ends.",
            hint="Set USE_TZ = True.",
            id="telroi.E003",
        )
    for alias in connections:
        database = connections[alias]
        if database.settings_dict.get("TIME_ZONE") and database.vendor != "postgresql":
            yield Error(
                f'DATABASES["{alias}"]["TIME_ZONE"] is set. The database\'s clock differs from the times in the rows.',
                hint="Remove it. Then Django stores all times in UTC.",
                id="telroi.E021",
            )


def _autocommit() -> Iterator[CheckMessage]:
    alias = write_alias()
    if not connections[alias].settings_dict["AUTOCOMMIT"]:
        yield Error(
            f'DATABASES["{alias}"]["AUTOCOMMIT"] is False, so each call and each code is rejected with an error 500: a '
            "rollback of yours could undo the record of a call.",
            hint="Remove it. Use transaction.atomic or ATOMIC_REQUESTS for transactions of yours.",
            id="telroi.E051",
        )


def _users_elsewhere() -> Iterator[CheckMessage]:
    try:
        users = router.db_for_write(get_user_model())
    except ImproperlyConfigured:
        return  # Django reports it (fields.E300)
    if users != (alias := write_alias()):
        yield Error(
            f'The users are in the database "{users}" and the tables of django-telroi in "{alias}". The rows of calls '
            "refer to users, so no call can be placed.",
            hint="Return the same database for both in DATABASE_ROUTERS.",
            id="telroi.E056",
        )
