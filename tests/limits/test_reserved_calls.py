"""``STRANGER_CALLS_PER_HOUR`` and ``_PER_DAY``: strangers cannot use up the calls of a number."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.cache import SessionStore
from django.http import HttpRequest
from django.test import Client, RequestFactory

from django_telroi import limits, services
from django_telroi.errors import CooldownActive, HourlyLimitReached, VerificationRefused
from django_telroi.limits.site_functions import MAX_NUMBERS, SESSION_KEY
from django_telroi.models import VerificationAttempt
from django_telroi.testing import outbox
from tests.limits.conftest import Configure
from tests.limits.faces import FACES, Api
from tests.services.world import let_time_pass, statements

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"
OTHER_NUMBER = "+2348029876543"
MINUTE = 61


@pytest.fixture(autouse=True)
def _reserved(configure: Configure) -> None:
    configure(STRANGER_CALLS_PER_HOUR=4, STRANGER_CALLS_PER_DAY=15, RATES={"start": {"ip": None}})


def verified(number: str, user: User) -> None:
    attempt = services.start_verification(number, user=user)
    services.check_code(attempt.uuid, outbox[-1].code, user=user)


def rings(face: Any, number: str = NUMBER) -> bool:
    """Return whether the face gets a call now. A cooldown does not count: a minute passes first."""
    let_time_pass(MINUTE)
    before = len(outbox)
    face.starts(number)
    return len(outbox) > before


def rung(face: Any, times: int, number: str = NUMBER) -> list[bool]:
    return [rings(face, number) for _ in range(times)]


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
def test_strangers_use_four_of_five_and_the_owner_gets_the_fifth(face: Any, ada: User) -> None:
    verified(NUMBER, ada)
    let_time_pass(3600)

    assert rung(face(), 6) == [True] * 4 + [False] * 2
    assert rung(face(ada), 2) == [True, False]


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
def test_a_session_that_verified_the_number_is_known(face: Any) -> None:
    owner = face()
    owner.starts(NUMBER)
    owner.checks(outbox[-1].code)
    let_time_pass(3600)

    assert rung(face(), 5) == [True] * 4 + [False]
    assert rings(owner)
    assert NUMBER not in str(dict(owner.client.session))


def test_the_calls_of_a_day_are_reserved_too(configure: Configure, ada: User) -> None:
    configure(STRANGER_CALLS_PER_HOUR=None, STRANGER_CALLS_PER_DAY=2, CALLS_PER_DAY=3)
    verified(NUMBER, ada)
    let_time_pass(24 * 3600)

    assert rung(Api(), 3) == [True, True, False]
    assert rung(Api(ada), 2) == [True, False]


def test_the_refusal_of_a_verified_number_is_that_of_any_number(ada: User) -> None:
    verified(NUMBER, ada)
    let_time_pass(24 * 3600)
    answers = []
    for number in (NUMBER, OTHER_NUMBER):
        stranger = Api()
        assert rung(stranger, 4, number) == [True] * 4
        let_time_pass(MINUTE)
        answer = stranger.starts(number)
        answers.append((answer.text, answer.status, answer.wait))

    # The first number was called a few seconds earlier than the second one.
    assert answers[0][:2] == answers[1][:2]
    assert abs(answers[0][2] - answers[1][2]) <= 1
    assert answers[0][1] == 429
    assert answers[0][2] > 3000


def test_another_user_is_a_stranger(ada: User) -> None:
    verified(NUMBER, ada)
    let_time_pass(24 * 3600)

    assert rung(Api(User.objects.create_user("eve")), 5) == [True] * 4 + [False]


def asking(user: User | AnonymousUser) -> HttpRequest:
    request = RequestFactory().post("/")
    request.user = user
    request.session = SessionStore()
    return request


def test_a_call_for_an_account_is_no_call_of_its_user(ada: User) -> None:
    """A page that logs in by phone asks for calls to accounts whose users are not logged in."""
    verified(NUMBER, ada)
    let_time_pass(24 * 3600)
    for _ in range(4):
        let_time_pass(MINUTE)
        limits.read_out(asking(AnonymousUser()), NUMBER, "123456", user=ada)
    let_time_pass(MINUTE)

    with pytest.raises(HourlyLimitReached):
        limits.read_out(asking(AnonymousUser()), NUMBER, "123456", user=ada)
    for check in (limits.check_start, limits.count_decoy):
        with pytest.raises(HourlyLimitReached):
            check(asking(AnonymousUser()), NUMBER, user=ada)
        with pytest.raises(HourlyLimitReached):
            check(asking(AnonymousUser()), NUMBER)
    limits.check_start(asking(ada), NUMBER)
    limits.read_out(asking(AnonymousUser()), NUMBER, "123456", user=ada, is_known=True)


def test_a_service_that_reads_out_takes_no_user_for_the_visitor(ada: User) -> None:
    verified(NUMBER, ada)
    let_time_pass(24 * 3600)
    for _ in range(4):
        let_time_pass(MINUTE)
        services.read_out(NUMBER, "123456", user=ada)
    let_time_pass(MINUTE)

    with pytest.raises(HourlyLimitReached):
        services.read_out(NUMBER, "123456", user=ada)
    services.read_out(NUMBER, "123456", user=ada, admit=lambda _call: services.Admission(is_known=True))


def test_a_visitor_who_logs_in_meanwhile_is_known_to_the_next_call(ada: User) -> None:
    verified(NUMBER, ada)
    let_time_pass(24 * 3600)
    for _ in range(4):
        let_time_pass(MINUTE)
        attempt = services.start_verification(NUMBER)
    let_time_pass(MINUTE)

    with pytest.raises(HourlyLimitReached):
        limits.call_again(asking(AnonymousUser()), attempt.uuid)
    assert limits.call_again(asking(ada), attempt.uuid, user=ada).known_requester is True


def test_decoys_do_not_count_for_a_person_who_is_known(ada: User) -> None:
    verified(NUMBER, ada)
    let_time_pass(24 * 3600)
    limits.count_decoy(asking(AnonymousUser()), NUMBER)

    with pytest.raises(CooldownActive):
        limits.check_start(asking(AnonymousUser()), NUMBER)
    limits.check_start(asking(ada), NUMBER, user=ada)


class SilentSession:
    """A session whose store does not answer."""

    def get(self, *_: object) -> object:
        raise ConnectionError


def test_a_session_that_cannot_be_read_makes_a_stranger(caplog: pytest.LogCaptureFixture) -> None:
    request = asking(AnonymousUser())
    request.session = SilentSession()  # type: ignore[assignment]

    attempt = limits.start_verification(request, NUMBER)
    result = limits.check_code(request, attempt.uuid, outbox[-1].code)

    assert (attempt.known_requester, result.outcome) == (False, "verified")
    assert "session_not_read error=ConnectionError" in caplog.text


def test_a_decoy_has_the_limits_of_a_stranger() -> None:
    for _ in range(4):
        let_time_pass(MINUTE)
        services.start_verification(OTHER_NUMBER)

    let_time_pass(MINUTE)
    with pytest.raises(HourlyLimitReached) as called:
        services.start_verification(OTHER_NUMBER)
    with pytest.raises(HourlyLimitReached) as decoy:
        limits.count_decoy(asking(AnonymousUser()), OTHER_NUMBER)
    assert abs(called.value.retry_after - decoy.value.retry_after) <= 1


def test_the_status_names_the_wait_of_its_requester(ada: User) -> None:
    verified(NUMBER, ada)
    let_time_pass(24 * 3600)
    of_ada = services.start_verification(NUMBER, user=ada)
    for _ in range(3):
        let_time_pass(MINUTE)
        of_stranger = services.start_verification(NUMBER)
    let_time_pass(MINUTE)

    assert (of_ada.known_requester, of_stranger.known_requester) == (True, False)
    assert services.follow(of_ada.uuid, user=ada).call_again_in == 0
    assert services.follow(of_stranger.uuid).call_again_in > 3000
    with pytest.raises(VerificationRefused):
        services.call_again(of_stranger.uuid)
    assert services.call_again(of_ada.uuid, user=ada).known_requester is True


def test_a_session_remembers_the_newest_numbers() -> None:
    request = asking(AnonymousUser())
    numbers = [f"+23480312345{line:02d}" for line in range(MAX_NUMBERS + 1)]
    for number in numbers:
        attempt = limits.start_verification(request, number)
        limits.check_code(request, attempt.uuid, outbox[-1].code)

    assert len(request.session[SESSION_KEY]) == MAX_NUMBERS
    started = [limits.site_functions.is_known_to(request, number) for number in numbers]
    assert started == [False] + [True] * MAX_NUMBERS


def test_a_site_that_reserves_nothing_asks_and_keeps_nothing(configure: Configure, ada: User) -> None:
    configure(STRANGER_CALLS_PER_HOUR=None, STRANGER_CALLS_PER_DAY=None)
    request = asking(ada)

    with statements() as executed:
        attempt = limits.start_verification(request, NUMBER, user=ada)
        limits.check_code(request, attempt.uuid, outbox[-1].code, user=ada)

    assert not [each for each in executed if each.startswith("SELECT") and "verifiedphone" in each.split("FROM")[1]]
    assert SESSION_KEY not in request.session
    assert VerificationAttempt.objects.get().known_requester is None


def test_staff_see_who_requested_the_calls(ada: User, settings: Any) -> None:
    verified(NUMBER, ada)
    let_time_pass(24 * 3600)
    assert rung(Api(ada), 1) == [True]
    assert rung(Api(), 4) == [True, True, True, False]
    settings.ROOT_URLCONF = "tests.urls"
    staff = Client()
    staff.force_login(User.objects.create_superuser("grace"))

    phone = VerificationAttempt.objects.latest("pk").phone
    page = staff.get(f"/admin/django_telroi/phonenumber/{phone.pk}/change/").content.decode()

    assert "may use 4 of the hour and 15 of the day" in page
    assert "only for people who are known with this number" in page
    assert page.count("<bdi>stranger</bdi>") == 3
    assert "ada · known with this number" in page
