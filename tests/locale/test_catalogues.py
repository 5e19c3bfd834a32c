"""The catalogues are complete, up to date and compiled, and a draft is compiled only once a reader has signed it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from babel.messages import Catalog

import django_telroi
from tests.locale import catalogues
from tests.locale.catalogues import (
    COMPLETE,
    DRAFTS,
    KEYWORDS,
    LOCALE,
    PACKAGE,
    POT,
    as_mo,
    by_key,
    entries,
    is_signed,
    messages_of_the_source,
    po_file,
    read,
    wanted,
)
from tests.locale.problems import problems_of

LANGUAGES = (*COMPLETE, *DRAFTS)
TEXTS = {"_": 1, "gettext": 1, "ngettext": 2, "pgettext": 2, "npgettext": 3}
"""How many of the first arguments are texts."""

INSTALLED = Path(django_telroi.__file__).parent / "locale"


def test_the_template_has_exactly_the_messages_of_the_source() -> None:
    source, template = by_key(messages_of_the_source()).keys(), by_key(read(POT)).keys()

    assert (source - template, template - source) == (set(), set()), "run: make messages"
    assert len(source) > 700


def calls_of_gettext(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KEYWORDS:
            yield node


def test_each_message_is_a_literal_outside_an_f_string() -> None:
    """The template gets its messages from the text of the source. It does not find others."""
    others = []
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = {
            id(call) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for call in calls_of_gettext(node)
        }
        for call in calls_of_gettext(tree):
            texts = call.args[: TEXTS[call.func.id.removesuffix("_lazy")]]  # type: ignore[attr-defined]
            if id(call) in inside or not all(isinstance(text, ast.Constant) for text in texts):
                others.append(f"{path.relative_to(PACKAGE)}:{call.lineno}")

    assert others == []


def test_each_folder_is_a_known_language() -> None:
    assert {path.name for path in LOCALE.iterdir() if path.is_dir()} == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_complete_and_right(language: str) -> None:
    assert problems_of(read(po_file(language)), wanted(language, read(POT))) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_signed_catalogue_is_compiled_and_no_other(language: str) -> None:
    compiled = INSTALLED / language / "LC_MESSAGES" / "django.mo"

    assert compiled.exists() == is_signed(language)
    if compiled.exists():
        assert entries(compiled.read_bytes()) == entries(as_mo(read(po_file(language)))), "run: make messages"


WRONG_TYPOGRAPHY = {
    "ar": r'"|\?|;',
    "de": r'"|”|«|»',
    "es": r'"|“|”|^[^¿]*\?',
    "fr": r"\"|'|“|”|(?<!\u202f)[?!;]|(?<!\xa0):(?!\d)|«(?!\xa0)|(?<!\xa0)»",
    "pt_BR": r'"|«|»',
}
"""What the typography of a language does not have, such as straight quotes, or in French a mark without its space."""


@pytest.mark.parametrize(("language", "wrong"), WRONG_TYPOGRAPHY.items())
def test_a_catalogue_has_the_typography_of_its_language(language: str, wrong: str) -> None:
    texts = [
        text
        for message in read(po_file(language))
        if message.id
        for text in ([message.string] if isinstance(message.string, str) else message.string)
    ]

    assert [text for text in texts if re.search(wrong, text)] == []


def test_a_catalogue_of_a_complete_language_needs_no_signature() -> None:
    assert [language for language in COMPLETE if not is_signed(language)] == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(catalogues, "LOCALE", tmp_path)
    (tmp_path / "xx" / "LC_MESSAGES").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(("name", "signed"), [("", False), ("  ", False), (" Ada Obi, 3 May 2027", True)])
def test_a_draft_is_signed_by_a_name_in_its_header(folder: Path, name: str, signed: bool) -> None:
    text = f'# Igbo\n# DRAFT. Signed by a reader of the language:{name}\n#\nmsgid ""\nmsgstr ""\n'
    po_file("xx").write_text(text, encoding="utf-8")

    assert is_signed("xx") is signed


def one(id_: str | tuple[str, str], text: str | tuple[str, ...]) -> Catalog:
    """Return a German catalogue with one message."""
    catalogue = Catalog(locale="de", fuzzy=False)
    catalogue.add(id_, text)
    return catalogue


ONE = "%(count)d hour"
MANY = "%(count)d hours"


@pytest.mark.parametrize(
    ("messages", "broken", "problem"),
    [
        (one("Verify", ""), one("Verify", ""), "not translated"),
        (one("Verify", ""), Catalog(locale="de", fuzzy=False), "missing"),
        (one("Verify", ""), one("Confirm", "Prüfen"), "stale"),
        (one("At %(time)s", ""), one("At %(time)s", "Um %(zeit)s"), "placeholders differ"),
        (one("At {time}", ""), one("At {time}", "Um"), "placeholders differ"),
        (one("From <bdi>", ""), one("From <bdi>", "Von <b>"), "placeholders differ"),
        (one((ONE, MANY), ""), one((ONE, MANY), ("%(count)d Stunde", "Stunden")), "placeholders differ"),
        (one((ONE, MANY), ""), one((ONE, MANY), ("%(count)d Stunde", "")), "not translated"),
        (one((ONE, MANY), ""), one((ONE, MANY), ("1", "%(count)d", "%(count)d")), "wrong number"),
        (one("Verify", ""), one("Verify", "Prüfen "), "space at an end"),
    ],
)
def test_a_broken_catalogue_is_found(messages: Catalog, broken: Catalog, problem: str) -> None:
    assert [line for line in problems_of(broken, messages) if line.startswith(problem)] != []


@pytest.mark.parametrize("make", [lambda: one("Verify", "Prüfen"), lambda: one((ONE, MANY), ("eine Stunde", MANY))])
def test_a_right_catalogue_has_no_problems(make: Callable[[], Catalog]) -> None:
    assert problems_of(make(), make()) == []


def test_a_fuzzy_message_is_found() -> None:
    fuzzy = one("Verify", "Prüfen")
    fuzzy["Verify"].flags.add("fuzzy")

    assert problems_of(fuzzy, one("Verify", "")) == ["fuzzy: Verify"]
