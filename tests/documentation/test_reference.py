"""The reference has every public name, setting, code, check, command, event and metric, and no other.

``objects.inv`` is compared, because links of other documentation use it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import django_telroi
from django_telroi import errors, signals
from django_telroi.conf import DEFAULTS
from django_telroi.domain.invalid_numbers import NumberProblem
from django_telroi.services import CheckOutcome
from django_telroi.services.shared.alerts import Alert
from django_telroi.services.shared.outcomes import ErrorCode
from django_telroi.simulator.fault_rules import CARRIERS
from django_telroi.simulator.faults import FAULTS
from django_telroi.telemetry.metrics import METRICS
from django_telroi.templatetags.telroi import register
from tests.documentation.built import inventory
from tests.project.test_exports import PUBLIC
from tests.secrets.test_log_events import logged

pytestmark = pytest.mark.docs
PACKAGE = Path(django_telroi.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.fixture(scope="session")
def names(pages: Path) -> dict[str, set[str]]:
    return inventory(pages)


def exports() -> dict[str, set[str]]:
    """Return the names in ``__all__`` of each module. Read and not imported: a bridge needs its other package."""
    found = {}
    for file in SOURCES:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                module = ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
                found[module.removesuffix(".__init__")] = set(ast.literal_eval(node.value))
    return found


EXPORTS = exports()
WITHOUT_NAMES = {"django_telroi.contrib", "django_telroi.contrib.login"}
TOP_LEVEL = ("py:class", "py:function", "py:exception", "py:data", "py:type")


def test_every_public_module_is_there(names: dict[str, set[str]]) -> None:
    assert set(PUBLIC) <= names["py:module"]
    assert names["py:module"] - WITHOUT_NAMES <= EXPORTS.keys()


def test_every_public_name_is_there_and_no_other(names: dict[str, set[str]]) -> None:
    public = {f"{module}.{name}" for module in names["py:module"] - WITHOUT_NAMES for name in EXPORTS[module]}

    assert {name for kind in TOP_LEVEL for name in names.get(kind, ())} == public


def test_every_setting_is_there(names: dict[str, set[str]]) -> None:
    assert names["std:confval"] == set(DEFAULTS)


def test_every_check_is_there(names: dict[str, set[str]]) -> None:
    homes = ("checks.py", "key_problems.py")
    modules = [file for file in SOURCES if file.parent.name == "checks" or file.name in homes]
    ids = {found for file in modules for found in re.findall(r"telroi(?:_\w+)?\.[EW]\d{3}", file.read_text())}

    assert len(ids) > 60
    assert names["std:check"] == ids


def test_every_command_is_there(names: dict[str, set[str]]) -> None:
    commands = {file.stem for file in SOURCES if file.parent.name == "commands" and file.stem != "__init__"}

    assert names["std:command"] == commands


def test_every_refusal_is_there(names: dict[str, set[str]]) -> None:
    refusals = {refusal.code for refusal in errors.VerificationRefused.__subclasses__()}

    assert names["std:error-code"] >= refusals  # tests/rest compares those of the API


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("std:outcome", set(CheckOutcome)),
        ("std:attempt-error", set(ErrorCode)),
        ("std:number-problem", set(NumberProblem)),
        ("std:alert", set(Alert)),
        ("std:metric", {metric.name for metric in METRICS}),
        ("std:template-tag", {*register.tags, *register.filters}),
        ("std:simulator-fault", set(FAULTS)),
        ("std:simulator-carrier", set(CARRIERS)),
    ],
)
def test_every_name_of_a_kind_is_there(kind: str, expected: set[str], names: dict[str, set[str]]) -> None:
    assert names[kind] == set(map(str, expected))


def test_every_log_event_is_there(names: dict[str, set[str]]) -> None:
    assert names["std:log-event"] == {line.event for line in logged()}


def test_every_signal_is_there(names: dict[str, set[str]]) -> None:
    documented = {name for name in names["py:data"] if name.startswith("django_telroi.signals.")}

    assert documented == {f"django_telroi.signals.{name}" for name in signals.__all__}
