"""Print a summary of a test run: ``python tests/summary.py STATUS REPORT``.

``STATUS`` is the exit status of the run, ``REPORT`` the JUnit file that pytest wrote. Ends with that status.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

AT_MOST = 10
"""How many failed tests are listed."""

PASSED = """\
{passed:,} tests passed{skipped}, in {minutes:.0f} min {seconds:02.0f} s.
The app does on this machine what its documentation says, with SQLite and this version of Django.
Not tested here: PostgreSQL, MariaDB, Redis and RabbitMQ (make services), a browser (make browser), and what takes
long (make programs, make long).
Next: make demo starts a site to try out. README.md says how to install the app in your project.
"""
FAILED = """\
{failed:,} of {total:,} tests failed:
{names}
The output above says why. Run one of them again with
  .venv/bin/tox run -q -e test -- {first}
"""
NOT_RUN = """\
The tests did not run to their end (exit status {status}). The output above says why.
Without network access, pip cannot install what the tests need. make help lists the other commands.
"""


def main(status: int, report: Path) -> int:
    sys.stdout.write("\n" + words(status, report))
    return status


def words(status: int, report: Path) -> str:
    try:
        root = ET.parse(report).getroot()
    except (OSError, ET.ParseError):
        return NOT_RUN.format(status=status)
    cases = list(root.iter("testcase"))
    failed = list(names_of_failed(cases))
    if failed:
        shown = [f"  {name}" for name in failed[:AT_MOST]] + ["  ..."] * (len(failed) > AT_MOST)
        return FAILED.format(failed=len(failed), total=len(cases), names="\n".join(shown), first=failed[0])
    if status or not cases:
        return NOT_RUN.format(status=status)
    skipped = sum(case.find("skipped") is not None for case in cases)
    minutes, seconds = divmod(sum(float(suite.get("time", 0)) for suite in root.iter("testsuite")), 60)
    return PASSED.format(
        passed=len(cases) - skipped,
        skipped=f", {skipped:,} were skipped" if skipped else "",
        minutes=minutes,
        seconds=seconds,
    )


def names_of_failed(cases: Sequence[ET.Element]) -> Iterator[str]:
    """Return the file and the name of each failed test, in the form that pytest accepts."""
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            parts = case.get("classname", "").split(".")
            classes = [part for part in parts if part[:1].isupper()]
            file = "/".join(parts[: len(parts) - len(classes)]) + ".py"
            yield "::".join([file, *classes, case.get("name", "")])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2])))
