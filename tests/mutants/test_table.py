"""The table of mutants matches the code. ``make mutants`` runs the mutants; these tests fail when the code changes."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.mutants.table import MUTANTS

ROOT = Path(__file__).parents[2]


def test_the_text_of_each_mutant_is_once_in_its_file() -> None:
    counts = {f"{each.file}: {each.about}": (ROOT / each.file).read_text().count(each.text) for each in MUTANTS}

    assert {name: count for name, count in counts.items() if count != 1} == {}
    assert len(counts) == len(MUTANTS), "two mutants of one file have the same name"


def test_each_mutant_is_different_and_valid_python() -> None:
    for each in MUTANTS:
        before = (ROOT / each.file).read_text()
        after = before.replace(each.text, each.replacement)

        assert after != before, each.about
        if each.file.endswith(".py"):
            assert ast.dump(ast.parse(after)) != dump_of_file(each.file), each.about


@cache
def dump_of_file(name: str) -> str:
    return ast.dump(parsed(name))


@cache
def parsed(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text())


@pytest.mark.parametrize("node", sorted({node for mutant in MUTANTS for node in mutant.tests}))
def test_each_test_that_a_mutant_names_exists(node: str) -> None:
    path, *names = node.partition("[")[0].split("::")
    assert (ROOT / path).exists()
    body: list[ast.stmt] = parsed(path).body if names else []

    for name in names:
        found = [each for each in body if isinstance(each, ast.ClassDef | ast.FunctionDef) and each.name == name]
        assert len(found) == 1, f"{name} is not in {path}"
        body = found[0].body


def test_each_mutant_names_a_test() -> None:
    assert [each.about for each in MUTANTS if not each.tests] == []
