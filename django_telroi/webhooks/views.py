"""The webhook endpoint. It checks the signature, records the event and responds, with no other work in the request."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from django_telroi import conf
from django_telroi.client.webhooks import WebhookEvent, read_event, signatures_in, signing_secrets
from django_telroi.errors import SignatureRejected, Unavailable
from django_telroi.redaction import kind_of
from django_telroi.services import record_event
from django_telroi.webhooks.bodies import BodyTooLong, raw_body

logger = logging.getLogger("django_telroi")


class RejectedWebhook(Exception):
    """A webhook that is rejected. ``reason`` goes to the log only; the response has ``status`` and no body."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


@csrf_exempt
@login_not_required
@require_POST
@sensitive_variables()
def receive_webhook(request: HttpRequest) -> HttpResponse:
    """Return 200 for an event with a valid signature, 503 if it cannot be recorded, and a 4xx or 503 otherwise.

    An event that we cannot use gets 200 too, because Telroi disables an endpoint after 20 failures in a row.

    An event cannot be recorded if the database does not answer or is read-only. After a 2xx it would be lost. After a
    503 Telroi sends it three more times within 85 minutes, so a short outage loses nothing.
    """
    try:
        event, key_names = _verified_event(request)
    except RejectedWebhook as rejected:
        logger.warning("webhook_refused status=%s reason=%s", rejected.status, rejected.reason)
        return _empty_response(rejected.status)
    try:
        record_event(event, key_names=key_names)
    except Unavailable:
        logger.error("webhook_not_recorded event=%s", event.name or "unreadable")
        return _empty_response(503)
    return _empty_response(200)


for _alias in connections:
    # ATOMIC_REQUESTS: a transaction around the request would hold locks for longer, and prevent a retry after a lock
    # error.
    receive_webhook = transaction.non_atomic_requests(using=_alias)(receive_webhook)


@sensitive_variables()
def _verified_event(request: HttpRequest) -> tuple[WebhookEvent, list[str]]:
    """Return the event of a request that Telroi signed, and the names of the keys whose secrets signed it.

    Raises RejectedWebhook.

    The cheap checks come first, so that a request without a signature is rejected before its body is read.
    """
    try:
        by_key = conf.webhook_secrets_by_key()
    except Exception as error:  # noqa: BLE001 - a function of the site may raise anything
        # A system check reports a wrong setting. A 503 lets Telroi send the event again.
        logger.error("webhook_secrets_failed error=%s", kind_of(error))
        raise RejectedWebhook(503, "secrets_failed") from None
    secrets = [secret for of_name in by_key.values() for secret in of_name]
    if not secrets:
        raise RejectedWebhook(
            503, 'no_secret hint="Set TELROI[WEBHOOK_SECRETS] to the secret that the dashboard shows."'
        )
    signatures = signatures_in(request.headers)
    if not signatures:
        raise RejectedWebhook(
            401,
            'unsigned hint="The request is not from Telroi, or Telroi has no secret: create one in its dashboard."',
        )
    body = _body_of(request)
    try:
        signing = signing_secrets(body, signatures, secrets)
    except SignatureRejected as error:
        details = f'bytes={len(body)} secrets={len(secrets)} hint="Put the secret of this endpoint in WEBHOOK_SECRETS."'
        raise RejectedWebhook(401, f"{error.reason} {details}") from None
    return read_event(body), [name for name, of_name in by_key.items() if not set(signing).isdisjoint(of_name)]


def _body_of(request: HttpRequest) -> bytes:
    """Return the raw body. Raises RejectedWebhook: 413 if it is too long, 400 if the connection was cut."""
    try:
        return raw_body(request)
    except BodyTooLong:
        raise RejectedWebhook(413, "too_long") from None
    except UnreadablePostError:
        raise RejectedWebhook(400, "cut_off") from None


def _empty_response(status: int) -> HttpResponse:
    return HttpResponse(status=status, content_type="text/plain")
