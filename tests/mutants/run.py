"""Remove each guard in turn; a test must fail: ``python tests/mutants/run.py [word ...]``.

It works on copies of the repository. First the tests must pass without a mutant. Then each mutant of ``table.py`` must
make one of its tests fail. The exit status is 1 if a mutant survives, if its text is not found, or if its tests do not
run or time out. A time-out does not count as a failure, because the machine may be slow. With words, only the mutants
whose file or description contains all of them run. With ``--tenth=SEED:NUMBER`` a tenth runs, see ``tests/tenths.py``.
"""

from __future__ import annotations

import compileall
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from py_compile import PycInvalidationMode
from time import perf_counter

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests")]
from table import MUTANTS, Mutant  # noqa: E402
from tenths import tenth_of  # noqa: E402

AT_ONCE = 2
MUTANT_TIMEOUT = 900  # seconds. The tests take a few seconds, on a busy machine up to a hundred times as long
ALL_TIMEOUT = 4 * MUTANT_TIMEOUT  # seconds, for the tests of all mutants together, without a mutant
PASSED, FAILED, HUNG = 0, 1, -1
PARTS = (
    "django_telroi",
    "tests",
    "example_project",
    "docs",
    "hatch_build.py",
    "pyproject.toml",
    "CHANGELOG.md",
    "README.md",
)


def main(words: Sequence[str]) -> int:
    tenth = re.fullmatch(r"--tenth=(\d+:\d)", words[0]) if words else None
    if tenth:
        chosen = tenth_of(MUTANTS, tenth[1])
    else:
        chosen = [mutant for mutant in MUTANTS if all(word in f"{mutant.file} {mutant.about}" for word in words)]
    if not chosen:
        print(f"no mutant has all of these words: {' '.join(words)}")
        return 1
    if lost := [mutant for mutant in chosen if (ROOT / mutant.file).read_text().count(mutant.text) != 1]:
        print("\n".join(f"NOT FOUND ONCE  {mutant.file}  {mutant.about}" for mutant in lost))
        return 1
    started = perf_counter()
    with tempfile.TemporaryDirectory(prefix="django-telroi-mutants-") as folder:
        tree = copy_of_repository(Path(folder, "0"))
        nodes = sorted({node for mutant in chosen for node in mutant.tests})
        status, said = run_sites(tree, nodes, "-n", str(AT_ONCE), timeout=ALL_TIMEOUT, writes_bytecode=True)
        if status != PASSED:
            print(f"{said}\nThe tests of the mutants do not pass as the tree stands.")
            return 1
        free: queue.Queue[Path] = queue.Queue()
        free.put(tree)
        for number in range(1, AT_ONCE):
            free.put(shutil.copytree(tree, Path(folder, str(number))))  # with the bytecode of the tests
        with ThreadPoolExecutor(AT_ONCE) as pool:
            verdicts = list(pool.map(partial(judge, free), chosen))
    survived = verdicts.count(False)
    print(f"{len(chosen) - survived} of {len(chosen)} mutants killed in {perf_counter() - started:.0f} s")
    return 1 if survived else 0


def judge(free: queue.Queue[Path], mutant: Mutant) -> bool:
    """Return whether a test fails because of the mutant, and not because no test could run."""
    status, said = said_by_pytest(free, mutant)
    by = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
    killed = status == FAILED and by is not None
    word = "killed" if killed else {PASSED: "SURVIVED", HUNG: "HUNG"}.get(status, f"NOT RUN ({status})")
    print(f"{word:9} {mutant.file.removeprefix('django_telroi/'):24} {mutant.about}", flush=True)
    if not killed:
        print("\n".join(said.splitlines()[-15:]), flush=True)
    return killed


def said_by_pytest(free: queue.Queue[Path], mutant: Mutant) -> tuple[int, str]:
    """Run pytest in a copy of the repository with the mutant. Returns its result."""
    tree = free.get()
    file = tree / mutant.file
    sound = file.read_text()
    try:
        file.write_text(sound.replace(mutant.text, mutant.replacement))
        return run_sites(tree, mutant.tests, "-x", timeout=MUTANT_TIMEOUT)
    finally:
        file.write_text(sound)
        free.put(tree)


def run_sites(
    tree: Path, nodes: Sequence[str], *options: str, timeout: int, writes_bytecode: bool = False
) -> tuple[int, str]:
    """Run the tests with the settings of their sites: some folders have their own. Returns the first that failed."""
    by_settings: dict[str, list[str]] = {}
    for node in nodes:
        folder = re.match(r"tests/(bridges/\w+|task_queue)/", node)
        site = f"tests.{folder[1].replace('/', '.')}.settings" if folder else "tests.settings"
        by_settings.setdefault(site, []).append(node)
    status, said = PASSED, ""
    for settings, own in by_settings.items():
        arguments = [f"--ds={settings}", *options, *own]
        status, said = run(tree, arguments, timeout=timeout, writes_bytecode=writes_bytecode)
        if status != PASSED:
            break
    return status, said


def run(tree: Path, arguments: Sequence[str], *, timeout: int, writes_bytecode: bool) -> tuple[int, str]:
    # An empty value means that Python writes bytecode.
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "" if writes_bytecode else "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=line", *arguments]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return HUNG, f"did not end in {timeout} s"
    return done.returncode, done.stdout + done.stderr


def copy_of_repository(tree: Path) -> Path:
    """Copy the repository to ``tree``, and compile it. Without bytecode a mutant would take half as long again.

    Python compares the hash of a source with that in its bytecode. By size and time of modification, which is Python's
    default, it could take the bytecode of the original for that of a mutant.
    """
    tree.mkdir()
    for part in PARTS:
        copy(ROOT / part, tree / part)
    for folder in ("django_telroi", "tests", "example_project"):
        compileall.compile_dir(tree / folder, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
    return tree


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "_build", ".demo"))
    else:
        shutil.copy(source, target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
