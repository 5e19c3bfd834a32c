"""A client for Telroi's API. It needs no Django.

::

    with TelroiClient("tlr_live_…") as telroi:
        call = telroi.place_otp("+2348012345678")
        check = telroi.check_otp("123456", id=call.id)
        check.verified

Every failure of a request is one of three errors of ``django_telroi.errors``: ``ApiUnreachable``, ``ApiOutcomeUnknown``
or ``ApiRefused``. ``read_webhook`` reads the events that Telroi sends.
"""

from __future__ import annotations

from django_telroi.client.replies import OtpCall, OtpCheck
from django_telroi.client.strict_json import JSON
from django_telroi.client.telroi_client import TelroiClient
from django_telroi.client.webhooks import WebhookEvent, read_webhook

__all__ = ["JSON", "OtpCall", "OtpCheck", "TelroiClient", "WebhookEvent", "read_webhook"]
