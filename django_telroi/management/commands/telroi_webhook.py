"""``manage.py telroi_webhook --sample otp.failed --to URL``: does a webhook arrive where it should?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser

from django_telroi import conf
from django_telroi.client.sample_webhooks import SAMPLES, Delivery, post_sample, sample_body
from django_telroi.management.output import PrintableCommand

ARRIVED = "it arrived, was authentic, and is written down."
MEANINGS: Mapping[int, str] = {
    400: "the body did not arrive whole: look at what stands in front of the site.",
    401: "the site has another secret. Compare its WEBHOOK_SECRETS with the one here.",
    403: "something in front of the endpoint refuses: a proxy, a firewall, or a middleware of the site.",
    404: "nothing is there. Is the path right, and is django_telroi.webhooks.urls in the site's urls.py?",
    405: "something is there that takes no POST. Is the path right?",
    413: "something in front of the endpoint finds a few hundred bytes too long.",
    503: "the site knows no secret yet (set WEBHOOK_SECRETS), or its database does not answer. Its log tells which.",
}
ERRORS: Mapping[str, str] = {
    "tls": "the certificate is not valid, or TLS is not spoken there. Telroi would not deliver.",
    "proxy": "the proxy of PROXY_URL does not let it through.",
    "timeout": "nothing was answered within 8 seconds, which is as long as Telroi waits.",
    "connection": "nobody listens there, or the connection broke off.",
    "url": "this is no address to post to.",
}


class Command(PrintableCommand):
    help = (
        "Post a signed sample of Telroi's webhooks, about a call that does not exist, to try a deployment. "
        "The exit code is 0 if it arrived and 1 if not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sample", choices=sorted(SAMPLES), default="otp.completed", help="default: %(default)s")
        parser.add_argument("--to", required=True, metavar="URL", help="as it stands in Telroi's dashboard")

    def handle(self, *args: Any, sample: str, to: str, **options: Any) -> None:
        delivery = post_sample(to, sample_body(sample), secret=_secret(), proxy_url=conf.proxy_url())
        if not delivery.arrived:
            raise CommandError(_meaning(delivery))
        self.stdout.write(f"{delivery.status}: {ARRIVED}")


def _secret() -> str:
    """The first one; the site accepts each of them."""
    try:
        secrets = conf.webhook_secrets()
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None
    if not secrets:
        raise CommandError('There is no secret to sign with: set TELROI["WEBHOOK_SECRETS"].')
    return secrets[0]


def _meaning(delivery: Delivery) -> str:
    if delivery.status is None:
        return ERRORS[delivery.error]
    if delivery.location and 300 <= delivery.status < 400:
        where = delivery.location[:200]
        return f"{delivery.status}: a redirect to {where!r}. Telroi would follow it with a GET and lose the event."
    return f"{delivery.status}: {MEANINGS.get(delivery.status, 'not what the endpoint answers. Is the path right?')}"
