"""The sign-up as an API: ``POST /api/sign-up/``."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from rest_framework import serializers
from rest_framework.generics import CreateAPIView

from django_telroi.rest.fields import ProofField


class SignUpSerializer(serializers.ModelSerializer[User]):
    """Takes the ``proof`` from the response to the right code."""

    password = serializers.CharField(write_only=True, max_length=128, validators=[validate_password])
    proof = ProofField(purpose="signup")

    class Meta:
        model = User
        fields = ("username", "password", "proof")

    @transaction.atomic
    def create(self, validated_data: dict[str, Any]) -> User:
        """Create the user and redeem the proof in one transaction. Raises ProofRejected if the proof is invalid."""
        # If the proof was used meanwhile, the new user is rolled back too.
        proof = validated_data.pop("proof")
        user = User.objects.create_user(**validated_data)
        proof.redeem(user=user)
        return user


class SignUpView(CreateAPIView[User]):
    """Creates an account, for an app that has verified the phone for the purpose ``signup``."""

    serializer_class = SignUpSerializer
    authentication_classes = ()  # a person who signs up has no account yet
    permission_classes = ()
