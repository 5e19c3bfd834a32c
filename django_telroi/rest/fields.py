"""A serializer field that accepts a proof, for example in a site's sign-up serializer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.views.decorators.debug import sensitive_variables

from django_telroi.errors import ProofRejected, Unavailable
from django_telroi.packages import REST_FRAMEWORK
from django_telroi.services import Proof
from django_telroi.services.sentences import sentence

with REST_FRAMEWORK.needed_for("django_telroi.rest.fields"):
    from rest_framework import serializers
    from rest_framework.exceptions import ErrorDetail

    from django_telroi.rest.problems import NotNow

__all__ = ["ProofField"]


@dataclass(frozen=True)
class SerializedProof(Proof):
    """A proof whose ``redeem`` raises ValidationError if it is rejected: status 400, and the transaction rolls back."""

    field_name: str = ""

    def redeem(self, *, user: AbstractBaseUser | None = None) -> str:
        try:
            return super().redeem(user=user)
        except ProofRejected as error:
            raise serializers.ValidationError({self.field_name: [_detail_of(error)]}) from None
        except Unavailable:
            raise NotNow from None


class ProofField(serializers.CharField):
    """Accepts the ``proof`` that a right code gave. Validation reads the proof and does not redeem it.

    The value is a ``services.Proof``. Call its ``redeem(user=...)`` where the serializer saves, inside the transaction
    that saves the other data. Its ``number`` is the verified number, in case the serializer must look at it first.
    ``redeem`` raises ValidationError if the proof was used or has expired, and NotNow (503) if the database fails.

    ``purpose`` is the purpose of the verification, one of ``PURPOSES`` or ``""``. The other options are those of
    ``CharField``.
    """

    def __init__(self, *, purpose: str = "", **options: Any) -> None:
        # A proof is a secret that can be used once, so no response repeats it.
        options.setdefault("write_only", True)
        super().__init__(**options)
        self.purpose = purpose

    @sensitive_variables()
    def to_internal_value(self, data: object) -> Proof:  # type: ignore[override]
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            proof = SerializedProof.read(data, purpose=self.purpose)
        except ProofRejected as error:
            raise serializers.ValidationError([_detail_of(error)]) from None
        except Unavailable:
            raise NotNow from None
        # The error of a later ``redeem`` must name the field, and the proof is all that the serializer keeps.
        return replace(proof, field_name=self.field_name or "")


def _detail_of(error: ProofRejected) -> ErrorDetail:
    return ErrorDetail(sentence(error.code), error.code)
