"""The files of a release: workflows, locked versions, and the check of a tag."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.project.check_release import problem_with

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.stem: path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
PINNED = re.compile(r"(?P<action>[\w.-]+/[\w.-]+)@(?P<sha>[0-9a-f]{40}) # (?P<version>v\d+\.\d+\.\d+)")
OF_PYPI = ("https://pypi.org/simple", "https://files.pythonhosted.org/packages/")


def jobs(workflow: str) -> dict[str, Any]:
    return dict(yaml.safe_load(WORKFLOWS[workflow])["jobs"])


def test_each_action_is_pinned_to_one_commit_with_its_version() -> None:
    used = [line.split("uses: ")[1] for text in WORKFLOWS.values() for line in text.splitlines() if "uses: " in line]
    others = [use for use in used if not use.startswith("./")]
    pins = [PINNED.fullmatch(use) for use in others]

    assert len(others) >= 5
    assert all(pins), others
    commits = {(pin["action"], pin["sha"], pin["version"]) for pin in pins if pin}
    assert len({action for action, _, _ in commits}) == len(commits)


def test_only_the_upload_has_a_permission_beyond_reading() -> None:
    assert [yaml.safe_load(text)["permissions"] for text in WORKFLOWS.values()] == [{"contents": "read"}] * len(
        WORKFLOWS
    )
    more = {
        (name, job): steps["permissions"]
        for name in WORKFLOWS
        for job, steps in jobs(name).items()
        if "permissions" in steps
    }

    assert more == {("release", "publish"): {"id-token": "write"}}
    assert "secrets." not in "".join(WORKFLOWS.values())


def test_a_release_waits_for_all_legs_and_uploads_what_was_built_once() -> None:
    release = jobs("release")

    assert release["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert (release["build"]["needs"], release["publish"]["needs"]) == ("ci", "build")
    assert release["publish"]["environment"]["name"] == "pypi"
    assert [step.get("run", "") for step in release["publish"]["steps"]] == ["", ""], "no code of ours beside the token"
    assert release["publish"]["steps"][1]["with"] == {"attestations": True}


def test_the_legs_at_the_forge_are_those_of_tox() -> None:
    assert "tox list -d" in WORKFLOWS["ci"], "the list is read, not written twice"
    leg = jobs("ci")["leg"]
    locked = re.findall(r'"([\w-]+)"', next(step["if"] for step in leg["steps"] if "if" in step))
    tox = configparser.ConfigParser(interpolation=None, comment_prefixes="#", strict=False)
    tox.read(ROOT / "tox.ini")

    assert {f"testenv:{name}" for name in locked} <= set(tox.sections())
    [pythons] = [step["with"]["python-version"] for step in leg["steps"] if "setup-python" in step.get("uses", "")]
    assert [f"Programming Language :: Python :: {each}" for each in pythons.split()] == [
        each for each in PROJECT["project"]["classifiers"] if re.search(r"Python :: 3\.\d+$", each)
    ]


def test_the_tag_of_a_release_is_pushed_after_its_commit_is_on_the_protected_branch() -> None:
    """A push of both is refused for ``main`` only. The tag starts the release of a commit that is not on it."""
    steps = (ROOT / "RELEASING.md").read_text()
    pushes = re.findall(r"^ *\$ git push (.+)$", steps, re.MULTILINE)

    assert pushes == ["origin release-0.1.0", "origin v0.1.0"]
    assert steps.index("git push origin release") < steps.index("git pull --ff-only") < steps.index("git tag -s")


def test_the_lock_has_no_version_of_this_package() -> None:
    [own] = [package for package in LOCK["package"] if package["name"] == "django-telroi"]

    assert "version" not in own, "RELEASING.md says so"


def test_the_lock_names_no_other_index_than_pypi() -> None:
    addresses = re.findall(r'"((?:https?|file)://[^"]+)"', (ROOT / "uv.lock").read_text())

    assert len(addresses) > 100
    assert [address for address in addresses if not address.startswith(OF_PYPI)] == []


def test_the_lock_is_of_these_dependencies() -> None:
    """If it is not, run ``uv lock``."""
    [own] = [package for package in LOCK["package"] if package["name"] == "django-telroi"]
    metadata = own["metadata"]
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *(each for extra in extras.values() for each in extra)]
    groups = {name: sorted({normal(each) for each in wanted_by_group(name)}) for name in PROJECT["dependency-groups"]}

    assert sorted(map(as_text, metadata["requires-dist"])) == sorted(map(normal, wanted))
    assert {group: sorted(map(as_text, each)) for group, each in metadata["requires-dev"].items()} == groups


def wanted_by_group(group: str) -> list[str]:
    wanted: list[str] = []
    for each in PROJECT["dependency-groups"][group]:
        wanted += [each] if isinstance(each, str) else wanted_by_group(each["include-group"])
    return wanted


def normal(requirement: str) -> str:
    """Return the name and the versions without extras of the requirement."""
    return re.sub(r"\[.*?\]|\s", "", requirement.partition(";")[0]).lower().replace("_", "-")


def as_text(locked: dict[str, Any]) -> str:
    return f"{locked['name']}{locked.get('specifier', '')}".replace(" ", "")


@pytest.mark.parametrize(
    ("tag", "heading", "problem"),
    [
        ("v0.1.0", "[0.1.0] - 2026-12-01", ""),
        ("0.1.0", "[0.1.0] - 2026-12-01", "The tag must be v0.1.0."),
        ("v0.2.0", "[0.1.0] - 2026-12-01", "The tag must be v0.1.0."),
        ("v0.1.0", "[0.2.0] - 2026-12-01", "The newest entry of CHANGELOG.md is not 0.1.0."),
        ("v0.1.0", "[0.1.0] - unreleased", "CHANGELOG.md has no date for 0.1.0."),
    ],
)
def test_a_tag_is_released_only_with_its_version_and_a_date(tag: str, heading: str, problem: str) -> None:
    found = problem_with(tag, version="0.1.0", changelog=f"# Changelog\n\n## {heading}\n\n- Something\n")

    assert problem in found
    assert bool(problem) == bool(found)
