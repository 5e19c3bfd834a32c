"""The last lines of ``make test``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUMMARY = Path(__file__).parent.parent / "summary.py"
REPORT = """<testsuites><testsuite time="{time}">{cases}</testsuite></testsuites>"""
GOOD = '<testcase classname="tests.services.test_start" name="test_a"/>'
BAD = '<testcase classname="tests.services.test_start.TestTheCeiling" name="test_b[x]"><failure/></testcase>'


def summary(status: int, report: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(SUMMARY), str(status), str(report)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def test_prints_how_many_tests_passed_and_the_next_step(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format(time=245.2, cases=GOOD * 1200))

    status, said = summary(0, report)

    assert status == 0
    assert said.splitlines()[1] == "1,200 tests passed, in 4 min 05 s."
    assert "make demo" in said


def test_prints_the_failed_tests_as_arguments_of_pytest(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format(time=3, cases=GOOD + BAD))

    status, said = summary(1, report)

    assert status == 1
    assert "1 of 2 tests failed" in said
    assert "tests/services/test_start.py::TestTheCeiling::test_b[x]" in said


@pytest.mark.parametrize("content", [None, "", REPORT.format(time=0, cases="")])
def test_does_not_report_an_aborted_run_as_passed(tmp_path: Path, content: str | None) -> None:
    report = tmp_path / "report.xml"
    if content is not None:
        report.write_text(content)

    status, said = summary(2, report)

    assert status == 2
    assert "did not run to their end (exit status 2)" in said
