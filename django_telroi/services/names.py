"""Text that somebody else chose, made fit for a page and for a spreadsheet."""

from __future__ import annotations

import re
import unicodedata

from django.contrib.auth.base_user import AbstractBaseUser

from django_telroi.domain.phone import mask

JOINERS = "\u200c\u200d"
"""Signs of no width that Persian, Hindi and emoji are spelled with."""

LONGEST_NAME = 80
FEWEST_DIGITS = 7
"""Of a number that is worth hiding."""

_NUMBER = re.compile(r"\+[0-9](?:[ ().-]{0,2}[0-9]){6,}")


def plain(text: object) -> str:
    """One line without control characters, and without signs that turn the direction of what follows."""
    signs = ("" if _is_invisible(sign) else sign for sign in re.sub(r"\s", " ", str(text)))
    return "".join(signs).strip()


def _is_invisible(sign: str) -> bool:
    return unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} and sign not in JOINERS


def user_name(user: AbstractBaseUser | None, *, number: str = "") -> str:
    """How a user is called, whatever model the site has; a name that is a phone number is masked.

    ``number`` is one to look for in any spelling: some sites call a user by the very number.
    """
    if user is None:
        return ""
    name = plain(user.get_username() or user)
    digits = re.sub("[^0-9]", "", name)
    if len(number) > FEWEST_DIGITS and number[-FEWEST_DIGITS:] in digits:
        return mask(number)
    shortened = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    return masked_within(shortened)


def masked_within(text: str) -> str:
    """The text with every phone number in it masked."""
    return _NUMBER.sub(lambda found: mask("+" + re.sub("[^0-9]", "", found[0])), text)
