"""The form of the sign-up."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.db import transaction

from django_telroi.web.forms import ProofField


class SignUpForm(UserCreationForm):  # type: ignore[type-arg]  # no type to subscript before Django 6
    """Django's form with the proof that ``{% phone_proof %}`` adds."""

    phone_proof = ProofField(purpose="signup")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            field.help_text = ""

    @transaction.atomic
    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002 - the base class's signature
        """Create the user and redeem the proof in one transaction. Raises ProofRejected if it was used meanwhile."""
        user: User = super().save(commit=commit)
        self.cleaned_data["phone_proof"].redeem(user=user)
        return user
