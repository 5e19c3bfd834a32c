"""The how-to page "Testing": its blocks are the tests of a site, and its tables name each scenario."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from django_telroi.testing import SCENARIOS
from tests.docs_blocks import blocks_of_page
from tests.testing.site_tests import run_with_django, run_with_pytest

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "tests.rst").read_text()
ROW = re.compile(
    r"^   \* - ``(?P<name>\w+)``\n     - (?P<about>.+)\n     - (?P<status>\d{3}) ``(?P<code>\w+)``$", re.MULTILINE
)


def blocks_of(file: str) -> str:
    return "\n".join(block.body for block in blocks_of_page("howto/tests.rst") if block.file == file)


def test_each_block_of_python_is_in_one_of_the_two_files_or_a_setting() -> None:
    files = {block.file for block in blocks_of_page("howto/tests.rst") if block.kind == "python"}

    assert files == {"test_phone.py", "tests.py", "settings.py"}


def test_the_tests_for_pytest_pass(tmp_path: Path) -> None:
    done = run_with_pytest(tmp_path, blocks_of("test_phone.py"))

    assert passed(done) == 8 + sum(scenario.step == "number" for scenario in SCENARIOS.values())


def test_the_tests_for_unittest_pass(tmp_path: Path) -> None:
    done = run_with_django(tmp_path, blocks_of("tests.py"))

    assert "Ran 3 tests" in done.stderr, done.stderr
    assert "OK" in done.stderr, done.stderr


def passed(done: subprocess.CompletedProcess[str]) -> int:
    counted = re.search(r"^(\d+) passed in", done.stdout, re.MULTILINE)
    assert counted, done.stdout + done.stderr
    return int(counted[1])


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_tables_say_what_each_scenario_is(name: str) -> None:
    rows = {match["name"]: match for match in ROW.finditer(PAGE)}
    scenario = SCENARIOS[name]

    row = rows[name]

    assert (row["about"], int(row["status"]), row["code"]) == (scenario.about, scenario.http_status, scenario.code)


def test_the_tables_name_no_other_scenario() -> None:
    assert [match["name"] for match in ROW.finditer(PAGE)] == list(SCENARIOS)
