"""The code blocks of the documentation, and a program that runs each of them.

``python -m tests.docs_blocks PAGE …`` prints a JSON object with the list of problems of each page. It needs Django's
settings in ``DJANGO_SETTINGS_MODULE``. It runs in a process of its own, because a block may register models, admin
classes and receivers of signals.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.docs_commands import PROGRAMS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DIRECTIVE = re.compile(
    r"^(?P<indent> *)\.\. (?P<name>code-block|code|sourcecode|parsed-literal|prompt|doctest|literalinclude)::"
    r" *(?P<kind>\S*)"
)
FENCE = re.compile(r"^```(?P<kind>\S*).*\n(?P<body>(?:.*\n)*?)```$", re.MULTILINE)
LITERAL = re.compile(r"^(?P<indent> *)(?!\.\. )(?:[#*\-] |#\. )?\S.*::$")
OPTION = re.compile(r"^ +:(?P<name>[\w-]+):(?: (?P<value>.*))?$")


@dataclass(frozen=True)
class Block:
    """A code block. ``page`` is relative to ``docs``. ``kind`` is the language, ``file`` the caption."""

    page: str
    line: int
    kind: str
    file: str
    body: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line} ({self.kind})"


def all_pages() -> list[str]:
    """Return the pages in ``docs``, and those that the index of packages and the repository show."""
    pages = [path for kind in ("*.rst", "*.md") for path in DOCS.rglob(kind) if "_build" not in path.parts]
    return sorted([str(path.relative_to(DOCS)) for path in pages] + [f"../{path.name}" for path in ROOT.glob("*.md")])


def blocks_of_page(page: str) -> list[Block]:
    """Return every block that a reader may copy, at any indentation, also paragraphs after ``::``."""
    text = (DOCS / page).read_text()
    if page.endswith(".md"):
        return [
            Block(page, text.count("\n", 0, match.start()) + 1, match["kind"], "", match["body"])
            for match in FENCE.finditer(text)
            if not match["kind"].startswith("{include}")
        ]
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines):
        if match := DIRECTIVE.match(line):
            kind = match["kind"] if match["name"] == "code-block" else match["name"]
        elif match := LITERAL.match(line):
            kind = "literal"
        else:
            continue
        indent = len(match["indent"])
        options, body = _inside(lines[number + 1 :], indent, has_options=kind != "literal")
        found.append(Block(page, number + 1, kind, options.get("caption", ""), body))
    return found


def _inside(lines: list[str], indent: int, *, has_options: bool) -> tuple[dict[str, str], str]:
    """Return the options and the text of a directive, without its indentation."""
    options: dict[str, str] = {}
    body: list[str] = []
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        if has_options and not body and (match := OPTION.match(line)):
            options[match["name"]] = match["value"] or ""
        elif body or line.strip():
            body.append(line)
    margin = min((len(line) - len(line.lstrip()) for line in body if line.strip()), default=0)
    return options, "\n".join(line[margin:] for line in body).rstrip() + "\n"


def _double_of_the_provider() -> dict[str, Any]:
    from tests.project import ringwell_double

    return vars(ringwell_double)


UNSHOWN: dict[str, dict[str, Callable[[], dict[str, Any]]]] = {
    "howto/limits.rst": {
        "accounts.captcha": lambda: {"verify": lambda token: token == "right"},
        "accounts.vendor": lambda: {"days_since_sim_change": lambda number: 400},
    },
    "howto/backends.rst": {"myproject.tests.double": _double_of_the_provider},
}
"""The modules of a project that its pages name and do not show."""


class Site:
    """What the blocks of one page define together: the settings, the URLs and the modules of a project."""

    def __init__(self, page: str) -> None:
        from django.contrib import admin
        from django.urls import include, path

        self.page = page
        self.names: dict[str, Any] = {
            "__name__": "page",
            "BASE_DIR": Path("/srv/mysite"),
            "DATABASES": {"default": {}},
            "INSTALLED_APPS": [],
            "REST_FRAMEWORK": {},
            "MIDDLEWARE": ["django.contrib.sessions.middleware.SessionMiddleware"],
            "TELROI": {},
            "TEMPLATES": [{"DIRS": []}],
            "admin": admin,
            "path": path,
            "urlpatterns": [],
        }
        if page == "../README.md":
            self.names["include"] = include  # a comment of the block says so
        for name, contents in UNSHOWN.get(page, {}).items():
            self.module(name).__dict__.update(contents())

    def module(self, dotted: str) -> ModuleType:
        """Return a module of the project, with its packages."""
        for end in range(1, dotted.count(".") + 2):
            name = ".".join(dotted.split(".")[:end])
            if name not in sys.modules:
                sys.modules[name] = ModuleType(name)
                sys.modules[name].__path__ = []
                parent, _, child = name.rpartition(".")
                if parent:
                    setattr(sys.modules[parent], child, sys.modules[name])
        return sys.modules[dotted]

    def execute(self, block: Block) -> None:
        """Execute the block as the module of its file, so that later blocks import what it defines.

        ``views.py`` is in the app ``accounts``. A file of models needs an app that is installed.
        """
        from django.apps import AppConfig, apps

        dotted = block.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") or "page"
        dotted = dotted if "." in dotted else f"accounts.{dotted}"
        module, package = self.module(dotted), dotted.partition(".")[0]
        label = f"{package}_of_the_page"
        if dotted.endswith(".models") and label not in apps.app_configs:
            app = type("App", (AppConfig,), {"path": str(DOCS), "label": label})(package, sys.modules[package])
            app.apps, app.models = apps, {}
            apps.app_configs[label] = app
        self.names["__name__"] = dotted
        exec(compile(block.body, str(block), "exec"), self.names)
        module.__dict__.update(self.names)


def run_python(block: Block, site: Site) -> Iterator[str]:
    """Execute the block after the earlier ones of its page. Settings must be valid."""
    # A variable with a default needs no value here.
    for names in re.findall(r'environ(?:\.get\("(\w+)"(?:, "")?\)|\["(\w+)"\])', block.body):
        os.environ.setdefault("".join(names), "5829473610" * 4)
    before = dict(site.names["TELROI"])
    site.execute(block)
    if site.names["TELROI"] != before:
        yield from invalid_settings(site.names["TELROI"])


def invalid_settings(telroi: dict[str, Any]) -> Iterator[str]:
    from django.test import override_settings

    from django_telroi.checks.readable import check_types, check_unknown_keys

    with override_settings(TELROI=telroi):
        yield from (message.msg for message in [*check_types(), *check_unknown_keys()])


def run_json(block: Block, site: Site) -> Iterator[str]:
    json.loads(block.body)
    yield from ()


def run_template(block: Block, site: Site) -> Iterator[str]:
    """Compile the template. A tag, a filter or a library that does not exist raises."""
    from django.template import engines

    # The reference shows tags alone, and says once that they need this line.
    load = "{% load telroi %}" if block.page.startswith("reference/") else ""
    engines["django"].from_string(load + block.body)
    yield from ()


def run_po(block: Block, site: Site) -> Iterator[str]:
    rest = re.sub(r'^(?:#.*|msgctxt ".*"|msgid ".*"\nmsgstr ".*")?$', "", block.body, flags=re.MULTILINE)
    if rest.strip():
        yield f"not a catalogue: {rest.strip()}"


def run_css(block: Block, site: Site) -> Iterator[str]:
    """Every custom property must be one of the stylesheet."""
    stylesheet = (ROOT / "django_telroi" / "static" / "telroi" / "telroi.css").read_text()
    if block.body.count("{") != block.body.count("}"):
        yield "unbalanced braces"
    for name in set(re.findall(r"--telroi-[\w-]+", block.body)) - set(re.findall(r"--telroi-[\w-]+", stylesheet)):
        yield f"the stylesheet has no {name}"


def run_sql(block: Block, site: Site) -> Iterator[str]:
    """Every table of ours must exist."""
    from django.apps import apps

    tables = {model._meta.db_table for model in apps.get_app_config("django_telroi").get_models()}
    for name in set(re.findall(r"\bdjango_telroi_\w+", block.body)) - tables:
        yield f"there is no table {name}"


def run_literalinclude(block: Block, site: Site) -> Iterator[str]:
    name = (DOCS / block.page).read_text().splitlines()[block.line - 1].split("::")[1].strip()
    folder = DOCS if name.startswith("/") else (DOCS / block.page).parent
    if not (folder / name.lstrip("/")).is_file():
        yield "the file does not exist"


def run_console(block: Block, site: Site) -> Iterator[str]:
    """Parse each command with the parser of its program. Lines without a prompt are output."""
    for line in re.findall(r"^\$ ((?:.*\\\n)*.*)$", block.body, re.MULTILINE):
        words = shlex.split(line.replace("\\\n", " "), comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            del words[0]
        runner = PROGRAMS.get(Path(words[0]).name)
        if runner is None:
            yield f"no test knows the program {words[0]}"
        else:
            yield from runner(words[1:])


def run_elsewhere(block: Block, site: Site) -> Iterator[str]:
    """``test_docs_blocks`` names the test that runs it."""
    yield from ()


RUNNERS: dict[str, Callable[[Block, Site], Iterator[str]]] = {
    "console": run_console,
    "css": run_css,
    "django": run_template,
    "html+django": run_template,
    "json": run_json,
    "literalinclude": run_literalinclude,
    "po": run_po,
    "python": run_python,
    "sql": run_sql,
    **dict.fromkeys(["ini", "javascript", "nginx", "text"], run_elsewhere),
}
"""By kind. A page with any other kind has a problem."""


def problems_of(page: str) -> list[str]:
    """Run all blocks of the page in their order."""
    site = Site(page)
    found = []
    for block in blocks_of_page(page):
        try:
            if block.kind not in RUNNERS:
                found.append(f"{block}: no test knows this kind")
            else:
                found += [f"{block}: {problem}" for problem in RUNNERS[block.kind](block, site)]
        except (Exception, SystemExit):  # noqa: BLE001 -- a block may raise anything, and the next one still runs
            found.append(f"{block}: {traceback.format_exc(limit=-3)}")
    return found


def run_pages(pages: list[str], settings: str) -> dict[str, list[str]]:
    """Run the blocks of the pages in another process, and return the problems of each page."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    for name in ("PYTHONSAFEPATH", "PYTHONWARNINGS"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "tests.docs_blocks", *pages]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    import django
    from django.conf import settings

    django.setup()
    settings.TELROI = getattr(settings, "TELROI", {})
    print(json.dumps({page: problems_of(page) for page in sys.argv[1:]}))  # noqa: T201
