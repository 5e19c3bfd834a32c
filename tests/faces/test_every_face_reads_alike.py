"""A pasted text is the same number, and the same code, on every face."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from django_telroi import services
from django_telroi.domain.phone import mask
from django_telroi.errors import InvalidNumber
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.testing import last_code_for, outbox
from tests.limits.faces import FACES, Answer, Api
from tests.pastes import ACCEPTED, ARABIC, BENGALI, DEVANAGARI, FULLWIDTH, PASTES, PERSIAN, THAI, Paste, in_script

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.limits.site")]

NUMBERS = sorted({paste.number for paste in ACCEPTED if paste.number})
EXPECTED = {paste.name: paste.number for paste in PASTES}
NO_LIMITS = {"COOLDOWN_SECONDS": 0, "CALLS_PER_HOUR": 1000, "CALLS_PER_DAY": 1000, "RATES": None}


def read_by(read: Callable[[Paste], str | None], settings: Any) -> dict[str, str | None]:
    found = {}
    for paste in PASTES:
        settings.TELROI = {**NO_LIMITS, "DEFAULT_REGION": paste.region}
        found[paste.name] = read(paste)
    return found


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
def test_a_face_calls_the_pasted_number_or_refuses_it(face: Any, settings: Any) -> None:
    answers: list[Answer] = []

    def starts(paste: Paste) -> str | None:
        before = len(outbox)
        if "\ud800" not in paste.typed or face is Api:  # no browser can send it
            answers.append(face().starts(paste.typed))
        return str(outbox[-1].to) if len(outbox) > before else None

    assert read_by(starts, settings) == EXPECTED
    assert not [answer for answer in answers if answer.status >= 500]


def test_a_service_calls_the_same_number(settings: Any) -> None:
    def starts(paste: Paste) -> str | None:
        try:
            return str(services.start_verification(paste.typed).number)
        except InvalidNumber:
            return None

    assert read_by(starts, settings) == EXPECTED


@pytest.mark.urls("tests.urls")
@pytest.mark.parametrize("model", ["phonenumber", "verificationattempt", "verifiedphone"])
def test_the_admin_s_search_finds_the_same_number(model: str, settings: Any, admin_client: Client) -> None:
    attempts = {number: services.start_verification(number) for number in NUMBERS}
    user = User.objects.get()
    for attempt in attempts.values():
        VerifiedPhone.objects.create(user=user, number=attempt.number, verified_at=attempt.created_at)

    def searches(paste: Paste) -> str | None:
        if "\ud800" in paste.typed:  # no browser and no test client can send it
            return None
        address = reverse(f"admin:django_telroi_{model}_search")
        page = admin_client.post(address, {"term": paste.typed}, follow=True)
        assert page.status_code == 200
        if "original" in page.context:
            return str(page.context["original"].number)
        is_narrowed = "found=" in str(page.redirect_chain)
        assert is_narrowed or not paste.number
        found = page.context["cl"].result_list if is_narrowed else []
        return str(found[0].number) if found else None

    found = read_by(searches, settings)

    # A text that every other face rejects may still find a row: support pastes what a caller wrote.
    assert {name for name, number in found.items() if EXPECTED[name] and number != EXPECTED[name]} == set()
    assert set(found.values()) - {None} <= set(NUMBERS)


def test_the_commands_read_the_same_number(settings: Any) -> None:
    def stands(paste: Paste) -> str | None:
        out = StringIO()
        try:
            call_command("telroi_limits", paste.typed, stdout=out)
        except CommandError:
            return None
        (number,) = {number for number in NUMBERS if f"{mask(number)}\n" in out.getvalue()}
        return number

    assert read_by(stands, settings) == EXPECTED


def test_services_for_staff_read_the_same_number(settings: Any) -> None:
    def blocks(paste: Paste) -> str | None:
        try:
            row = services.block_number(paste.typed, reason="a paste", actor="ada")
        except InvalidNumber:
            return None
        exported = services.export_number(paste.typed)["number"]
        services.unblock_number(paste.typed, actor="ada")
        services.erase_number(paste.typed, actor="ada")
        assert not PhoneNumber.objects.exists()
        return exported["number"] if exported["id"] == row.pk else None

    assert read_by(blocks, settings) == EXPECTED


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
@pytest.mark.parametrize("zero", [ARABIC, PERSIAN, DEVANAGARI, BENGALI, THAI, FULLWIDTH])
def test_a_code_is_right_in_any_script(face: Any, zero: str) -> None:
    person = face()
    person.starts("+2348031234567")
    code = last_code_for("+2348031234567")

    person.checks("\u202d\u00a0" + in_script(zero, f"{code[:3]}\u2011{code[3:]}") + "\u202c")

    assert VerificationAttempt.objects.get().status == "verified"


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
def test_a_code_in_mixed_or_reversed_scripts_uses_no_try(face: Any) -> None:
    person = face()
    person.starts("+2348031234567")
    code = last_code_for("+2348031234567")

    answers = [
        person.checks(typed)
        for typed in (code[:3] + in_script(ARABIC, code[3:]), f"\u202e{code}", f"{code}\n", f"{code}a", "a" * 10_000)
    ]

    assert [answer.text for answer in answers if "A code has only digits." not in answer.text] == []
    assert VerificationAttempt.objects.get().tries == 0
