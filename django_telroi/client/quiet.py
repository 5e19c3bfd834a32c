"""Secrets that a traceback with local variables, a debugger or a log of reprs does not show.

They are what they hold in every other respect, so that whoever needs the text has it.
"""

from __future__ import annotations

MASK = "'•••'"


class Quiet(str):
    """Text whose repr is masked."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


class QuietBytes(bytes):
    """Bytes whose repr is masked."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK
