"""Each limit refuses on each face, with the correct wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import RequestFactory

from django_telroi import limits, signals
from django_telroi.errors import TooManyRequests
from django_telroi.models import RefusalTally, VerificationAttempt
from django_telroi.services import start_verification
from django_telroi.testing import last_code_for, outbox
from tests.limits.conftest import Clock, Configure
from tests.limits.faces import FACES, Api, Page
from tests.manual_clocks import hold_site_clock
from tests.services.world import wrong
from tests.web.visitor import Visitor

pytestmark = pytest.mark.django_db

NUMBERS = [f"+234803123{line:04d}" for line in range(1, 1001)]
NUMBER = NUMBERS[0]


@pytest.fixture(params=FACES.values(), ids=FACES)
def face(request: pytest.FixtureRequest) -> Any:
    return request.param


class TestStarts:
    def test_are_counted_by_address(self, face: Any, configure: Configure) -> None:
        configure(RATES={"start": {"ip": "2/h"}})

        answers = [face().starts(number) for number in NUMBERS[:4]]

        assert [answer.is_too_many for answer in answers] == [False, False, True, True]
        assert len(outbox) == 2
        assert not face().starts(NUMBERS[5], REMOTE_ADDR="198.51.100.8").is_too_many

    def test_are_counted_by_user_for_every_address(self, face: Any, configure: Configure, ada: User, ben: User) -> None:
        configure(RATES={"start": {"user": "2/h"}})

        answers = [face(ada).starts(number, REMOTE_ADDR=f"198.51.100.{n}") for n, number in enumerate(NUMBERS[:4])]

        assert [answer.is_too_many for answer in answers] == [False, False, True, True]
        assert not face(ben).starts(NUMBERS[5]).is_too_many

    def test_include_call_again(self, face: Any, configure: Configure) -> None:
        configure(RATES={"start": {"ip": "1/h"}}, COOLDOWN_SECONDS=0)
        person = face()
        person.starts(NUMBER)

        assert person.calls_again().is_too_many
        assert len(outbox) == 1

    @pytest.mark.parametrize("rates", [None, {"start": None}, {"start": {"ip": None, "user": None}}])
    def test_are_not_counted_if_the_site_says_so(self, configure: Configure, ada: User, rates: Any) -> None:
        configure(RATES=rates)

        assert not any(Api(ada).starts(number).is_too_many for number in NUMBERS[:22])

    def test_of_numbers_that_are_not_callable_are_not_counted(self, face: Any, configure: Configure) -> None:
        configure(RATES={"start": {"ip": "1/h"}})

        for number in ("+234 803", "+2347001234567", "+449098790000"):
            assert not face().starts(number).is_too_many

        assert not face().starts(NUMBER).is_too_many
        assert face().starts(NUMBERS[1]).is_too_many


class TestChecks:
    def test_are_counted_by_address(self, face: Any, configure: Configure) -> None:
        configure(RATES={"check": {"ip": "2/h"}})
        people = [face() for _ in range(4)]
        for person, number in zip(people, NUMBERS, strict=False):
            person.starts(number)

        answers = [person.checks("000000") for person in people]

        assert [answer.is_too_many for answer in answers] == [False, False, True, True]
        assert sorted(VerificationAttempt.objects.values_list("tries", flat=True)) == [0, 0, 1, 1]
        assert "Your number is verified" in people[2].checks(
            last_code_for(NUMBERS[2]), REMOTE_ADDR="198.51.100.8"
        ).text or not isinstance(people[2], Page)

    def test_are_counted_by_user(self, face: Any, configure: Configure, ada: User, ben: User) -> None:
        configure(RATES={"check": {"user": "2/h"}})
        hers = face(ada)
        hers.starts(NUMBER)

        answers = [hers.checks("000000", REMOTE_ADDR=f"198.51.100.{n}") for n in range(3)]

        assert [answer.is_too_many for answer in answers] == [False, False, True]
        assert VerificationAttempt.objects.get().tries == 2
        his = face(ben)
        his.starts(NUMBERS[1])
        assert not his.checks("000000").is_too_many

    @pytest.mark.parametrize("rates", [None, {"check": None}, {"check": {"ip": None, "user": None}}])
    def test_are_not_counted_if_the_site_says_so(self, configure: Configure, rates: Any) -> None:
        configure(RATES=rates, CODE_TRIES=100)
        person = Api()
        person.starts(NUMBER)

        assert not any(person.checks("000000").is_too_many for _ in range(62))

    def test_of_malformed_codes_are_not_counted(self, face: Any, configure: Configure) -> None:
        configure(RATES={"check": {"ip": "1/h"}})
        person = face()
        person.starts(NUMBER)

        for _ in range(3):
            assert not person.checks("12 ab").is_too_many

        assert not person.checks("000000").is_too_many
        assert person.checks("000001").is_too_many

    def test_a_right_code_that_is_sent_twice_counts_twice(self, configure: Configure) -> None:
        configure(RATES={"check": {"ip": "2/h"}})
        person = Api()
        person.starts(NUMBER)

        answers = [person.checks(last_code_for(NUMBER)) for _ in range(3)]

        assert [(answer.status, answer.text) for answer in answers[:2]] == [(200, "Your number is verified.")] * 2
        assert answers[2].is_too_many

    def test_the_page_shows_when_a_check_is_allowed_again(self, configure: Configure) -> None:
        configure(RATES={"check": {"ip": "1/m"}})
        person = Page()
        person.starts(NUMBER)
        person.checks("000000")

        said = person.checks("000001").text

        assert "We are calling you" in said
        assert "Try again in" in said or "Try again at" in said


def test_the_api_returns_the_wait(configure: Configure, clock: Clock) -> None:
    clock.stop()
    configure(RATES={"start": {"ip": "1/h"}})
    Api().starts(NUMBER)

    reply = Api()._posts("", {"number": NUMBERS[1]})

    assert (reply.status_code, reply.json()["code"]) == (429, "too_many_requests")
    assert 3600 <= reply.json()["retry_after"] <= 3600 + 300
    assert reply["Retry-After"] == str(reply.json()["retry_after"])


@pytest.mark.parametrize(
    ("rate", "seconds"), [("3/h", 3600), ("3/10m", 600), ("1/d", 86400), ("2/90s", 90), ("2/30d", 30 * 86400)]
)
def test_the_wait_is_exact_and_at_most_a_twelfth_of_the_window_longer_than_needed(
    clock: Clock, configure: Configure, rate: str, seconds: int
) -> None:
    clock.stop()
    configure(RATES={"start": {"ip": rate}})
    numbers = iter(NUMBERS)
    for _ in range(int(rate[0])):
        assert Api().starts(next(numbers)).status == 201
        clock.advance(7)

    refused = Api().starts(next(numbers))
    assert refused.wait
    until_the_first_leaves = seconds - 7 * int(rate[0])
    assert until_the_first_leaves <= refused.wait <= until_the_first_leaves + seconds / 12 + 1
    clock.advance(refused.wait - 1)
    too_early = Api().starts(next(numbers))
    clock.advance(1)
    in_time = Api().starts(next(numbers))

    assert (refused.is_too_many, too_early.is_too_many, too_early.wait, in_time.status) == (True, True, 1, 201)


def test_rejected_requests_do_not_extend_the_wait(clock: Clock, configure: Configure) -> None:
    clock.stop()
    configure(RATES={"start": {"ip": "2/h"}})
    numbers = iter(NUMBERS)
    for _ in range(2):
        Api().starts(next(numbers))

    waits = []
    for _ in range(30):
        waits.append(Api().starts(next(numbers)).wait)
        clock.advance(60)

    first = waits[0] or 0
    assert 3600 <= first <= 3600 + 300
    assert waits == [first - 60 * minute for minute in range(30)]


def test_no_period_of_an_hour_has_more_requests_than_the_rate(clock: Clock, configure: Configure) -> None:
    """Fixed windows would let up to twice the rate through around a boundary."""
    clock.stop()
    configure(RATES={"start": {"ip": "20/h"}}, CALLS_PER_DAY_TOTAL=None)
    placed: list[float] = []
    moment = 0.0
    for number in NUMBERS[:300]:
        if Api().starts(number).status == 201:
            placed.append(moment)
        clock.advance(47)
        moment += 47

    most = max(sum(start <= other < start + 3600 for other in placed) for start in placed)
    assert most == 20
    assert len(placed) >= 20 * int(moment // 3600)


def test_of_a_thousand_numbers_from_one_address_exactly_the_cap_is_called(face: Any) -> None:
    people = face()
    numbers = NUMBERS[:1000] if face is Api else NUMBERS[:25]
    placed = sum(not people.starts(number).is_too_many for number in numbers)

    assert (placed, len(outbox)) == (20, 20)


@pytest.mark.parametrize("proxies", [None, 0, 1])
def test_two_hundred_forged_addresses_are_one_requester(face: Any, configure: Configure, proxies: int | None) -> None:
    configure(TRUSTED_PROXIES=proxies)
    tail = ", 203.0.113.5" if proxies else ""
    count = 200 if face is Api and proxies is None else 25

    for n, number in enumerate(NUMBERS[:count]):
        face().starts(
            number, HTTP_X_FORWARDED_FOR=f"198.51.{n // 250}.{n % 250}{tail}", HTTP_FORWARDED=f"for=1.1.1.{n}"
        )

    assert len(outbox) == 20


def test_an_ipv6_network_of_a_customer_is_one_requester(configure: Configure) -> None:
    configure(RATES={"start": {"ip": "1/h"}})

    refused = [
        Api().starts(number, REMOTE_ADDR=address).is_too_many
        for number, address in zip(NUMBERS, ["2001:db8:0:1::1", "2001:db8:0:1:9::2", "2001:db8:0:2::1"], strict=False)
    ]

    assert refused == [False, True, False]


@pytest.mark.parametrize(
    ("proxies", "meta"),
    [
        (2, {"HTTP_X_FORWARDED_FOR": "198.51.100.7"}),
        (1, {}),
        (1, {"HTTP_X_FORWARDED_FOR": "198.51.100.7, somebody"}),
        (0, {"REMOTE_ADDR": ""}),
        (None, {"REMOTE_ADDR": ""}),
        (None, {"REMOTE_ADDR": "unix:"}),
    ],
)
def test_a_request_without_a_known_address_is_refused(
    face: Any, configure: Configure, proxies: int | None, meta: dict[str, str]
) -> None:
    configure(TRUSTED_PROXIES=proxies)

    answer = face().starts(NUMBER, **meta)

    assert "The call could not be placed." in answer.text
    assert (list(outbox), VerificationAttempt.objects.count()) == ([], 0)


def test_the_attempt_stores_the_address_that_was_counted(face: Any, configure: Configure) -> None:
    configure(TRUSTED_PROXIES=1)

    face().starts(NUMBER, HTTP_X_FORWARDED_FOR="1.1.1.1, [2001:db8::7]:4711")

    assert VerificationAttempt.objects.get().requester_ip == "2001:db8::7"


def test_a_repeated_request_counts_once(configure: Configure) -> None:
    configure(RATES={"start": {"ip": "2/h"}})
    client, key = Api().client, str(uuid4())
    ask = lambda number, key: client.post(  # noqa: E731
        "/api/phone/verifications/", {"number": number}, "application/json", headers={"Idempotency-Key": key}
    )

    replies = [ask(NUMBER, key) for _ in range(5)]
    other = ask(NUMBERS[1], str(uuid4()))
    refused = ask(NUMBERS[2], str(uuid4()))
    again = ask(NUMBER, key)

    assert {reply.json()["id"] for reply in replies} == {key}
    assert (other.status_code, refused.status_code, again.status_code) == (201, 429, 201)
    assert len(outbox) == 2


def test_one_key_for_many_numbers_does_not_avoid_the_limit(configure: Configure) -> None:
    configure(RATES={"start": {"ip": "3/h"}})
    client, key = Api().client, str(uuid4())

    statuses = [
        client.post(
            "/api/phone/verifications/", {"number": number}, "application/json", headers={"Idempotency-Key": key}
        ).status_code
        for number in NUMBERS[:3]
    ]

    assert statuses == [201, 409, 409]
    assert len(outbox) == 1
    assert Api().starts(NUMBERS[7]).is_too_many


def test_a_form_sent_twice_at_the_cap_places_one_call_without_an_error(configure: Configure) -> None:
    configure(RATES={"start": {"ip": "1/h"}})
    person = Page()
    visitor = Visitor(person.client).opens("/phone/")
    action, fields = visitor.form("Call me")

    for _ in range(3):
        visitor.sends(action, {**fields, "number": NUMBER})

    assert visitor.heading() == "We are calling you"
    assert len(outbox) == 1


def test_a_repeated_call_again_counts_once(configure: Configure) -> None:
    configure(RATES={"start": {"ip": "2/h"}}, COOLDOWN_SECONDS=0)
    person = Api()
    person.starts(NUMBER)

    answers = [person.calls_again() for _ in range(4)]

    assert [answer.status for answer in answers] == [201] * 4
    assert len(outbox) == 2


def test_a_repeated_request_counts_again_after_a_refusal(configure: Configure) -> None:
    """A rejected request is not a retry, so sending it again counts again."""
    configure(RATES={"start": {"ip": "4/h"}}, COOLDOWN_SECONDS=60)
    person = Api()
    person.starts(NUMBER)
    key = str(uuid4())

    again = [person.calls_again() for _ in range(2)]
    with_a_key = [
        person.client.post(
            "/api/phone/verifications/", {"number": NUMBER}, "application/json", headers={"Idempotency-Key": key}
        ).json()["code"]
        for _ in range(2)
    ]

    assert [answer.is_too_many for answer in again] == [False, False]
    assert with_a_key == ["cooldown", "too_many_requests"]
    assert len(outbox) == 1


def test_a_refusal_is_logged_and_counted(configure: Configure, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    clock.stop()
    configure(RATES={"start": {"ip": "1/h"}})
    told: list[dict[str, Any]] = []
    receive: Callable[..., None] = lambda **news: told.append(news)  # noqa: E731
    signals.verification_refused.connect(receive)
    Api().starts(NUMBER)
    with caplog.at_level("INFO", "django_telroi"):
        Api().starts(NUMBERS[1])
    signals.verification_refused.disconnect(receive)

    (news,) = told
    assert (news["code"], news["number"]) == ("too_many_requests", "+234 803 ••• 0002")
    assert 3600 <= news["retry_after"] <= 3600 + 300
    assert [(tally.code, tally.region, tally.count) for tally in RefusalTally.objects.all()] == [
        ("too_many_requests", "NG", 1)
    ]
    ours = [record.getMessage() for record in caplog.records if record.name == "django_telroi"]
    assert [message.partition(" retry_after")[0] for message in ours] == [
        "rate_limited scope=start by=ip",
        "refused code=too_many_requests region=NG",
    ]


def test_no_cache_key_contains_an_address_a_number_or_a_user(configure: Configure, db: None) -> None:
    configure(RATES={"start": {"ip": "5/h", "user": "5/h"}})
    person = Page(
        User.objects.create_user("grace")
    )  # the name has letters other than hex digits, because a digest could contain it by chance
    person.starts(NUMBER, REMOTE_ADDR="198.51.100.77")
    person.checks(wrong(last_code_for(NUMBER)), REMOTE_ADDR="198.51.100.77")

    keys = list(cache._cache)  # type: ignore[attr-defined]
    kept = [f"{key} {cache.get(key.split(':', 2)[2])!r}" for key in keys]

    # Two limits of starts and of checks, the mark of the start, and the id that tabs share, which is encrypted.
    assert len(kept) == 6
    secrets = (NUMBER[1:], "198.51.100", "grace", VerificationAttempt.objects.get().uuid.hex)
    assert not [text for text in kept if any(secret in text for secret in secrets)]


def test_a_call_of_a_service_has_no_requester(configure: Configure) -> None:
    configure(RATES={"start": {"ip": "0/h", "user": "0/h"}})

    assert start_verification(NUMBER).status == "placed"
    assert Api().starts(NUMBERS[1]).is_too_many


def test_a_form_is_told_that_its_requester_has_used_the_limit(configure: Configure, rf: RequestFactory) -> None:
    configure(RATES={"start": {"ip": "1/h"}})
    limits.check_start(rf.post("/"), NUMBER)
    limits.check_start(rf.post("/"), NUMBER)  # it counts nothing, so the request for the call is still admitted
    limits.start_verification(rf.post("/"), NUMBER)

    with pytest.raises(TooManyRequests):
        limits.check_start(rf.post("/"), NUMBERS[1])


def test_a_hundred_wrong_codes_of_a_stranger_use_no_try_of_the_victim() -> None:
    victim = start_verification(NUMBER)

    for n in range(100):
        stranger = Api(id=str(uuid4()))
        stranger.checks(f"{n:06}", REMOTE_ADDR=f"198.51.100.{n}")
        Page().client.post("/phone/code/", {"code": f"{n:06}", "number": NUMBER})

    victim.refresh_from_db()
    assert victim.tries == 0


def test_two_hundred_sessions_have_no_more_guesses_than_one(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number gets five calls an hour with three tries each, for all requesters together."""
    clock.stop()
    site_clock = hold_site_clock(monkeypatch)
    judged = 0
    for n in range(200):
        person = Api()
        address = f"198.51.{100 + n // 250}.{n % 250}"
        if person.starts(NUMBER, REMOTE_ADDR=address).status == 201:
            for code in range(5):
                person.checks(wrong(last_code_for(NUMBER), by=code + 1), REMOTE_ADDR=address)
        judged = sum(VerificationAttempt.objects.values_list("tries", flat=True))
        site_clock.advance(18)  # 200 of these steps are an hour

    assert judged == 15
