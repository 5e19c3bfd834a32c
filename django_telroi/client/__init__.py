"""Talking to Telroi, without Django.

::

    with TelroiClient("tlr_live_…") as telroi:
        call = telroi.place_otp("+2348012345678")
        check = telroi.check_otp("123456", id=call.id)
        check.verified

What Telroi refuses and what goes wrong on the way is raised as one of the three errors of ``django_telroi.errors``:
``ApiUnreachable``, ``ApiOutcomeUnknown``, ``ApiRefused``. ``read_webhook`` reads what Telroi reports by itself.
"""

from __future__ import annotations

from django_telroi.client.replies import OtpCall, OtpCheck
from django_telroi.client.strict_json import JSON
from django_telroi.client.telroi_client import TelroiClient
from django_telroi.client.webhooks import WebhookEvent, read_webhook

__all__ = ["JSON", "OtpCall", "OtpCheck", "TelroiClient", "WebhookEvent", "read_webhook"]
