"""Whose a verification is: the key of a user, as their rows have it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError

from django_telroi.errors import UserNotFound
from django_telroi.models import VerificationAttempt


def owner_id(user: AbstractBaseUser | None) -> Any:
    """The user's key, None for no user and for Django's anonymous one.

    As a row has it: the user of a stateless token brings it as text. Raises UserNotFound for what no row can have.
    """
    if user is None or not user.is_authenticated:
        return None
    key = VerificationAttempt._meta.get_field("user").target_field
    try:
        value = key.to_python(user.pk)
        key.run_validators(value)  # whole numbers that are too large for the column
    except ValidationError:
        raise UserNotFound from None
    return value


def is_gone(user_id: Any, *, using: str) -> bool:
    """Whether the user of this key has no row any more: a token or a request outlived it."""
    return user_id is not None and not get_user_model()._base_manager.using(using).filter(pk=user_id).exists()
