"""A text of consent: what a person agreed to before a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256


@dataclass(frozen=True)
class Consent:
    """The text that a form showed in the active language, and the site's name for its version."""

    version: str
    text: str = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of version and text, in hexadecimal digits."""
        return sha256("\0".join((self.version, self.text)).encode("utf-8", "surrogatepass")).hexdigest()
