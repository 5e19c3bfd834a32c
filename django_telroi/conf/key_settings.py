"""The settings of API keys: one key, or several keys with names, and the webhook secrets of each name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.conf import settings

from django_telroi.conf import values
from django_telroi.redaction import Secret

DEFAULT_KEY = "default"
"""The name of the key of a site with one key. A site with several keys may use it too."""

KEY_NAME = re.compile(r"(?!tlr_(?:live|test)_|whsec_)[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
"""A name is in a column of each attempt, in log fields and in labels of metrics, so a key or a secret is rejected.
``""`` and ``*`` are rows of CallControl that belong to no key."""

KEY_FORMAT = re.compile(r"tlr_(live|test)_[A-Za-z0-9]+")
"""The format of Telroi's keys. The length is not part of it, because it varies."""

KEYS_OF_A_NAME = (1, 2)
"""How many keys a name may have: the one in use, and the one before it during a rotation."""

WANTED_KEYS = (
    'a dict with a name for each key (1 to 64 letters, digits, ".", "_" or "-", beginning with a letter, a digit or '
    '"_", and not a key itself), and a key or [new key, old key] for each name, or a function without arguments that '
    "returns this dict, or its dotted path"
)
WANTED_SECRETS = (
    "a list of strings, or with API_KEYS a dict with a list of strings for each name, or a function without arguments "
    "that returns one of them, or its dotted path"
)


def has_named_keys() -> bool:
    """Return whether ``API_KEYS`` is set, so keys have names and ``API_KEY`` is no key. Its type does not matter."""
    return bool(values.read("API_KEYS"))


def has_key() -> bool:
    """Return whether the site has any key. A function in ``API_KEYS`` is not asked."""
    return has_named_keys() or bool(api_key())


def api_key() -> str:
    """Return the key of a site with one key, or ``""``. The setting takes precedence over ``TELROI_API_KEY``."""
    if has_named_keys():
        return Secret("")
    return Secret(values.text("API_KEY") or os.environ.get("TELROI_API_KEY", ""))


def key_function() -> str | Callable[..., Any] | None:
    """Return the function in ``API_KEY`` that names the key of an attempt, or its dotted path.

    None if the name is ``default``: the site has one key, or ``API_KEYS`` without a function.
    """
    return values.function("API_KEY") if has_named_keys() else None


def keys_named(name: str) -> tuple[str, ...]:
    """Return the keys of a name, the one in use first, then the one before it. Empty if there is no such name.

    ``API_KEYS`` is read at each call, so a new key needs no restart if the setting is a function. Raises what that
    function raises.
    """
    if not has_named_keys():
        key = api_key()
        return (key,) if key and name == DEFAULT_KEY else ()
    return _as_keys(_load_keys().get(name))


def is_key_removed(name: str) -> bool:
    """Return whether the settings have no key of this name any more, while calls with it may be open.

    False if a site with one key has none. Raises what a function in ``API_KEYS`` raises.
    """
    return not keys_named(name) and (has_named_keys() or name != DEFAULT_KEY)


def key_names() -> list[str]:
    """Return the names of all keys, in the order of ``API_KEYS``. ``["default"]`` for a site with one key.

    A function in ``API_KEYS`` is called. Raises what it raises. Names that are invalid are left out.
    """
    return [_as_name(name) for name in _load_keys() if is_key_name(name)] if has_named_keys() else [DEFAULT_KEY]


def has_invalid_names() -> bool:
    """Return whether ``API_KEYS`` has names that no call can have. Calls a function in it. Raises what it raises."""
    return has_named_keys() and not all(is_key_name(name) for name in _load_keys())


def is_key_name(name: object) -> bool:
    """Return whether a key may have this name."""
    return isinstance(name, str) and KEY_NAME.fullmatch(name) is not None


def key_label(name: str) -> str:
    """Return the name of a key as it is shown in logs and lists. ``""`` for a site with one key."""
    return name if has_named_keys() else ""


def are_keys_read_by_function() -> bool:
    """Return whether ``API_KEYS`` is a function. It may use the database, so system checks do not call it."""
    return has_named_keys() and not isinstance(_raw_keys(), Mapping)


def named_keys() -> Mapping[str, tuple[str, ...]]:
    """Return the keys of each name. Empty for a site with one key, and if ``API_KEYS`` is a function.

    Raises ImproperlyConfigured if a name or a key has a wrong type.
    """
    if are_keys_read_by_function():
        return {}
    if has_invalid_names():
        raise values.invalid_setting("API_KEYS", WANTED_KEYS)
    return {name: keys_named(name) for name in key_names()} if has_named_keys() else {}


