"""``manage.py telroi_webhook --sample otp.failed --to URL``: send a signed sample to a webhook endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.urls import NoReverseMatch, reverse

from django_telroi import conf
from django_telroi.client.webhooks import SAMPLES, Delivery, post_sample, sample_body
from django_telroi.management.output import PrintableCommand
from django_telroi.packages import REQUESTS

ARRIVED = "the webhook arrived, its signature is valid, and it was recorded."
MEANINGS: Mapping[int, str] = {
    400: "the body arrived incomplete. Check the proxies in front of the site.",
    401: "the signature is invalid. Compare the site's WEBHOOK_SECRETS with the setting here.",
    403: "the request was rejected in front of the endpoint. Check the path, and a proxy, firewall or middleware.",
    404: "the URL was not found. Check the path, and include django_telroi.webhooks.urls in the site's URLconf.",
    405: "the URL does not accept POST. Check the path.",
    413: "the body was rejected as too large in front of the endpoint, although it has a few hundred bytes.",
    503: "the site has no secret (set WEBHOOK_SECRETS), or its database does not answer. Its log has the cause.",
}
OF_ANOTHER_PAGE = frozenset({403, 404, 405})
"""Statuses that another page of the site answers to a POST without a CSRF token, or a path without a page."""
ERRORS: Mapping[str, str] = {
    "tls": "the certificate is invalid, or the server does not use TLS. Telroi would not deliver.",
    "proxy": "the proxy of PROXY_URL cannot be reached, or it rejected the request. Check PROXY_URL.",
    "timeout": "no response within 8 seconds. Telroi waits no longer either.",
    "name": "the host is unknown (no such name). Check the host in the URL, and the DNS of this machine.",
    "connection": "the connection was refused or closed early.",
    "url": "the URL is invalid. Give the whole URL with https://, as in Telroi's dashboard.",
}


class Command(PrintableCommand):
    needs_tables = False
    help = (
        "Send a signed sample of a webhook of Telroi, about a call that does not exist, to test a deployment. "
        "The exit code is 0 if it was recorded, otherwise 1."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sample", choices=sorted(SAMPLES), default="otp.completed", help="default: %(default)s")
        parser.add_argument("--to", required=True, metavar="URL", help="the webhook URL, as in Telroi's dashboard")

        parser.add_argument("--key", metavar="NAME", help="sign with the secret of this key, if API_KEYS has several")

    def handle(self, *args: Any, sample: str, to: str, key: str | None, **options: Any) -> None:
        if not REQUESTS.is_installed:
            raise CommandError(f"{REQUESTS.missing_for('telroi_webhook')} Install it: {REQUESTS.install_command}")
        delivery = post_sample(to, sample_body(sample), secret=_secret(key), proxy_url=conf.proxy_url())
        if not delivery.arrived:
            raise CommandError(_meaning(delivery, to))
        self.stdout.write(f"{delivery.status}: {ARRIVED}")


def _secret(key_name: str | None) -> str:
    """Return the first secret, because the site accepts each of them. Raises CommandError if there is none."""
    try:
        secrets = conf.webhook_secrets() if key_name is None else conf.webhook_secrets_by_key().get(key_name, [])
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None
    if not secrets and key_name is not None:
        raise CommandError(f'TELROI["WEBHOOK_SECRETS"] has no secret for the key "{key_name}".')
    if not secrets:
        raise CommandError('TELROI["WEBHOOK_SECRETS"] is empty. The sample is signed with its first secret.')
    return secrets[0]


def _meaning(delivery: Delivery, to: str) -> str:
    if delivery.status is None:
        return ERRORS[delivery.error]
    if delivery.location and 300 <= delivery.status < 400:
        where = delivery.location[:200]
        return f"{delivery.status}: a redirect to {where!r}. Telroi would follow it with a GET and lose the event."
    path = _webhook_path()
    # A proxy may add a path in front, so only the end is compared.
    if delivery.status in OF_ANOTHER_PAGE and path and not urlsplit(to).path.rstrip("/").endswith(path):
        return f"{delivery.status}: this is not the URL of the webhook. Its path on this site is {path}"
    return f"{delivery.status}: {MEANINGS.get(delivery.status, 'an unexpected status. Check the path.')}"


def _webhook_path() -> str:
    """Return the path of the webhook on this site, ``""`` if its URLs are not included."""
    try:
        return reverse("telroi-webhooks:webhook")
    except NoReverseMatch:
        return ""
