"""The pictures of the documentation show the pages of this tree."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest

from tests.browser import pictures
from tests.browser.pictures import DIGESTS, ROOT, SOURCES, THEMES, digest_of, digest_of_sources, file_of, stale_pictures

MOST_BYTES = 250_000


def test_no_picture_is_stale() -> None:
    stale = list(stale_pictures())

    assert stale == [], f"{', '.join(stale)}: a page has changed since. Run `make pictures` and look at them."


def test_the_pictures_are_those_that_the_script_took() -> None:
    told = json.loads(DIGESTS.read_text())

    assert set(told) == set(SOURCES)
    for picture in SOURCES:
        for theme in THEMES:
            path = file_of(picture, theme)
            assert told[picture][theme] == digest_of(path), f"{path.name} was not taken by make pictures"
            assert path.stat().st_size < MOST_BYTES
            assert (
                struct.unpack(">II", path.read_bytes()[16:24])[0] == 1680
            )  # pixels: sharp on screens with a high density


def test_a_change_of_a_page_makes_its_picture_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.html").write_text("{# why #}\n<p>a</p>\n")
    monkeypatch.setattr(pictures, "ROOT", tmp_path)
    monkeypatch.setattr(pictures, "SOURCES", {"page": ("*.html", "*.css")})
    before = digest_of_sources("page")

    (tmp_path / "page.html").write_text("{# another reason #}\n  <p>a</p>\n")
    assert digest_of_sources("page") == before
    (tmp_path / "page.html").write_text("<p>b</p>\n")
    changed = digest_of_sources("page")
    (tmp_path / "page.css").write_text("p { color: red }\n")
    assert len({before, changed, digest_of_sources("page")}) == 3


def test_every_pattern_has_files_and_every_picture_is_used_in_both_themes() -> None:
    assert [pattern for patterns in SOURCES.values() for pattern in patterns if not list(ROOT.glob(pattern))] == []
    text = " ".join(path.read_text() for path in (ROOT / "docs").rglob("*.rst"))

    shown = set(re.findall(r"image:: /_static/([\w-]+\.png)", text))
    assert shown == {file_of(picture, theme).name for picture in SOURCES for theme in THEMES}
