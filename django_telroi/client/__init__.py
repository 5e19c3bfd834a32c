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

from typing import TYPE_CHECKING

from django_telroi.client.json_values import JSON
from django_telroi.client.replies import OtpCall, OtpCheck
from django_telroi.client.webhooks import WebhookEvent, read_webhook

if TYPE_CHECKING:
    from django_telroi.client.telroi_client import TelroiClient

__all__ = ["JSON", "OtpCall", "OtpCheck", "TelroiClient", "WebhookEvent", "read_webhook"]


def __getattr__(name: str) -> object:
    # Imported at first use, because it needs requests, and that takes 50 ms. Many processes send no request.
    if name == "TelroiClient":
        from django_telroi.client.telroi_client import TelroiClient

        return TelroiClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
