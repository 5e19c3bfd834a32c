"""Builds the body of a request."""

from __future__ import annotations

from json import dumps

from django_telroi.client.strict_json import JSON
from django_telroi.redaction import Secret, SecretBytes


def as_secret_text(text: str) -> Secret:
    """Return ``text`` with a masked repr.

    Raises TypeError if it is not a str: Telroi would dial and bill a text such as ``str(None)``.
    """
    if not isinstance(text, str):
        raise TypeError("The number and the code must be str.")
    return Secret(text)


def without_none(**fields: JSON) -> dict[str, JSON]:
    """Return the fields that are not None. Telroi treats null differently from a missing field."""
    return {name: value for name, value in fields.items() if value is not None}


def encode(body: object) -> SecretBytes:
    """Return the body as JSON. Raises ValueError or TypeError if JSON cannot express it."""
    return SecretBytes(dumps(body, allow_nan=False, separators=(",", ":")).encode())
