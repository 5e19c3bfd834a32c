"""A call gateway for django-two-factor-auth: Telroi reads out the token of a phone device.

django-two-factor-auth makes the token and checks it. One line of settings selects the gateway::

    TWO_FACTOR_CALL_GATEWAY = "django_telroi.contrib.two_factor.CallGateway"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.views.decorators.debug import sensitive_variables

from django_telroi.redaction import redact_arguments

if TYPE_CHECKING:
    from two_factor.plugins.phonenumber.models import PhoneDevice

__all__ = ["CallGateway"]


class CallGateway:
    """The value of ``TWO_FACTOR_CALL_GATEWAY``. django-two-factor-auth creates an instance for each call."""

    @redact_arguments("token")
    @sensitive_variables()
    def make_call(self, device: PhoneDevice, token: str) -> None:
        """Call the device's number and read out ``token``.

        The pages of django-two-factor-auth show a refusal as an error of their form. For other callers, raises the
        VerificationRefused.
        """
        # Imported here, because a project may import this package before Django has loaded the models.
        from django_telroi.contrib.two_factor.refused_calls import read_out_token

        read_out_token(device, token)
