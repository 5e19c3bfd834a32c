"""Two keys under load: Telroi revokes one of them, and the calls with the other one go on."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from django_telroi.domain.states import Status
from django_telroi.errors import Misconfigured
from django_telroi.models import CallControl, VerificationAttempt
from django_telroi.services import start_verification
from tests.races.racing import Telroi, errors, race, values

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 4
CALLS = 12
"""Concurrent calls with each key in each round."""


def number(line: int) -> str:
    return f"+234803{line:07d}"


def start_both(round_: int) -> list[Any]:
    lines = range(round_ * CALLS * 2, (round_ + 1) * CALLS * 2)
    return race([partial(start_verification, number(line + 1), purpose=("ada", "ben")[line % 2]) for line in lines])


def test_calls_with_the_other_key_go_on(telroi: Telroi, settings: Any, repeat: int) -> None:
    telroi.throw("add_key", value="tlr_live_ada")
    telroi.throw("add_key", value="tlr_live_ben", workspace="sandbox")
    settings.TELROI = {
        **settings.TELROI,
        "API_KEYS": {"ada": "tlr_live_ada", "ben": "tlr_live_ben"},
        "API_KEY": lambda facts: facts.purpose,
    }
    finishes: list[Any] = []
    for round_ in range(ROUNDS):
        if round_ == 1:
            telroi.throw("revoke_key", value="tlr_live_ada")
        if round_ == 3:
            settings.TELROI = {**settings.TELROI, "API_KEYS": {"ada": "tlr_live_new", "ben": "tlr_live_ben"}}
            telroi.throw("add_key", value="tlr_live_new")
        finishes.append(start_both(round_))

    ben = VerificationAttempt.objects.filter(key_name="ben")
    assert ben.filter(status=Status.PLACED).count() == ben.count() == ROUNDS * CALLS
    # Calls that were on the way when the key was revoked fail. All later ones wait, and a new key ends the wait.
    refused = [error for of_round in finishes[1:3] for error in errors(of_round)]
    assert {type(error) for error in refused} == {Misconfigured}
    assert len(errors(finishes[2])) == CALLS
    assert errors(finishes[0]) == errors(finishes[3]) == []
    ada = VerificationAttempt.objects.filter(key_name="ada")
    assert ada.filter(status=Status.PLACED).count() == 2 * CALLS
    assert ada.filter(status=Status.FAILED, error_code="misconfigured").count() == CALLS - len(errors(finishes[1]))
    assert [row.name for row in CallControl.objects.all()] == ["ada"]
    assert len(values(finishes[3])) == 2 * CALLS
