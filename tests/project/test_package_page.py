"""The README is the page of the package on PyPI: its links and commands work there, and its claims are true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from django_telroi.conf.values import DEFAULTS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
LINKS = re.findall(r"\]\((\S+?)\)", README)
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]

FORGE = "https://github.com/django-telroi/django-telroi"
PLACES = {
    f"{FORGE}/blob/main/": "",
    "https://raw.githubusercontent.com/django-telroi/django-telroi/main/": "",
    "https://django-telroi.readthedocs.io/en/latest/": "docs/",
}
"""The addresses of the repository's files, and their folders."""
RUNS_WITHOUT_A_CLONE = ("$ python -m pip install django-telroi", "$ python manage.py migrate")


def file_at(address: str) -> Path | None:
    """Return the file of the repository that an address shows, or None for an address of others."""
    for place, folder in PLACES.items():
        if address.startswith(place):
            name = address.removeprefix(place).partition("#")[0]
            return ROOT / folder / re.sub(r"\.html$", ".rst", name)
    return None


def test_every_link_and_picture_is_absolute_and_its_file_exists() -> None:
    files = [file_at(link) for link in LINKS]

    assert all(link.startswith("https://") for link in LINKS)
    assert len([file for file in files if file]) >= 8
    assert [file for file in files if file and not file.exists()] == []


def test_the_project_urls_are_those_of_the_readme() -> None:
    assert URLS["Source"] == FORGE
    assert set(URLS) == {"Changelog", "Documentation", "Issues", "Source"}
    changelog = file_at(URLS["Changelog"])
    assert changelog
    assert changelog.exists()
    assert any(link.startswith(URLS["Documentation"]) for link in LINKS)


def test_every_command_runs_without_a_clone() -> None:
    commands = re.findall(r"^\$ .+$", README, re.MULTILINE)

    assert tuple(commands) == RUNS_WITHOUT_A_CLONE
    for paragraph in README.split("\n\n"):
        assert "`make " not in paragraph or "clone" in paragraph, "a reader of the page has no Makefile"


def test_the_figures_of_the_table_are_the_defaults() -> None:
    rows = {
        cells[1].strip(): cells[2].strip() for cells in (line.split("|") for line in README.splitlines()) if cells[1:]
    }

    limits = [DEFAULTS[name] for name in ("COOLDOWN_SECONDS", "CALLS_PER_HOUR", "CALLS_PER_DAY")]
    assert limits[0] == 60
    assert rows["Limit of calls or messages to a number"] == f"1 a minute, {limits[1]} an hour, {limits[2]} a day"
    assert rows["Wrong codes"].startswith(f"{DEFAULTS['CODE_TRIES']} for a call")


def test_the_versions_are_those_of_the_classifiers() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    series: dict[str, list[str]] = {"Python": [], "Django": []}
    for classifier in classifiers:
        if found := re.fullmatch(r".* :: (Python|Django) :: (\d+\.\d+)", classifier):
            series[found[1]].append(found[2])

    for name, versions in series.items():
        assert f"{name} {versions[0]}–{versions[-1]}" in README
