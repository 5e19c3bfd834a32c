"""Every code block of the documentation runs in a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs_blocks import RUNNERS, all_pages, blocks_of_page, problems_of, run_elsewhere, run_pages

ROOT = Path(__file__).parents[2]
SETTINGS = "tests.settings"

ELSEWHERE = {
    "howto/tasks.rst": "tests/task_queue/test_blocks.py",
    "integrations/dj_rest_auth.rst": "tests/bridges/recipes/test_blocks.py",
    "integrations/ninja.rst": "tests/bridges/recipes/test_blocks.py",
    "integrations/wagtail.rst": "tests/bridges/wagtail/test_site.py",
    "migrating/two_factor_phone.rst": "tests/bridges/two_factor/test_blocks.py",
    "integrations/otp.rst": "tests/bridges/otp/test_blocks.py",
    "integrations/phonenumber_field.rst": "tests/bridges/phonenumber_field/test_blocks.py",
    "integrations/tenants.rst": "tests/bridges/tenants/test_blocks.py",
}
"""Pages whose blocks import a package that the other tests do not install."""

OTHERWISE = {
    ("howto/deployment.rst", "ini"): "tests/project/test_deployment.py",
    ("howto/deployment.rst", "nginx"): "tests/project/test_deployment.py",
    ("howto/proxies.rst", "nginx"): "tests/project/test_proxies.py",
    ("howto/form.rst", "text"): "tests/bridges/recipes/urls.py",
    ("howto/recipes.rst", "javascript"): "tests/browser/test_browser_recipes.py",
    ("howto/rest.rst", "javascript"): "tests/browser/test_browser_api.py",
    ("howto/tasks.rst", "ini"): "tests/task_queue/test_blocks.py",
}
"""Blocks that only another test can run."""


@pytest.fixture(scope="module")
def problems() -> dict[str, list[str]]:
    """The problems of all pages that run with the settings of the tests."""
    return run_pages([page for page in all_pages() if page not in ELSEWHERE], SETTINGS)


@pytest.mark.parametrize("page", [page for page in all_pages() if page not in ELSEWHERE])
def test_every_block_of_the_page_runs(page: str, problems: dict[str, list[str]]) -> None:
    assert problems[page] == []


@pytest.mark.parametrize(("page", "test"), ELSEWHERE.items())
def test_every_other_page_runs_with_its_package(page: str, test: str) -> None:
    source = (ROOT / test).read_text()

    assert f'"{page}"' in source
    assert "run_pages(" in source


def test_every_block_that_no_runner_executes_is_run_by_a_test() -> None:
    left = {
        (block.page, block.kind)
        for page in all_pages()
        for block in blocks_of_page(page)
        if RUNNERS.get(block.kind) is run_elsewhere
    }

    assert left == set(OTHERWISE)


@pytest.mark.parametrize(("block", "test"), OTHERWISE.items())
def test_the_test_of_such_a_block_reads_it(block: tuple[str, str], test: str) -> None:
    page, _ = block

    assert Path(page).name in (ROOT / test).read_text()


def test_no_example_replaces_the_settings_of_an_earlier_one() -> None:
    """A reader follows several pages. ``TELROI = {…}`` of the second one would remove the keys of the first one.

    So would ``REST_FRAMEWORK = {…}``, which may remove the permissions of the whole site.
    """
    first = {"../README.md", "tutorial/first.rst", "reference/settings.rst"}  # these pages introduce it

    replacing = [
        str(block)
        for page in all_pages()
        for block in blocks_of_page(page)
        for name in re.findall(r"^(TELROI|REST_FRAMEWORK) = ", block.body, re.MULTILINE)
        if name == "REST_FRAMEWORK" or page not in first
    ]

    assert replacing == []


BROKEN = {
    "python": "from django_telroi import no_such_name",
    "json": '{"code": }',
    "django": "{% load telroi %}{% no_such_tag %}",
    "console": "$ python manage.py telroi_purge --no-such-option",
    "po": 'msgid "one"',
    "css": ":root { --telroi-no-such-name: 1px; }",
    "sql": "ALTER TABLE django_telroi_nothing ADD x int;",
    "literalinclude": "",
    "ruby": "puts 1",
}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        *BROKEN.items(),
        ("python", 'TELROI |= {"CALLS_PER_HUOR": 3}'),
        ("python", 'TELROI |= {"CALLS_PER_HOUR": "three"}'),
        ("console", "$ no-such-program"),
        ("console", "$ make no-such-target"),
        ("console", "$ python manage.py no_such_command"),
        ("console", "$ python -c 'print('"),
        ("console", '$ pip install "django-telroi[no-such-extra]"'),
        ("console", "$ celery -A example worker --no-such-option"),
    ],
)
def test_a_broken_block_is_a_problem(kind: str, body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    indented = "\n".join(f"   {line}" for line in body.splitlines())
    name = "literalinclude:: missing.yml" if kind == "literalinclude" else f"code-block:: {kind}"
    (tmp_path / "page.rst").write_text(f"Title\n=====\n\n.. {name}\n\n{indented}\n")
    monkeypatch.setattr("tests.docs_blocks.DOCS", tmp_path)

    assert len(problems_of("page.rst")) == 1


def test_no_block_of_a_markdown_page_escapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.md").write_text("# Title\n\n```console\n$ make test\n```\n\n```python\nx = 1\n\ny = 2\n```\n")
    monkeypatch.setattr("tests.docs_blocks.DOCS", tmp_path)

    blocks = [(block.kind, block.body) for block in blocks_of_page("page.md")]

    assert blocks == [("console", "$ make test\n"), ("python", "x = 1\n\ny = 2\n")]


@pytest.mark.parametrize(
    ("text", "kind", "body"),
    [
        (".. code-block:: python\n   :caption: a.py\n\n   x = 1\n\n   y = 2\n\nEnd", "python", "x = 1\n\ny = 2\n"),
        ("#. Do this:\n\n   .. code-block:: json\n\n      {}\n\n#. Next", "json", "{}\n"),
        ("Do this::\n\n   x = 1\n", "literal", "x = 1\n"),
        ("* Do this::\n\n     x = 1\n", "literal", "x = 1\n"),
        (".. parsed-literal::\n\n   x = 1\n", "parsed-literal", "x = 1\n"),
    ],
)
def test_no_spelling_of_a_block_escapes(
    text: str, kind: str, body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page.rst").write_text(f"Title\n=====\n\n{text}\n")
    monkeypatch.setattr("tests.docs_blocks.DOCS", tmp_path)

    (block,) = blocks_of_page("page.rst")

    assert (block.kind, block.body) == (kind, body)
