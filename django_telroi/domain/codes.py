"""What a person types as the code they heard."""

from __future__ import annotations

import re

from django_telroi.quiet import Quiet

_LONGEST_INPUT = 64
_CODE = re.compile(r"[0-9]{4,10}")


def clean_code(text: str) -> str | None:
    """The digits alone, or None where this cannot be a code.

    Spaces and dashes are how people group digits. All else is refused here, before it costs one of the few tries:
    Telroi counts a stray letter as a wrong guess.
    """
    if len(text) > _LONGEST_INPUT:
        return None
    digits = Quiet(text.replace(" ", "").replace("-", ""))
    return digits if _CODE.fullmatch(digits) else None
