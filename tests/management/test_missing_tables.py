"""Each command before ``migrate``: it says that the tables are missing, on every database."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from django_telroi.domain.number_cipher import NumberEncryption
from django_telroi.management.output import TABLES_MISSING
from tests.calling_site import Configure

NUMBER = "+2348031234567"
COMMANDS = (
    ("telroi_call", NUMBER),
    ("telroi_do_not_call", NUMBER, "--block"),
    ("telroi_do_not_call", NUMBER, "--unblock", "asked by phone"),
    ("telroi_encrypt",),
    ("telroi_encrypt", "--dry-run"),
    ("telroi_limits", NUMBER),
    ("telroi_metrics",),
    ("telroi_purge",),
    ("telroi_purge", "--dry-run"),
    ("telroi_stop", "--reason", "Telroi is down"),
    ("telroi_stop", "--resume"),
    ("telroi_sweep",),
    ("telroi_unlock", "--number", NUMBER, "--reason", "asked by phone"),
)


@pytest.fixture
def no_tables(transactional_db: None) -> Iterator[None]:
    tables = [model._meta.db_table for model in apps.get_app_config("django_telroi").get_models()]
    _rename({table: f"{table}_away" for table in tables})
    yield
    _rename({f"{table}_away": table for table in tables})


def _rename(names: dict[str, str]) -> None:
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        for old, new in names.items():
            cursor.execute(f"ALTER TABLE {quote(old)} RENAME TO {quote(new)}")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_names_the_missing_tables(command: tuple[str, ...], no_tables: None, configure: Configure) -> None:
    configure(NUMBER_ENCRYPTION=NumberEncryption.PREPARE, NUMBER_KEYS=["k" * 32])

    with pytest.raises(CommandError) as told:
        call_command(*command, stdout=io.StringIO(), stderr=io.StringIO())

    assert str(told.value) == TABLES_MISSING
