"""Alerts: tell the operators of the site that they must act, at most once an hour for each kind."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from django.db import Error, IntegrityError

from django_telroi import conf, signals
from django_telroi.models import AttemptEvent, EventKind
from django_telroi.services.shared.transactions import savepoint_if_needed

logger = logging.getLogger("django_telroi")

ONCE_IN = timedelta(hours=1)


class Alert(StrEnum):
    """The kinds of alerts."""

    MISCONFIGURED = "misconfigured"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    KEY_LIMITED = "key_limited"
    CODES_REFUSED = "codes_refused"
    """The provider rejects codes of this site (``CODES``), so it makes and checks the codes for an hour."""
    PUMPING = "pumping"
    PROXIES_UNDECIDED = "proxies_undecided"
    WAITING = "waiting"
    """Calls stay in the queue: no worker takes them, or the broker cannot be reached."""
    REVIEWER_NUMBER = "reviewer_number"
    """A reviewer number was used, which has the same code at every login."""


def send_alert(kind: Alert, *, now: datetime, using: str, key_name: str = "") -> bool:
    """Log, record and signal ``kind``, unless that was done within the last hour. Return whether it was done now.

    ``key_name``: the name of the key that the alert is about, ``""`` if it is about none. The alerts of one key do not
    suppress those of another one.
    """
    about = _detail(kind, key_name)
    try:
        is_first = _record(about, now=now, using=using)
    except Error as error:
        # An alert must not fail the call or the request that raised it.
        logger.error("alert_not_recorded kind=%s error=%s", kind, type(error).__name__)
        return False
    if is_first:  # only after it was recorded, so that processes that fail together alert once
        logger.error("alert kind=%s", kind)
        signals.alert.send_robust(sender=Alert, kind=str(kind), key_name=key_name)
    return is_first


def _detail(kind: Alert, key_name: str) -> str:
    """Return the detail of the event: the kind, and with several keys the name of the key."""
    return f"{kind} {key_name}" if key_name and conf.has_named_keys() else str(kind)


def _record(about: str, *, now: datetime, using: str) -> bool:
    """Record the alert, unless one of the last hour exists. Return whether it was recorded.

    The unique digest allows one event for each clock hour, so two processes cannot both record it. The digests of this
    hour and of the last hour also make the lookup cheap.
    """
    this_hour, last_hour = _digest(about, now), _digest(about, now - ONCE_IN)
    events = AttemptEvent.objects.using(using)
    if events.filter(digest__in=(this_hour, last_hour), at__gt=now - ONCE_IN).exists():
        return False
    # The lookup above avoids most failing INSERTs, which PostgreSQL would log as errors. The digest stops the others.
    try:
        with savepoint_if_needed(using):
            events.create(kind=EventKind.ALERT, at=now, detail=about, digest=this_hour)
    except IntegrityError:
        return False
    return True


def _digest(about: str, now: datetime) -> str:
    return sha256(f"alert {about} {now:%Y-%m-%d %H}".encode()).hexdigest()
