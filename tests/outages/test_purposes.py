"""Purposes, ids and key digests are compared exactly, with any collation of the database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.utils import timezone

from django_telroi import conf, services
from django_telroi.backends import KeyInUse
from django_telroi.domain.states import Dispatch, Status
from django_telroi.errors import ProofRejected
from django_telroi.models import CallControl, PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.models.exact import ExactCharField
from django_telroi.services.accounts.proofs import proof_of
from django_telroi.services.shared.site_control import PauseReason, pause_calls
from django_telroi.web.gates import Gate

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"
COMPARED = {
    "AttemptEvent.call_id",
    "CallControl.name",
    "CallControl.paused_key",
    "VerificationAttempt.purpose",
    "VerificationAttempt.telroi_id",
    "VerifiedPhone.purpose",
}
ALIKE = ["payout", "Payout", "PAYOUT", "payöut", "payout ", "paỳout", "ｐayout"]


@pytest.fixture
def ada() -> User:
    ada = User.objects.create_user("ada")
    VerifiedPhone.objects.create(user=ada, number=NUMBER, purpose="payout", verified_at=timezone.now())
    return ada


@pytest.mark.parametrize("purpose", ALIKE[1:])
def test_a_user_who_is_verified_for_one_is_not_verified_for_another(ada: User, purpose: str, settings: object) -> None:
    settings.TELROI = {"PURPOSES": ALIKE}  # type: ignore[attr-defined]
    request = RequestFactory().get("/")
    request.user = ada

    assert not services.has_verified_phone(ada, purpose=purpose)
    assert not services.phone_record(ada).has_phone(purpose=purpose)
    assert Gate.of(purpose, None).response_if_denied(request) is not None
    assert services.has_verified_phone(ada, purpose="payout")


def test_each_has_its_own_record() -> None:
    ada = User.objects.create_user("ada")
    phone = PhoneNumber.objects.create(number=NUMBER, last4="4567", region="NG")

    for purpose in ALIKE:
        services.redeem_proof(load_proof(phone, purpose), purpose=purpose, user=ada)

    assert sorted(VerifiedPhone.objects.values_list("purpose", flat=True)) == sorted(ALIKE)


@pytest.mark.parametrize("purpose", ALIKE[1:])
def test_a_proof_for_one_is_invalid_for_another(purpose: str) -> None:
    phone = PhoneNumber.objects.create(number=NUMBER, last4="4567", region="NG")
    proof = load_proof(phone, "payout")

    for use in (services.read_proof, services.redeem_proof):
        with pytest.raises(ProofRejected):
            use(proof, purpose=purpose)


def test_telroi_ids_that_differ_only_in_case_are_different() -> None:
    phone = PhoneNumber.objects.create(number=NUMBER, last4="4567", region="NG")

    for telroi_id in ("otp_test_aB", "otp_test_Ab"):
        attempt = VerificationAttempt.objects.get(uuid=attempt_with(phone).uuid)
        VerificationAttempt.objects.filter(pk=attempt.pk).update(telroi_id=telroi_id)

    assert VerificationAttempt.objects.get(telroi_id="otp_test_Ab").pk == attempt.pk


@pytest.mark.parametrize("other", ["Key-a", "key-A", "kéy-a", "key-a "])
def test_a_pause_of_one_key_does_not_apply_to_another(other: str) -> None:
    soon, later = timezone.now() + timedelta(minutes=1), timezone.now() + timedelta(minutes=9)
    pause_calls(PauseReason.MISCONFIGURED, until=later, key=KeyInUse(conf.DEFAULT_KEY, "key-a"), using="default")

    pause_calls(PauseReason.KEY_LIMITED, until=soon, key=KeyInUse(conf.DEFAULT_KEY, other), using="default")

    assert CallControl.objects.get().paused_key == other


@pytest.mark.parametrize("field", sorted(COMPARED))
def test_every_compared_column_with_foreign_values_is_case_sensitive(field: str) -> None:
    model, _, name = field.partition(".")

    assert isinstance(apps.get_model("django_telroi", model)._meta.get_field(name), ExactCharField)


def load_proof(phone: PhoneNumber, purpose: str) -> str:
    attempt = attempt_with(phone, purpose=purpose)
    return proof_of(attempt, now=timezone.now()) or ""


def attempt_with(phone: PhoneNumber, *, purpose: str = "") -> VerificationAttempt:
    now = timezone.now()
    return VerificationAttempt.objects.create(
        phone=phone,
        status=Status.VERIFIED,
        dispatch=Dispatch.INLINE,
        purpose=purpose,
        max_tries=3,
        expires_at=now + timedelta(minutes=5),
        verified_at=now,
    )
