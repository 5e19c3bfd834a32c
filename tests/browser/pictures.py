"""The pictures of the documentation and of the README, and from which files each of them is made.

``docs/_static/pictures.json`` has a digest of these files for each picture, written by ``take_pictures.py``. If a file
changes, the digest differs and the picture is stale. A comparison of pixels would not do: fonts, the browser's version,
the clock and the random code change pixels, and none of them makes a picture wrong. What can make it wrong is in the
templates, styles, scripts and demo data, so their digest is compared. It needs no browser, so every run of the tests
compares it. The picture's own digest shows that it was not replaced by hand.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "_static"
DIGESTS = FOLDER / "pictures.json"
THEMES = ("light", "dark")

SHOP = (
    "example_project/example/static/example/*",
    "example_project/example/templates/example/*.html",
    "django_telroi/static/telroi/telroi.*",
    "django_telroi/templates/telroi/*.html",
)
ADMIN = (
    "example_project/example/attacks.py",
    "example_project/example/history.py",
    "example_project/example/number_limits.py",
    "django_telroi/static/telroi/admin.css",
    "django_telroi/static/telroi/overview.css",
    "django_telroi/templates/admin/django_telroi/**/*.html",
)
API = ("example_project/members/static/members/*", "example_project/members/templates/members/reference.html")
SOURCES = {"page": SHOP, "overview": ADMIN, "attempt": ADMIN, "api": API}
"""The files that decide how the pages of each picture look."""

NOT_SHOWN = re.compile(r"{#.*?#}|{% comment %}.*?{% endcomment %}|{% load .*?%}|\s+", re.DOTALL)
"""What is not on a page: comments, imports and indentation of templates."""


def file_of(picture: str, theme: str) -> Path:
    return FOLDER / (f"{picture}.png" if theme == "light" else f"{picture}-dark.png")


def digest_of_sources(picture: str) -> str:
    """Return a digest of the files of a picture. It does not depend on what no page shows."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in SOURCES[picture] for path in ROOT.glob(pattern)}):
        content = path.read_bytes()
        if path.suffix == ".html":
            content = NOT_SHOWN.sub(" ", content.decode()).encode()
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + content + b"\0")
    return digest.hexdigest()


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_digests() -> None:
    """Store the digests of all pictures. ``take_pictures.py`` calls it after it has taken them."""
    told = {
        picture: {
            "sources": digest_of_sources(picture),
            **{theme: digest_of(file_of(picture, theme)) for theme in THEMES},
        }
        for picture in SOURCES
    }
    DIGESTS.write_text(json.dumps(told, indent=2) + "\n")


def stale_pictures() -> Iterator[str]:
    """Yield the pictures that do not show the pages of this tree."""
    told = json.loads(DIGESTS.read_text())
    for picture in SOURCES:
        if told.get(picture, {}).get("sources") != digest_of_sources(picture):
            yield picture
