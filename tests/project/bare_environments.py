"""Install a wheel of this package into a new environment for each extra, and use the extra there.

``TOX_PACKAGE=WHEEL python tests/project/bare_environments.py [NAME...]`` needs uv. Without a name it takes all extras.
``light`` is the environment without the packages that a site may leave out. uv keeps what it has downloaded, so an
environment takes a second or two.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIGHT = "light"
NEEDED = ("django", "requests", "phonenumbers")
"""What a light environment has of the dependencies."""


def declared_extras() -> list[str]:
    """The extras of pyproject.toml."""
    return list(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def declared_dependencies() -> list[str]:
    """The dependencies of pyproject.toml."""
    return list(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])


def main(wheel: Path, names: list[str]) -> None:
    for name in names or declared_extras():
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            python = new_environment(Path(folder), wheel, name)
            script = ("light_sites.py",) if name == LIGHT else ("extra_sites.py", name)
            run(str(python), "-W", "error", str(ROOT / "tests" / "project" / script[0]), *script[1:])
        sys.stdout.write(f"{name}: {time.monotonic() - began:.0f} s\n")


def new_environment(folder: Path, wheel: Path, name: str) -> Path:
    """Return the Python of an environment with the wheel, and with the extra ``name`` or without dependencies."""
    uv = (sys.executable, "-m", "uv")
    python = folder / "bin" / "python"
    run(*uv, "venv", "--quiet", "--python", sys.executable, str(folder))
    install = (*uv, "pip", "install", "--quiet", "--python", str(python))
    if name == LIGHT:
        needed = [each for each in declared_dependencies() if re.split("[<>=~!]", each)[0].lower() in NEEDED]
        run(*install, *needed)
        run(*install, "--no-deps", str(wheel))
    else:
        run(*install, f"django-telroi[{name}] @ {wheel.resolve().as_uri()}")
    return python


def run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(Path(os.environ["TOX_PACKAGE"]), sys.argv[1:])
