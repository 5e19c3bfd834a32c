"""A build fails if it contains a compiled draft that no reader of the language has signed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hatch_build import SIGNATURE, NoUnsignedTranslations
from tests.locale import catalogues
from tests.locale.catalogues import REPOSITORY

COMPILED = "django_telroi/locale/yo/LC_MESSAGES/django.mo"


def build(root: Path) -> None:
    hook: Any = NoUnsignedTranslations
    hook(str(root), {}, None, None, str(root), "wheel").initialize("standard", {})


def translation(root: Path, header: str, *, is_compiled: bool = True) -> None:
    compiled = root / COMPILED
    compiled.parent.mkdir(parents=True)
    compiled.with_suffix(".po").write_text(f"# Yoruba\n{header}\n#\n", encoding="utf-8")
    if is_compiled:
        compiled.touch()


def test_a_compiled_draft_stops_the_build(tmp_path: Path) -> None:
    translation(tmp_path, SIGNATURE)

    with pytest.raises(ValueError, match=COMPILED):
        build(tmp_path)


@pytest.mark.parametrize("header", [f"{SIGNATURE} Ada Obi, 3 May 2027", "# not a draft"])
def test_a_signed_translation_is_built(tmp_path: Path, header: str) -> None:
    translation(tmp_path, header)

    build(tmp_path)


def test_a_draft_that_is_not_compiled_is_built(tmp_path: Path) -> None:
    translation(tmp_path, SIGNATURE, is_compiled=False)

    build(tmp_path)


def test_this_repository_is_built() -> None:
    build(REPOSITORY)


def test_the_build_and_the_compilation_read_the_same_line() -> None:
    assert catalogues.SIGNATURE.search(f"{SIGNATURE} Ada")
