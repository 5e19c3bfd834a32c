"""A site that uses neither REST framework nor Celery nor the key's budget needs none of their packages."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.project.light_sites import ABSENT, FAULTS, LIGHT, live, meet
from tests.project.stock_project import StockProject

PRESENT = (
    "django",
    "asgiref",
    "sqlparse",
    "requests",
    "urllib3",
    "certifi",
    "idna",
    "charset_normalizer",
    "phonenumbers",
)


@pytest.fixture
def light_project(tmp_path: Path) -> StockProject:
    """A project whose Python finds only the packages of ``PRESENT`` and ours. ``-S`` leaves out ``site-packages``."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for module in PRESENT:
        spec = find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        (packages / module).symlink_to(Path(spec.origin).parent)
    site = tmp_path / "site"
    site.mkdir()
    project = StockProject(site, python=(sys.executable, "-S"))
    (packages / "django_telroi").symlink_to(Path(project.environment["PYTHONPATH"]) / "django_telroi")
    project.environment["PYTHONPATH"] = str(packages)
    found = project.run("-c", f"from importlib.util import find_spec\nprint([m for m in {ABSENT} if find_spec(m)])")
    assert found.strip() == "[]"
    return project


@pytest.mark.programs
@pytest.mark.parametrize("name", LIGHT)
def test_a_site_without_the_packages_verifies_a_phone(light_project: StockProject, name: str) -> None:
    live(light_project, name)


@pytest.mark.programs
@pytest.mark.parametrize("name", FAULTS)
def test_a_part_whose_package_is_missing_is_reported_with_the_command_that_installs_it(
    light_project: StockProject, name: str
) -> None:
    meet(light_project, FAULTS[name])
