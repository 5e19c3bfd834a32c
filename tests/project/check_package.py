"""Build the distributions as a release does, and check them: ``python tests/project/check_package.py``.

The wheel is built from the source distribution. Both must be valid for PyPI. The source distribution must have every
file of the repository, and its own tests must pass in it. The exit status is 1 at the first failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_IN_THE_SDIST = {".gitattributes"}
"""Files that only the repository needs."""
BESIDE = ("distribution", "docs_blocks", "exports", "package_page", "release_machine", "tutorial")
TESTS = ("tests/domain", "tests/conf", "tests/errors", *(f"tests/project/test_{name}.py" for name in BESIDE))
"""A part of the tests. They import each layer of the package, and read the files beside it."""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="django-telroi-package-") as folder:
        dist, unpacked = Path(folder, "dist"), Path(folder, "unpacked")
        run("build", "--no-isolation", "--outdir", str(dist), str(ROOT))
        [sdist], [wheel] = dist.glob("*.tar.gz"), dist.glob("*.whl")
        run("twine", "check", "--strict", str(sdist), str(wheel))
        run("check_wheel_contents", "--config", str(ROOT / "pyproject.toml"), str(wheel))
        with tarfile.open(sdist) as archive:
            archive.extractall(unpacked, filter="data")
        [source] = unpacked.iterdir()
        check_files(source)
        run("pytest", "-q", "-p", "no:cacheprovider", "-n", "2", *TESTS, cwd=source)
    run_program(str(ROOT / "example_project" / "manage.py"), "check", "--fail-level", "WARNING")


def check_files(source: Path) -> None:
    """Exit if the source distribution lacks a file of the repository."""
    # `git` knows which files belong to the repository. Without a repository, this tree is a source distribution itself.
    if not (ROOT / ".git").exists():
        say("no repository: its files are not compared")
        return
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    expected = set(listed.split("\n")) - {""} - NOT_IN_THE_SDIST
    if missing := sorted(name for name in expected if not (source / name).exists()):
        raise SystemExit(f"The source distribution lacks: {' '.join(missing)}")
    say(f"the source distribution has the {len(expected)} files of the repository")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(module: str, *arguments: str, cwd: Path = ROOT) -> None:
    run_program("-m", module, *arguments, cwd=cwd)


def run_program(*arguments: str, cwd: Path = ROOT) -> None:
    """Run Python with these arguments. Exits if it fails."""
    say(f"$ python {' '.join(arguments)}")
    # Without TOX_ENV_DIR the tests import the package of their own tree, and not the installed wheel.
    environment = {name: value for name, value in os.environ.items() if name not in {"TOX_ENV_DIR", "PYTHONSAFEPATH"}}
    if subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, check=False).returncode:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
