"""Text in the encoding of a terminal or log file."""

from __future__ import annotations

REPLACEMENTS = str.maketrans(
    {"•": "*", "–": "-", "—": "-", "…": "...", "“": '"', "”": '"', "‘": "'", "’": "'", "→": "->", "·": "-"}
)
"""ASCII replacements for the other characters that we write, so that a masked number stays readable."""


def printable(text: str, encoding: str | None) -> str:
    """Return the text for a stream with this encoding. None (the encoding of a ``StringIO``) accepts all characters.

    If the encoding cannot write the text, the replacements above are applied, and every other such character becomes
    ``?``. An encoding that Python does not know is treated as ASCII.
    """
    if encoding is None:
        return text
    # Replaced only if it must be: a UTF-8 terminal shows the text as it is.
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(REPLACEMENTS).encode(encoding, "replace").decode(encoding)
    except LookupError:
        return printable(text, "ascii")
    return text
