"""Reserved calls: whether a requester is known with the number, and may use all of its calls.

The calls that strangers may use are the same for every number. If only verified numbers had reserved calls, a refusal
would tell strangers which numbers have an account.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.models import VerifiedPhone
from django_telroi.services.calls.request import Admission, CallRequest
from django_telroi.services.shared.transactions import unavailable_without_database


@sensitive_variables()
def with_known_requester(request: CallRequest, admission: Admission, *, using: str) -> CallRequest:
    """Return the request with the answer whether its requester is known. It is unchanged if no calls are reserved.

    Without an answer of ``admission`` they are known if the user verified the number. Not for ``read_out``: pages that
    log in by phone call it for accounts whose users are not logged in.
    """
    if not conf.reserves_calls():
        return request
    is_known = admission.is_known
    if is_known is None:
        is_known = not request.is_read_out and has_number(request.user_id, request.phone.number, using=using)
    return replace(request, is_known=is_known)


@sensitive_variables()
def has_number(user_id: Any, number: str, *, using: str) -> bool:
    """Return whether the user verified this number (E.164) for any purpose. Raises Unavailable."""
    if user_id is None:
        return False
    with unavailable_without_database():
        return VerifiedPhone.objects.using(using).filter(user_id=user_id, number=number).exists()
