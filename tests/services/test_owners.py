"""The owner of a number is told, once for each moment of an attempt. The mails of the recipes are sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_telroi import services, signals
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, commit, let_time_pass, statements, wrong

pytestmark = pytest.mark.django_db

RECIPES = Path(__file__).resolve().parents[2] / "docs" / "howto" / "recipes.rst"


@pytest.fixture
def told() -> Iterator[list[tuple[str, list[str]]]]:
    """The moments of all ``number_of_other_user`` signals, with the names of the owners."""
    heard: list[tuple[str, list[str]]] = []

    def receive(moment: str, owners: list[User], number: str, **_: object) -> None:
        assert NUMBER not in number
        heard.append((moment, sorted(owner.username for owner in owners)))

    signals.number_of_other_user.connect(receive)
    yield heard
    signals.number_of_other_user.disconnect(receive)


@pytest.fixture
def adas_number(ada: User) -> None:
    ada.email = "ada@example.com"
    ada.save()
    for purpose in ("", "payout"):
        VerifiedPhone.objects.create(user=ada, number=NUMBER, purpose=purpose, verified_at=timezone.now())


def verify(telroi: Simulator, user: User | None) -> services.CheckResult:
    attempt = services.start_verification(NUMBER, user=user)
    result = services.check_code(attempt.uuid, telroi.last_code_for(NUMBER), user=user)
    services.check_code(attempt.uuid, telroi.last_code_for(NUMBER), user=user)
    commit()
    return result


@pytest.mark.parametrize("who", ["ben", "nobody"])
def test_the_owner_is_told_of_the_call_and_of_the_right_code(
    telroi: Simulator, adas_number: None, ben: User, told: list[Any], who: str
) -> None:
    verify(telroi, ben if who == "ben" else None)

    assert told == [("called", ["ada"]), ("verified", ["ada"])]


def test_of_a_wrong_code_the_owner_is_not_told(telroi: Simulator, adas_number: None, told: list[Any]) -> None:
    attempt = services.start_verification(NUMBER)
    services.check_code(attempt.uuid, wrong(telroi.last_code_for(NUMBER)))
    commit()

    assert told == [("called", ["ada"])]


def test_the_owner_alone_is_not_told(telroi: Simulator, adas_number: None, ada: User, told: list[Any]) -> None:
    verify(telroi, ada)

    assert told == []


def test_a_number_of_nobody_tells_nobody(telroi: Simulator, told: list[Any]) -> None:
    verify(telroi, None)

    assert told == []


def test_the_owner_is_told_of_a_right_code_that_the_site_rejects(
    telroi: Simulator, configure: Configure, adas_number: None, ben: User, told: list[Any]
) -> None:
    configure(ONE_ACCOUNT_PER_NUMBER=True)

    assert verify(telroi, ben).outcome == "number_taken"
    assert [moment for moment, _ in told] == ["called", "verified"]


def test_each_call_of_a_flow_is_an_attempt_of_its_own(telroi: Simulator, adas_number: None, told: list[Any]) -> None:
    first = services.start_verification(NUMBER)
    let_time_pass(61, telroi)
    again = services.call_again(first.uuid)
    services.check_code(again.uuid, telroi.last_code_for(NUMBER))
    commit()

    assert [moment for moment, _ in told] == ["called", "called", "verified"]


def test_without_a_receiver_no_statement_is_executed(telroi: Simulator, adas_number: None) -> None:
    with statements() as seen:
        verify(telroi, None)

    assert not any("verifiedphone" in sql for sql in seen)


@pytest.fixture
def mails(settings: Any) -> Iterator[None]:
    """The receivers of the recipe."""
    # From Django 6.1 on, a site without this setting gets a warning when it sends a mail.
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    block = re.search(r":caption: accounts/owner_mails\.py\n\n(.*?)\n\nImport", RECIPES.read_text(), re.DOTALL)
    assert block is not None
    module: dict[str, Any] = {}
    exec(dedent(block[1]), module)
    yield
    signals.number_of_other_user.disconnect(module["tell_owners"])
    signals.too_many_wrong_codes.disconnect(module["tell_user"])


def test_the_recipe_mails_the_owner_once(
    telroi: Simulator, adas_number: None, mails: None, mailoutbox: list[Any]
) -> None:
    verify(telroi, None)

    [mail] = mailoutbox
    assert mail.to == ["ada@example.com"]
    assert NUMBER not in mail.body
    assert "4567" in mail.body


def test_the_recipe_mails_the_user_whose_calls_are_locked(
    telroi: Simulator, configure: Configure, adas_number: None, ada: User, mails: None, mailoutbox: list[Any]
) -> None:
    configure(WRONG_CODES={"warn": 1, "wait": 2, "lock": 2})
    attempt: VerificationAttempt = services.start_verification(NUMBER, user=ada)
    for by in (1, 2, 3):
        services.check_code(attempt.uuid, wrong(telroi.last_code_for(NUMBER), by=by), user=ada)
    commit()

    assert [mail.subject for mail in mailoutbox] == ["Too many wrong codes"]
