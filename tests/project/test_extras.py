"""Each extra of pyproject.toml has a site that uses it, in tests/project/extra_sites.py."""

from __future__ import annotations

from packaging.requirements import Requirement

from django_telroi import packages
from tests.project.bare_environments import declared_dependencies, declared_extras
from tests.project.extra_sites import EXTRAS


def test_each_extra_is_used_by_a_site() -> None:
    assert set(EXTRAS) == set(declared_extras())


def test_what_an_error_says_to_install_is_what_pyproject_declares() -> None:
    known = [getattr(packages, name) for name in packages.__all__ if name != "Package"]
    plain = {package.requirement for package in known if not package.requirement.startswith("django-telroi[")}
    extras = {extra for package in known for extra in Requirement(package.requirement).extras}

    assert plain <= set(declared_dependencies())
    assert extras
    assert extras <= set(declared_extras())
