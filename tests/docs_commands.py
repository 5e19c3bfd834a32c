"""The commands of the documentation. Each is parsed with the parser of its program, and yields its problems."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run_interpreter(words: list[str]) -> Iterator[str]:
    if words[0] == "manage.py":
        yield from run_management(words[1:])
    elif words[0] == "-c":
        ast.parse(words[1])
    elif words[:2] == ["-m", "pip"]:
        yield from run_pip(words[2:])
    elif words[:2] == ["-m", "django_telroi.simulator"]:
        pass  # run by tests/simulator
    elif words[0].startswith("tests/"):
        yield from () if (ROOT / words[0]).is_file() else (f"there is no {words[0]}",)
    elif words[:2] not in (["-m", "venv"], ["-m", "pytest"]):
        yield f"no test knows python {' '.join(words)}"


def run_management(words: list[str]) -> Iterator[str]:
    """Parse the arguments with the parser of the command, also of an app that is not installed here."""
    from importlib import import_module

    from django.core.management import get_commands, load_command_class
    from django.core.management.base import BaseCommand, CommandError

    name, *arguments = words
    found = get_commands().get(name)
    if isinstance(found, str):
        command = load_command_class(found, name)
    elif isinstance(found, BaseCommand):
        command = found
    else:
        (file,) = (ROOT / "django_telroi" / "contrib").rglob(f"commands/{name}.py")
        command = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts)).Command()
    parser = command.create_parser("manage.py", name)
    parser.called_from_command_line = False
    try:
        parser.parse_args(arguments)
    except CommandError as error:
        yield str(error)


def run_pip(words: list[str]) -> Iterator[str]:
    """Every extra must be one of this package."""
    extras = set(re.findall(r"^([\w-]+) = \[", _section("project.optional-dependencies"), re.MULTILINE))
    for wanted in re.findall(r"django-telroi\[([\w,-]+)\]", " ".join(words)):
        yield from (f"there is no extra {each}" for each in wanted.split(",") if each not in extras)
    if words[:1] != ["install"]:
        yield f"no test knows pip {' '.join(words)}"


def _section(name: str) -> str:
    return (ROOT / "pyproject.toml").read_text().partition(f"[{name}]\n")[2].partition("\n[")[0]


def run_celery(words: list[str]) -> Iterator[str]:
    """Every option of a worker or of beat must be one of Celery's."""
    from celery.bin import beat, worker

    commands = {"worker": worker.worker, "beat": beat.beat}
    (name,) = commands.keys() & set(words)
    known = {option for parameter in commands[name].params for option in parameter.opts} | {"-A"}
    yield from (f"celery {name} has no {word}" for word in words if word.startswith("-") and word not in known)


def run_gunicorn(words: list[str]) -> Iterator[str]:
    from gunicorn.config import Config

    Config().parser().parse_args(words)
    yield from ()


def run_make(words: list[str]) -> Iterator[str]:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    yield from (f"there is no make {word}" for word in words if "=" not in word and word not in targets)


def run_tool(words: list[str]) -> Iterator[str]:
    """A program of the system, or one that only prepares the next command."""
    yield from ()


PROGRAMS: dict[str, Callable[[list[str]], Iterator[str]]] = {
    "celery": run_celery,
    "gunicorn": run_gunicorn,
    "make": run_make,
    "pip": run_pip,
    "python": run_interpreter,
    **dict.fromkeys(["cd", "createdb", "curl", "django-admin", "export", "nginx", "sudo", "tox"], run_tool),
}
"""The programs of console blocks. tests/project follows those of the tutorial."""
