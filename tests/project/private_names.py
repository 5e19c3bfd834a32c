"""Finds the names with a leading underscore that our modules use from other packages.

Such a name may change in any release. So each is used in one module only, and has a canary in
``test_private_names.py``.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from django.core.exceptions import ImproperlyConfigured

import django_telroi

PACKAGE = Path(django_telroi.__file__).parent
DOCUMENTED = {"_meta", "_state", "_default_manager", "_base_manager"}
"""Attributes of models that Django documents. They are public although they have an underscore."""
OPTIONAL = ("allauth", "django_otp", "two_factor", "phonenumber_field", "drf_spectacular", "opentelemetry", "gevent")
"""Packages that a module of ours may need and that this environment may not have."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def uses(tree: ast.AST, *, inherited: set[str]) -> Iterator[str]:
    """Yield the private names of others that the code reads: by an import, an attribute, or ``getattr``.

    An attribute of ``self`` or ``super()`` is ours if it is in ``inherited``, that of another object if this module
    defines it.
    """
    ours = set(definitions(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("django_telroi"):
            if node.module == "_typeshed":  # only type checkers have it
                continue
            yield from (alias.name for alias in node.names if is_private(alias.name))
            yield from (part for part in (node.module or "").split(".") if part == "internal")
        elif isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in DOCUMENTED | ours:
            if node.attr not in inherited or ast.unparse(node.value) not in ("self", "cls", "super()"):
                yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and is_private(str(name.value)) and name.value not in ours:
                yield str(name.value)


def definitions(tree: ast.AST) -> Iterator[str]:
    """Yield all names that the code defines: functions, classes, variables, attributes, and constants with a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)  # NAME = "_attribute", for setattr and getattr


@cache
def trees() -> dict[str, ast.AST]:
    files = [file for file in PACKAGE.rglob("*.py") if "migrations" not in file.parts]
    return {file.relative_to(PACKAGE).as_posix(): ast.parse(file.read_text()) for file in files}


def foreign_names() -> dict[str, set[str]]:
    """Return the modules that use each private name of another package."""
    ours = {name for tree in trees().values() for name in definitions(tree)}
    found: dict[str, set[str]] = {}
    for module, tree in trees().items():
        for name in uses(tree, inherited=ours):
            found.setdefault(name, set()).add(module)
    return found


def modules() -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(django_telroi.__path__, "django_telroi."):
        if info.name.endswith("__main__") or ".migrations" in info.name:
            continue
        try:
            yield import_module(info.name)
        except (RuntimeError, ImproperlyConfigured):
            pass  # models of an app that is not installed here, or tasks of Django 6.0
        except ImportError as error:
            if not (error.name or "").startswith(OPTIONAL):
                raise


def overridden_names() -> dict[str, set[str]]:
    """Return the modules whose classes set a private name that a base class of another package also uses."""
    found: dict[str, set[str]] = {}
    for module in modules():
        for kind in vars(module).values():
            if inspect.isclass(kind) and kind.__module__ == module.__name__:
                for name in _private_names_of_bases(kind):
                    file = Path(inspect.getfile(kind)).relative_to(PACKAGE).as_posix()
                    found.setdefault(name, set()).add(file)
    return found


def _private_names_of_bases(kind: type) -> set[str]:
    names = {name for name in definitions(ast.parse(_source(kind))) if is_private(name)}
    bases = [base for base in kind.__mro__ if not base.__module__.startswith(("django_telroi", "builtins"))]
    return {name for base in bases for name in names if re.search(rf"\b{name}\b", _source(base))}


@cache
def _source(kind: type) -> str:
    try:
        return inspect.cleandoc("\n" + inspect.getsource(kind))
    except (OSError, TypeError):
        return ""  # written in C, or made by a function
