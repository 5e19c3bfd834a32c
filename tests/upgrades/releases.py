"""The packages of a walk: of the release before, and of this tree."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "django_telroi"


def release_before() -> str | None:
    """Return the newest tag ``v…`` in the history of this tree, or None before the first release."""
    if not (ROOT / ".git").exists():  # a source distribution
        return None
    found = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None


def unpack_before(folder: Path) -> Path:
    """Write the package of the release before into ``folder``, or of this tree before the first release. Returns it."""
    tag = release_before()
    if tag is None:
        return copy_tree(folder)
    folder.mkdir()
    archive = subprocess.run(["git", "archive", tag, PACKAGE], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def copy_tree(folder: Path) -> Path:
    """Copy the package of this tree into ``folder``. Returns it."""
    shutil.copytree(ROOT / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


NEXT = """
from time import sleep
from django.db import migrations, models

def hold(apps, schema_editor):
    if {held} and schema_editor.connection.vendor == "mysql":
        schema_editor.execute("LOCK TABLES django_telroi_phonenumber WRITE")
    sleep({held})
    if {held} and schema_editor.connection.vendor == "mysql":
        schema_editor.execute("UNLOCK TABLES")


class Migration(migrations.Migration):
    dependencies = [("django_telroi", "{before}")]
    operations = [
        migrations.AddField("verificationattempt", "walked", models.CharField(max_length=40, null=True)),
        migrations.AddField("phonenumber", "walked", models.CharField(max_length=40, null=True)),
        migrations.CreateModel("Walked", [("id", models.BigAutoField(primary_key=True))]),
        migrations.RunPython(hold, atomic=False),  # MariaDB locks tables only outside of a transaction
    ]
"""
INDEX = """
from django.db import migrations, models
{index_import}

class Migration(migrations.Migration):
    atomic = False
    dependencies = [("django_telroi", "{before}")]
    operations = [{operation}("verificationattempt", models.Index(fields=["walked"], name="telroi_attempt_walked"))]
"""


def add_migrations(package: Path, database: str, *, held: float) -> None:
    """Add the migrations that a next release would have: columns, a table and an index. See RELEASING.md.

    ``held``: seconds for which the first one keeps its locks, as a migration that fills a column would.
    """
    folder = package / PACKAGE / "migrations"
    before = max(path.stem for path in folder.glob("[0-9]*.py"))
    number = int(before[:4])
    operation, index_import = "migrations.AddIndex", ""
    if database == "postgres":
        operation = "AddIndexConcurrently"
        index_import = "from django.contrib.postgres.operations import AddIndexConcurrently"
    columns = f"{number + 1:04d}_walked"
    (folder / f"{columns}.py").write_text(NEXT.format(before=before, held=held))
    index = INDEX.format(before=columns, operation=operation, index_import=index_import)
    (folder / f"{number + 2:04d}_walked_index.py").write_text(index)
