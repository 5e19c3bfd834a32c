"""Execute the steps of docs/tutorial/first.rst exactly, and verify a phone at the end.

Needs the package and its dependencies: ``python tests/project/stock_project.py``. The project is created by
``django-admin startproject``, changed by the code blocks of the tutorial, and served by ``runserver``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, build_opener

import django_telroi

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorial"
TUTORIAL = TUTORIALS / "first.rst"
BLOCK = re.compile(
    r"^\.\. code-block:: (?P<kind>\w+)\n(?:   :caption: (?P<file>\S+)\n)?\n(?P<body>(?:(?:   .*)?\n)+)",
    re.MULTILINE,
)
CODE = re.compile(r"code is (\d{6})")
NUMBER = "+234 803 123 4567"
ADDRESS = re.compile(r"http://127\.0\.0\.1:[1-9]\d*")
PATIENCE_SECONDS = 600.0
TOGETHER = """
import json, os, sys
from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
for command in json.loads(sys.argv[1]):
    try:
        execute_from_command_line(["manage.py", *command])
    except SystemExit as end:
        if end.code:
            sys.exit(f"manage.py {' '.join(command)}: {end.code}")
"""


@dataclass(frozen=True)
class Step:
    """A command to run, or code to put at the end of a file."""

    command: tuple[str, ...] = ()
    file: str = ""
    code: str = ""


def steps_of(page: Path) -> Iterator[Step]:
    for block in BLOCK.finditer(page.read_text()):
        lines = [line.removeprefix("   ") for line in block["body"].splitlines()]
        if block["kind"] == "console":
            yield from (Step(command=tuple(line[2:].split())) for line in lines if line.startswith("$ "))
        elif block["file"]:
            yield Step(file=block["file"], code="\n".join(["", *lines]))


class Form(HTMLParser):
    """The first form of a page with a field to fill in: its action, its values and the name of the field.

    ``of`` is the id of the form, if another one comes first.
    """

    def __init__(self, page: str, *, of: str = "") -> None:
        super().__init__()
        self.of = of
        self.is_open = False
        self.action = self.asks_for = ""
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.asks_for and self.of in ("", found.get("id")):
            self.is_open, self.action, self.fields = True, found.get("action", ""), {}
        elif tag == "input" and self.is_open and "name" in found:
            self.fields[found["name"]] = found.get("value", "")
            if found.get("type") != "hidden":
                self.asks_for = self.asks_for or found["name"]

    def handle_endtag(self, tag: str) -> None:
        self.is_open = self.is_open and tag != "form"


@dataclass
class Person:
    """A browser without JavaScript, on one page at a time."""

    browser: OpenerDirector
    address: str
    page: str = ""

    def open(self, path: str, answers: dict[str, str] | None = None) -> None:
        body = urlencode(answers).encode() if answers else None
        with self.browser.open(urljoin(self.address, path), body, timeout=PATIENCE_SECONDS) as reply:
            self.address, self.page = reply.url, reply.read().decode()

    def answer(self, text: str) -> None:
        form = Form(self.page)
        self.open(form.action, {**form.fields, form.asks_for: text})


class StockProject:
    """A folder with a Django project, and the commands that are run there."""

    def __init__(self, folder: Path, *, python: tuple[str, ...] = (sys.executable,)) -> None:
        self.folder = folder
        self.python = python
        self.console = folder / "console.txt"
        # PYTHONSAFEPATH would hide the project from its manage.py. Our key and settings must not be used.
        ours = ("PYTHONSAFEPATH", "DJANGO_SETTINGS_MODULE", "TELROI_API_KEY")
        self.environment = {name: value for name, value in os.environ.items() if name not in ours}
        self.environment["PYTHONPATH"] = str(Path(django_telroi.__file__).parents[1])
        self.environment["PYTHONWARNINGS"] = "error"

    def follow(self, step: Step) -> None:
        """Execute one step, except installing, which is done already, and serving, which ``walk`` does."""
        if step.file:
            (self.folder / step.file).parent.mkdir(exist_ok=True)
            with (self.folder / step.file).open("a") as file:
                file.write(step.code)
        elif step.command[0] == "cd":
            self.folder /= step.command[1]
        elif step.command[0] == "django-admin":
            self.run("-m", "django", *step.command[1:])
        elif step.command[1] == "manage.py":
            self.run(*step.command[1:])

    def follow_page(self, page: Path, *, to_the_end: bool = False) -> None:
        """Execute the steps of a page up to its first ``runserver``, or all others."""
        for step in steps_of(page):
            if step.command[1:] != ("manage.py", "runserver"):
                self.follow(step)
            elif not to_the_end:
                return

    def run(self, *arguments: str) -> str:
        """Return the output of the command. A warning or a failure raises an error."""
        done = self._done(arguments)
        if done.returncode or done.stderr:
            raise AssertionError(f"{' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def run_together(self, *commands: tuple[str, ...]) -> str:
        """Run these commands of ``manage.py`` one after the other in one process, which saves their starts."""
        return self.run("-c", TOGETHER, json.dumps(commands))

    def failure_of(self, *arguments: str) -> str:
        """Return what a command that fails prints to the standard error output."""
        done = self._done(arguments)
        assert done.returncode, f"{' '.join(arguments)} did not fail:\n{done.stdout}\n{done.stderr}"
        return done.stderr

    def _done(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        command = [*self.python, *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    @contextmanager
    def serving(self, first: str = "/phone/", *options: str) -> Iterator[Person]:
        """Run ``runserver`` with further ``options``, and yield a visitor who has opened the page ``first``."""
        command = [*self.python, "-u", "manage.py", "runserver", "--noreload", *options, "127.0.0.1:0"]
        with (
            self.console.open("w") as output,
            subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=output, stderr=output) as server,
        ):
            try:
                yield visitor(self.address_printed(server), first)
            finally:
                server.terminate()

    def address_printed(self, server: subprocess.Popen[bytes]) -> str:
        """Return the address of ``runserver``. The system assigned its port, so no other program has it."""
        while not (found := ADDRESS.search(self.console.read_text())):
            if server.poll() is not None:
                raise AssertionError(self.console.read_text())
            time.sleep(0.1)
        return f"{found[0]}/"

    def code_read_out(self) -> str:
        return CODE.findall(self.console.read_text())[-1]


def visitor(address: str, first: str) -> Person:
    """Return a browser with the page ``first``. Waits until the server listens. An error page raises at once."""
    person = Person(build_opener(HTTPCookieProcessor(CookieJar()), ProxyHandler({})), address)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            person.open(first)
        except HTTPError:
            raise
        except URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return person


def walk(folder: Path) -> list[str]:
    """Follow the tutorial up to ``runserver``, verify a phone there, and print what was seen."""
    project = StockProject(folder)
    project.follow_page(TUTORIAL)
    seen = [project.run("manage.py", "check").strip(), project.run("manage.py", "makemigrations", "--check").strip()]
    with project.serving() as person:
        person.answer(NUMBER)
        seen.append(person.address)
        person.answer(project.code_read_out())
        seen.append(person.address)
    assert "verified" in person.page, person.page
    return seen


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write("\n".join([sys.version, *walk(Path(folder)), "a phone was verified"]) + "\n")
