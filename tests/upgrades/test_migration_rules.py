"""A migration only adds, because the processes of the release before continue to run. RELEASING.md has the rules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from tests.upgrades.releases import release_before

FIRST = "0001_initial"
ADDING = {"CreateModel", "AddIndex", "AddIndexConcurrently", "AlterModelOptions"}
"""By their names, because the class of PostgreSQL's operation needs its driver."""


def problems(operations: list[Operation]) -> Iterator[str]:
    """Yield what breaks the processes of the release before, or stops them."""
    for operation in operations:
        if isinstance(operation, migrations.AddField):
            if not operation.field.null:
                yield f"{operation.describe()}: the code of the release before does not set it, so it must be nullable"
        elif type(operation).__name__ not in ADDING:
            yield f"{operation.describe()}: {type(operation).__name__} is not among the operations that only add"


def test_the_migrations_after_the_first_only_add() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    later = [each for (app, name), each in loader.disk_migrations.items() if "telroi" in app and name != FIRST]

    found = [f"{migration}: {problem}" for migration in later for problem in problems(migration.operations)]

    assert found == []


def test_before_the_first_release_there_is_one_migration() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    names = {name for app, name in loader.disk_migrations if "telroi" in app}

    assert release_before() is not None or names == {FIRST}


@pytest.mark.parametrize(
    ("operation", "is_safe"),
    [
        (migrations.AddField("attempt", "note", models.TextField(null=True)), True),
        (migrations.AddField("attempt", "note", models.TextField(default="")), False),
        (migrations.AddIndex("attempt", models.Index(fields=["note"], name="attempt_by_note")), True),
        (migrations.RemoveField("attempt", "note"), False),
        (migrations.RenameField("attempt", "note", "remark"), False),
        (migrations.RunPython(migrations.RunPython.noop), False),
    ],
)
def test_an_operation_that_breaks_the_release_before_is_found(operation: Operation, is_safe: bool) -> None:
    assert (not list(problems([operation]))) is is_safe
