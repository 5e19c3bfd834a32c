"""Telling the site whose number was verified: one payload, whichever way the number came to its user."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser

from django_telroi import signals
from django_telroi.models import VerificationAttempt
from django_telroi.services.transactions import after_commit


def tell_verified(
    attempt: VerificationAttempt, *, user_id: Any, using: str, user: AbstractBaseUser | None = None
) -> None:
    """Send ``phone_verified`` once it is certain that the user with this key verified the number; None for nobody.

    ``user`` is the caller's object. If it is no instance of the site's model, such as that of a stateless token, the
    row is read instead.
    """
    after_commit(partial(_tell, attempt, user_id, user), using=using)


def _tell(attempt: VerificationAttempt, user_id: Any, user: AbstractBaseUser | None) -> None:
    if not signals.phone_verified.has_listeners(VerificationAttempt):
        return  # without the query
    model = get_user_model()
    if user_id is None:
        user = None
    elif not isinstance(user, model):
        user = model._default_manager.filter(pk=user_id).first()
    signals.phone_verified.send_robust(sender=VerificationAttempt, attempt=attempt, user=user)
