"""What is wrong with the names, keys and webhook secrets of a site with several keys.

The system checks report it about values that are written in the settings. The doctor reports it about those that a
function returns, because system checks do not call the function.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from django_telroi.conf.key_settings import DEFAULT_KEY

MAX_NAMES_SHOWN = 5
SECRET_PREFIX = re.compile(r"tlr_(?:live|test)_|whsec_")

Values = Mapping[str, Collection[str]]
"""The keys or the webhook secrets of each name."""


@dataclass(frozen=True)
class KeyProblem:
    """One problem. ``id``: of the system check. ``is_error``: calls are rejected, or events could be forged or lost."""

    says: str
    hint: str
    id: str
    is_error: bool = True


def problems_of_keys(keys: Values) -> Iterator[KeyProblem]:
    """Yield names without a key, and names with the same key."""
    if missing := [name for name, of_name in keys.items() if not of_name]:
        yield KeyProblem(
            f"The API key {quoted_names(missing)} is not set, so no call is placed with it.",
            'Set its value in TELROI["API_KEYS"], or remove the name. A missing environment variable is None.',
            "telroi.W002",
            is_error=False,
        )
    if _has_double(keys):
        yield KeyProblem(
            'Two names in TELROI["API_KEYS"] have the same key.',
            "A name stands for one Telroi workspace. Use one name for each workspace.",
            "telroi.E043",
        )


def problems_of_secrets(secrets: Values, keys: Values, *, are_named: bool) -> Iterator[KeyProblem]:
    """Yield secrets that apply to no call, and secrets of two names.

    ``are_named``: False for a list, whose secrets are those of the name ``default``.
    """
    if secrets and not are_named and keys.keys() - {DEFAULT_KEY}:
        yield KeyProblem(
            'TELROI["WEBHOOK_SECRETS"] is a list, which is for the key "default" only. Webhooks about the calls with '
            "other keys change nothing.",
            'Set it to a dict: {"name of the key": ["whsec_…"]}.',
            "telroi.E044",
        )
    if _has_double(secrets):
        yield KeyProblem(
            'Two names in TELROI["WEBHOOK_SECRETS"] have the same secret, so each could forge events of the other.',
            "Create an endpoint with a secret of its own in each workspace.",
            "telroi.E045",
        )


def problems_of_names(setting: str, names: Collection[object], keys: Values) -> Iterator[KeyProblem]:
    """Yield the names in another setting that are no names of keys. They have no effect, and may be misspelt."""
    if unknown := [str(name) for name in names if name not in keys]:
        yield KeyProblem(
            f'TELROI["{setting}"] has the name {quoted_names(unknown)}, but no key has this name.',
            f"Correct it, or remove it. The names of keys are those in API_KEYS, and only {DEFAULT_KEY!r} without "
            "API_KEYS. Webhooks for calls with a removed key are rejected without its secret.",
            "telroi.W047",
            is_error=False,
        )


def quoted_names(names: Collection[str]) -> str:
    """Return the names in quotation marks, at most five. A key or a secret in the place of a name is masked."""
    shown = ", ".join(f'"{_shown(name)}"' for name in sorted(names)[:MAX_NAMES_SHOWN])
    return shown if len(names) <= MAX_NAMES_SHOWN else f"{shown} and {len(names) - MAX_NAMES_SHOWN} others"


def _shown(name: str) -> str:
    prefix = SECRET_PREFIX.match(name)
    return f"{prefix[0]}…" if prefix else name


def _has_double(values: Values) -> bool:
    counts = Counter(value for of_name in values.values() for value in set(of_name))
    return any(count > 1 for count in counts.values())
