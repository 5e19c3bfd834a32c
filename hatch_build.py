"""A hook of the build: it stops at a compiled translation that no reader of the language has signed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SIGNATURE = "# DRAFT. Signed by a reader of the language:"


def unsigned_translations(root: Path) -> list[str]:
    """Return the compiled drafts whose header has no name after ``SIGNATURE``."""
    return [
        compiled.relative_to(root).as_posix()
        for compiled in sorted(root.glob("django_telroi/locale/*/LC_MESSAGES/*.mo"))
        for line in compiled.with_suffix(".po").read_text(encoding="utf-8").splitlines()
        if line.startswith(SIGNATURE) and not line.removeprefix(SIGNATURE).strip()
    ]


class NoUnsignedTranslations(BuildHookInterface):  # type: ignore[type-arg]
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raise ValueError if there is such a translation."""
        if unsigned := unsigned_translations(Path(self.root)):
            raise ValueError(f"a reader of the language must sign {', '.join(unsigned)}: see docs/howto/languages.rst")
