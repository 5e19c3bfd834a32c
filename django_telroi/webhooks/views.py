"""The one endpoint. It checks, writes down and answers; nothing waits for anything else."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from django_telroi import conf
from django_telroi.client.webhooks import WebhookEvent, check_signature, read_event, signatures_in
from django_telroi.errors import SignatureRejected, Unavailable
from django_telroi.services import record_event
from django_telroi.webhooks.bodies import BodyTooLong, raw_body

logger = logging.getLogger("django_telroi")


class RejectedWebhook(Exception):
    """Nobody is told why, but the log."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


@csrf_exempt
@login_not_required
@require_POST
@sensitive_variables()
def receive_webhook(request: HttpRequest) -> HttpResponse:
    """Whatever Telroi signed is answered with 200, for twenty failures in a row switch its endpoint off.

    But for an event that cannot be written down, because the database does not answer or turned read-only. With a 2xx
    it would be lost for good; with a 503 Telroi brings it again, three times in 85 minutes, and a short outage costs
    nothing.
    """
    try:
        event = _authentic(request)
    except RejectedWebhook as refused:
        logger.warning("webhook_refused status=%s reason=%s", refused.status, refused.reason)
        return _nothing_but(refused.status)
    try:
        record_event(event)
    except Unavailable:
        logger.error("webhook_not_recorded event=%s", event.name or "unreadable")
        return _nothing_but(503)
    return _nothing_but(200)


for _alias in connections:
    # A caller's transaction would keep locks longer than needed, and no lock error could be repeated in it.
    receive_webhook = transaction.non_atomic_requests(using=_alias)(receive_webhook)


@sensitive_variables()
def _authentic(request: HttpRequest) -> WebhookEvent:
    """The event, if Telroi signed it. Raises Refused. What is cheap to refuse is refused before anything is read."""
    try:
        secrets = conf.webhook_secrets()
    except ImproperlyConfigured:
        secrets = []
    if not secrets:
        raise RejectedWebhook(
            503, 'no_secret hint="set TELROI[WEBHOOK_SECRETS] to the secret that the dashboard showed"'
        )
    signatures = signatures_in(request.headers)
    if not signatures:
        raise RejectedWebhook(
            401, 'unsigned hint="Telroi signs; without a signature this was somebody else, or its secret was lost"'
        )
    body = _body_of(request)
    try:
        check_signature(body, signatures, secrets)
    except SignatureRejected as error:
        what = (
            f'bytes={len(body)} secrets={len(secrets)} hint="is the secret in WEBHOOK_SECRETS that of this endpoint?"'
        )
        raise RejectedWebhook(401, f"{error.reason} {what}") from None
    return read_event(body)


def _body_of(request: HttpRequest) -> bytes:
    try:
        return raw_body(request)
    except BodyTooLong:
        raise RejectedWebhook(413, "too_long") from None
    except UnreadablePostError:
        raise RejectedWebhook(400, "cut_off") from None


def _nothing_but(status: int) -> HttpResponse:
    return HttpResponse(status=status, content_type="text/plain")