def allow_test_key(name: str = DEFAULT_KEY) -> bool:
    """Return whether the key of this name may be a test key. The default is ``DEBUG``.

    With a test key the code 000000 verifies any number, so test keys are for development only.
    """
    allowed = values.read("ALLOW_TEST_KEY")
    if allowed is None:
        return bool(settings.DEBUG)
    return allowed if isinstance(allowed, bool) else name in names_with_test_key()


def names_with_test_key() -> list[str]:
    """Return the names in ``ALLOW_TEST_KEY``. Empty if the setting is for all keys."""
    allowed = values.read("ALLOW_TEST_KEY")
    if allowed is None or isinstance(allowed, bool):
        return []
    if not isinstance(allowed, list | tuple) or not all(isinstance(name, str) for name in allowed):
        raise values.invalid_setting("ALLOW_TEST_KEY", "True, False, None or a list of names of API_KEYS")
    return list(allowed)


def webhook_secrets() -> list[str]:
    """Return the secrets of all names that a webhook may be signed with. Several are valid during a rotation."""
    return [secret for of_name in webhook_secrets_by_key().values() for secret in of_name]


def are_secrets_read_by_function() -> bool:
    """Return whether ``WEBHOOK_SECRETS`` is a function. It may use the database, so system checks do not call it."""
    chosen = values.read("WEBHOOK_SECRETS")
    return callable(chosen) or (isinstance(chosen, str) and has_named_keys())


def webhook_secrets_by_key() -> dict[str, list[str]]:
    """Return the secrets of each key's name. A list is for the name ``default``.

    Empty secrets and names without a secret are removed, because an empty secret would accept forged webhooks. A
    function in the setting is called. Raises what it raises, and ImproperlyConfigured for a name that is no string.
    """
    # In no variable of this function: an error page would show a value of the wrong type.
    return {name: secrets for name, secrets in map(_as_named_secrets, _named(_load_secrets())) if secrets}


def names_with_secrets() -> list[object] | None:
    """Return the names in ``WEBHOOK_SECRETS``, of any type, or None if it is a list. A function in it is called."""
    secrets = _load_secrets()
    return list(secrets) if isinstance(secrets, Mapping) else None


def _raw_keys() -> Any:
    raw = values.read("API_KEYS")
    if raw is None or isinstance(raw, Mapping | str) or callable(raw):
        return raw or {}
    del raw
    raise values.invalid_setting("API_KEYS", WANTED_KEYS)


def _load_keys() -> Mapping[str, Any]:
    raw = _raw_keys()
    loaded = raw if isinstance(raw, Mapping) else values.load_function(raw)()
    if not isinstance(loaded, Mapping):
        del raw, loaded
        raise values.invalid_setting("API_KEYS", WANTED_KEYS)
    return loaded


def _as_name(name: str) -> str:
    """Return a plain string. ``str`` of a member of an Enum would be the name of the member."""
    return str.__str__(name)


def _as_keys(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    keys: Any = [value] if isinstance(value, str) else value
    if isinstance(keys, list | tuple):
        # An empty or missing environment variable for the old key is the last step of a rotation.
        keys = [key for key in keys if key is not None and (not isinstance(key, str) or key.strip())] or keys
        if len(keys) in KEYS_OF_A_NAME and all(isinstance(key, str) and key.strip() for key in keys):
            return tuple(Secret(key.strip()) for key in keys)
    del value, keys
    raise values.invalid_setting("API_KEYS", WANTED_KEYS)


def _load_secrets() -> Any:
    chosen = values.read("WEBHOOK_SECRETS")
    return values.load_function(chosen)() if are_secrets_read_by_function() else chosen


def _named(secrets: Any) -> Iterable[tuple[object, object]]:
    """Return pairs of a name and its secrets."""
    return (secrets if isinstance(secrets, Mapping) else {DEFAULT_KEY: secrets}).items()


def _as_named_secrets(pair: tuple[object, object]) -> tuple[str, list[str]]:
    name, value = pair
    is_list = isinstance(value, Iterable) and not isinstance(value, str)
    secrets: list[Any] = list(value) if is_list else [None]  # type: ignore[call-overload]
    if isinstance(name, str) and all(isinstance(secret, str) for secret in secrets):
        return _as_name(name), [Secret(secret.strip()) for secret in secrets if secret.strip()]
    del pair, value, secrets
    raise values.invalid_setting("WEBHOOK_SECRETS", WANTED_SECRETS)
