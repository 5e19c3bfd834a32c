"""What the reference needs beyond Sphinx.

Kinds of names, the options of commands, the columns of models and the names of the simulator.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from pydoc import ErrorDuringImport, locate
from typing import Any

from django.core.management import load_command_class
from django.core.management.base import BaseCommand
from django.db import models
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from django_telroi.simulator.fault_rules import CARRIERS
from django_telroi.simulator.faults import FAULTS
from django_telroi.simulator.http_request import Quirks

KINDS = (
    "alert",
    "attempt-error",
    "check",
    "command",
    "error-code",
    "log-event",
    "metric",
    "number-problem",
    "outcome",
    "simulator-carrier",
    "simulator-fault",
    "simulator-quirk",
    "template-tag",
)
"""Each is a directive, a role and a kind of name in ``objects.inv``, so that other documentation can link to it."""


class CommandOptions(SphinxDirective):
    """``.. command-options:: telroi_sweep`` lists the options of the command itself, from its parser."""

    required_arguments = 1
    option_spec = {"app": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        command = load_command_class(self.options.get("app", "django_telroi"), name)
        lines = [line for option in own_options(command, name) for line in described(option)]
        return self.parse_text_to_nodes("\n".join([f".. program:: {name}", "", *lines])) if lines else []


class SimulatorNames(SphinxDirective):
    """``.. simulator-names:: fault`` lists the faults, carriers or quirks of the simulator, from its code."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        kind = self.arguments[0]
        lines = []
        for name, about in SIMULATOR_NAMES[kind]():
            lines += [f".. simulator-{kind}:: {name}", "", f"   {about}", ""]
        return self.parse_text_to_nodes("\n".join(lines))


def faults() -> Iterator[tuple[str, str]]:
    for name, fault in FAULTS.items():
        way = fault.begin or fault.refuse or fault.rewrite or fault.deliver
        yield name, escaped(fault.about) + options_of(way)


def carriers() -> Iterator[tuple[str, str]]:
    for name, carrier in CARRIERS.items():
        yield name, escaped((inspect.getdoc(carrier) or "").partition("\n")[0]) + options_of(carrier)


def quirks() -> Iterator[tuple[str, str]]:
    return iter(re.findall(r"^\* ``(\w+)``: (.+)$", inspect.getdoc(Quirks) or "", re.MULTILINE))


SIMULATOR_NAMES = {"fault": faults, "carrier": carriers, "quirk": quirks}


def options_of(way: Callable[..., Any] | None) -> str:
    """Return a sentence with the options of a fault and their defaults, ``""`` if it has none."""
    parameters = inspect.signature(way).parameters.values() if way else ()
    options = [f"``{each.name}={each.default!r}``" for each in parameters if each.kind is each.KEYWORD_ONLY]
    return f" Options: {', '.join(options)}." if options else ""


def escaped(text: str) -> str:
    return re.sub(r"([*|_]|`)(?=\w)", r"\\\1", text) if "``" not in text else text


def own_options(command: BaseCommand, name: str) -> list[argparse.Action]:
    """Return the options that the command adds to those of every command."""
    parser = argparse.ArgumentParser(prog=name, add_help=False)
    command.add_arguments(parser)
    return parser._actions


def described(option: argparse.Action) -> list[str]:
    """Return the lines of a directive ``option``."""
    value = option.metavar or (option.dest if option.nargs != 0 else "")
    signature = ", ".join(f"{flag} {value}".strip() for flag in option.option_strings) or f"<{value}>"
    told = option.default in (None, False, "", argparse.SUPPRESS) or "default" in (option.help or "")
    default = "" if told else f" Default: ``{option.default}``."
    help_text = (option.help or "") % {"default": option.default}
    end = "" if help_text.endswith(".") else "."
    return [f".. option:: {signature}", "", f"   {help_text[:1].upper()}{help_text[1:]}{end}{default}", ""]


def list_fields(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Add the columns of a model to its docstring. A docstring has none, and autodoc shows Django's descriptors."""
    if what != "class" or not inspect.isclass(found) or not issubclass(found, models.Model) or found._meta.abstract:
        return
    lines += ["", ".. rubric:: Columns", ""]
    for field in found._meta.concrete_fields:
        null = ", may be NULL" if field.null else ""
        target = f" to ``{field.remote_field.model._meta.label}``" if field.remote_field else ""
        label = "" if field.verbose_name == field.name.replace("_", " ") else f" – {field.verbose_name}"
        lines.append(f"* ``{field.name}``: {type(field).__name__}{target}{null}{label}")
    lines.append("")


def skip_descriptors(app: Sphinx, what: str, name: str, found: Any, is_skipped: object, options: Any) -> bool | None:
    """Leave out what Django adds to a model: descriptors of fields and relations, and its exceptions."""
    is_django = (type(found).__module__ or "").startswith("django.db.models")
    is_exception = name in {"DoesNotExist", "MultipleObjectsReturned", "NotUpdated"}
    return True if what == "class" and (is_django or is_exception) else None


def allow_names_that_exist(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Element
) -> nodes.Node | None:
    """Leave a Python name without an entry as text if it exists, such as one of Django. Anything else is a warning."""
    is_known = node.get("refdomain") == "py" and python_object(node["reftarget"]) is not None
    return text if is_known else None


@cache
def python_object(name: str) -> object | None:
    try:
        return locate(name)
    except ErrorDuringImport:
        return None


def setup(app: Sphinx) -> dict[str, bool]:
    for kind in KINDS:
        label = kind.replace("-", " ")
        app.add_object_type(kind, kind, objname=label, indextemplate=f"pair: %s; {label}")
    app.add_directive("command-options", CommandOptions)
    app.add_directive("simulator-names", SimulatorNames)
    app.connect("autodoc-process-docstring", list_fields)
    app.connect("autodoc-skip-member", skip_descriptors)
    app.connect("missing-reference", allow_names_that_exist)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
