"""The settings about Telroi: its keys and URL, the requests to it, and its webhooks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from django_telroi.conf import values
from django_telroi.redaction import Secret


@dataclass(frozen=True)
class Timeouts:
    """The limits of one request to Telroi, in seconds: to connect, for each read, and in total."""

    connect: float
    read: float
    total: float


def api_key() -> str:
    """Return the API key, or ``""``. The setting takes precedence over the environment variable ``TELROI_API_KEY``."""
    return Secret(values.text("API_KEY") or os.environ.get("TELROI_API_KEY", ""))


def base_url() -> str:
    """Return the URL of Telroi, or ``""`` if it is None."""
    url = values.text("BASE_URL") or ""
    try:
        urlsplit(url)  # raises for a malformed IPv6 address, for example; the system checks report the rest
    except ValueError:
        raise values.invalid_setting("BASE_URL", "a URL like https://app.telroi.ai") from None
    return url


def proxy_url() -> str | None:
    """Return the URL of the forward proxy for requests to Telroi, or None."""
    return values.text("PROXY_URL")


def allow_test_key() -> bool:
    """Return True if test keys are accepted. The default is ``DEBUG``.

    With a test key the code 000000 verifies any number, so test keys are for development only.
    """
    return bool(settings.DEBUG) if values.read("ALLOW_TEST_KEY") is None else values.boolean("ALLOW_TEST_KEY")


def timeouts() -> Timeouts:
    """Return the timeouts of a request to Telroi, in seconds."""
    return Timeouts(
        connect=values.seconds("CONNECT_TIMEOUT_SECONDS"),
        read=values.seconds("READ_TIMEOUT_SECONDS"),
        total=values.seconds("TOTAL_TIMEOUT_SECONDS"),
    )


def key_requests_per_minute() -> int:
    """Return the limit of requests with one key, calls and checks together: 2 or more, to spread over a minute."""
    return values.integer("KEY_REQUESTS_PER_MINUTE", least=2)


def webhook_secrets() -> list[str]:
    """Return the secrets that a webhook may be signed with. Several are valid during a rotation.

    Empty entries are removed, because an empty secret would accept forged webhooks.
    """
    return [Secret(secret.strip()) for secret in values.texts("WEBHOOK_SECRETS") if secret.strip()]
