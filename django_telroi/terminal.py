"""What a terminal or a log file can show of a text, whatever its encoding."""

from __future__ import annotations

REPLACEMENTS = str.maketrans(
    {"•": "*", "–": "-", "—": "-", "…": "...", "“": '"', "”": '"', "‘": "'", "’": "'", "→": "->", "·": "-"}
)
"""What we write beside ASCII, in ASCII: a masked number stays readable."""


def printable(text: str, encoding: str | None) -> str:
    """The text for a stream of this encoding; None, as a ``StringIO`` has it, takes everything.

    A text that does not fit is written with the replacements above, and with ``?`` for any other character. An encoding
    that Python does not know is taken for ASCII.
    """
    if encoding is None:
        return text
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(REPLACEMENTS).encode(encoding, "replace").decode(encoding)
    except LookupError:
        return printable(text, "ascii")
    return text
