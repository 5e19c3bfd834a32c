"""One name, one meaning: no file name and no public name of the package has two meanings."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "django_telroi"

SAME_ROLE = {"__init__.py", "urls.py", "views.py", "apps.py", "0001_initial.py"}
"""File names with the same role in each face, or in each Django app."""
FIXED_BY_USERS = {"telroi.py"}
"""The backend's dotted path is in the settings of sites, and the name of the tag library in their templates."""

SAME_MEANING = {
    "Command": "each management command",
    "Migration": "the first migration of each Django app",
    "StartView CallAgainView ProofField": "the same thing, in pages and in the API",
    "start_verification call_again check_code read_out": "the service, and the service behind the requester's limits",
    "place_call sweep purge": "the service, and the task that calls it",
    "send": "enqueue a call, with each kind of worker",
    "Timeouts": "the three time-outs of the client, and of the settings",
    "phone_verified_required": "overloads of one decorator",
}


def test_no_two_modules_have_the_same_file_name_except_in_two_faces() -> None:
    places = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        places[path.name].append(str(path.relative_to(PACKAGE)))

    assert not {name: at for name, at in places.items() if len(at) > 1 and name not in SAME_ROLE | FIXED_BY_USERS}


def test_no_public_name_is_defined_twice_with_different_meanings() -> None:
    homes = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                homes[node.name].append(str(path.relative_to(PACKAGE)))
    allowed = {name for names in SAME_MEANING for name in names.split()}

    twice = {name: at for name, at in homes.items() if len(at) > 1}

    assert not {name: at for name, at in twice.items() if name not in allowed}
    assert allowed <= twice.keys(), "an exception that is not needed any more"
