"""A virtual environment for each package, with the newest releases that fit this Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from contestants import DRIVERS, ROOT, Contestant

FOLDER = ROOT / ".tox" / "peers"
"""Kept between runs and ignored by git. ``--upgrade`` installs the newest releases again."""


def install(contestants: Iterable[Contestant], *, upgrade: bool) -> dict[str, Path]:
    """Create the environments that are missing. Returns the Python of each contestant by its name."""
    pythons, installed = {}, set()
    for each in contestants:
        folder = FOLDER / (each.tables or each.name)
        pythons[each.name] = folder / "bin" / "python"
        is_ours = str(ROOT) in each.requirements
        if folder not in installed and (upgrade or is_ours or not (folder / "complete").exists()):
            _install(folder, [*each.requirements, *DRIVERS], upgrade=upgrade, is_ours=is_ours)
        installed.add(folder)
    return pythons


def _install(folder: Path, requirements: list[str], *, upgrade: bool, is_ours: bool) -> None:
    print(f"Installing {requirements[0]} into {folder} ...", file=sys.stderr, flush=True)
    python = folder / "bin" / "python"
    uv = shutil.which("uv")
    if not python.exists():
        _run([uv, "venv", "-q", "--python", sys.executable, str(folder)] if uv else _venv(folder))
    options = ["--upgrade"] if upgrade else []
    if is_ours:
        # Not editable, and always again: the code of this repository has changed, its version has not.
        options += ["--reinstall-package", "django-telroi"] if uv else []
    pip = [uv, "pip", "install", "-q", "--python", str(python)] if uv else [str(python), "-m", "pip", "install", "-q"]
    if is_ours and not uv:
        _run([*pip, "--force-reinstall", "--no-deps", requirements[0]])
    _run([*pip, *options, *requirements])
    (folder / "complete").touch()


def _venv(folder: Path) -> list[str]:
    return [sys.executable, "-m", "venv", str(folder)]


def _run(command: list[str | None] | list[str]) -> None:
    # Without tox's variables, which name tox's environment and not this one.
    clean = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    if subprocess.run([part for part in command if part], env=clean, check=False).returncode:
        sys.exit("The installation failed. Delete .tox/peers and try again.")
