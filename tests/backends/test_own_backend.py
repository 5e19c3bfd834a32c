"""A backend of the site: everything that it raises or returns has an outcome and never causes a 500."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.test import Client
from django.utils import timezone

from django_telroi import conf, services
from django_telroi.backends import Backend, get_backend, spoken_length
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.domain.typed_codes import CodeLength
from django_telroi.errors import (
    ApiError,
    ApiOutcomeUnknown,
    ApiRefused,
    ApiUnreachable,
    Misconfigured,
    Unavailable,
    VerificationRefused,
)
from django_telroi.models import AttemptEvent, VerificationAttempt
from django_telroi.services.sentences import NO_CODE_CHECKED, result_sentence, status_sentence
from django_telroi.services.shared.secrets import digest_of
from tests.calling_site import Configure
from tests.rest.world import PhoneApi
from tests.services.world import NUMBER, before_the_first, let_time_pass
from tests.web.visitor import Visitor

pytestmark = pytest.mark.django_db

RIGHT, WRONG = "482913", "482914"
IDS = ["RV0123456789abcdef", "verify/2024:1-x_y~z", "42", "otp_test_9", "Ünïcode", "x" * 200]
BAD_IDS: list[Any] = ["", "x" * 201, "x" * 5_000, "a\x00b", "a\nb", "\ud800", "😀", None, 42, b"RV01", ["RV01"]]


class OwnBackend(Backend):
    """A backend with results that a test sets."""

    call: ClassVar[Callable[[str], Any]]
    check: ClassVar[Callable[[str], Any]]
    slot: ClassVar[Callable[[], None]]
    judges: ClassVar[Callable[[str], Any]]
    asked: ClassVar[list[tuple[str, str | None]]] = []

    @classmethod
    def provider_url(cls) -> str:
        return "http://127.0.0.1"

    def admit_call(self) -> None:
        type(self).slot()

    def return_call(self) -> None:
        type(self).slot()

    def admit_check(self) -> None:
        type(self).slot()

    def judges_by_id(self, call_id: str) -> bool:
        answer: bool = type(self).judges(call_id)
        return answer

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        call: OtpCall = type(self).call(to)
        return call

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        self.asked.append((code, call_id))
        check: OtpCheck = type(self).check(code)
        return check


def raising(error: BaseException) -> Callable[..., Any]:
    def act(*args: object, **named: object) -> Any:
        raise error

    return act


@pytest.fixture(autouse=True)
def carrier(configure: Configure) -> type[OwnBackend]:
    configure(BACKEND=f"{__name__}.OwnBackend")
    OwnBackend.call = staticmethod(lambda to: OtpCall(id="RV01", to=to))
    OwnBackend.check = staticmethod(lambda code: OtpCheck(verified=code == RIGHT))
    OwnBackend.slot = staticmethod(lambda: None)
    OwnBackend.judges = staticmethod(lambda call_id: True)
    OwnBackend.asked.clear()
    return OwnBackend


def row() -> VerificationAttempt:
    return VerificationAttempt.objects.get()


def test_the_two_replies_need_only_an_id_and_a_result() -> None:
    attempt = services.start_verification(NUMBER)

    outcomes = [str(services.check_code(attempt.uuid, code).outcome) for code in (WRONG, RIGHT)]

    assert (attempt.status, outcomes) == ("placed", ["wrong_code", "verified"])
    assert OtpCheck(verified=True).status == "verified"
    assert OtpCheck(verified=False).status == "mismatch"


class TestTheIdOfACall:
    """The backend chooses the id and gets it back unchanged."""

    @pytest.mark.parametrize("call_id", IDS)
    def test_is_passed_to_the_check_unchanged(self, carrier: type[OwnBackend], call_id: str) -> None:
        carrier.call = staticmethod(lambda to: OtpCall(id=call_id, to=to))
        attempt = services.start_verification(NUMBER)

        outcome = services.check_code(attempt.uuid, RIGHT).outcome

        assert (outcome, carrier.asked, row().telroi_id) == ("verified", [(RIGHT, call_id)], call_id)

    @pytest.mark.parametrize("call_id", BAD_IDS)
    def test_that_cannot_be_stored_makes_the_call_unknown_and_judged_by_number(
        self, carrier: type[OwnBackend], call_id: Any
    ) -> None:
        carrier.call = staticmethod(lambda to: OtpCall(id=call_id, to=to))

        attempt = services.start_verification(NUMBER)
        outcome = services.check_code(attempt.uuid, RIGHT).outcome

        assert (attempt.status, attempt.telroi_id, outcome) == ("unknown", None, "verified")
        assert carrier.asked == [(RIGHT, None)]

    def test_that_another_call_has_is_not_stored(self, carrier: type[OwnBackend]) -> None:
        services.start_verification(NUMBER)
        let_time_pass(61)

        second = services.start_verification(NUMBER)

        assert (second.status, second.telroi_id) == ("unknown", None)

    def test_is_omitted_if_the_backend_cannot_judge_by_it(self, carrier: type[OwnBackend]) -> None:
        carrier.judges = staticmethod(lambda call_id: False)
        attempt = services.start_verification(NUMBER)

        services.check_code(attempt.uuid, RIGHT)

        assert carrier.asked == [(RIGHT, None)]

    def test_is_used_if_the_backend_does_not_say_otherwise(self, carrier: type[OwnBackend]) -> None:
        carrier.judges = raising(ZeroDivisionError())
        attempt = services.start_verification(NUMBER)

        outcome = services.check_code(attempt.uuid, RIGHT).outcome

        assert (outcome, carrier.asked) == ("verified", [(RIGHT, "RV01")])


class NeedsAnId(OwnBackend):
    """A backend that cannot check a code by number."""

    judges_by_number = False


@pytest.mark.codes("telroi")
class TestABackendThatNeedsAnId:
    """The person is not asked for a code that cannot be checked."""

    @pytest.fixture(autouse=True)
    def _needs_an_id(self, configure: Configure) -> None:
        configure(BACKEND=f"{__name__}.NeedsAnId")

    @pytest.mark.parametrize("error", [ApiOutcomeUnknown(), ApiRefused(500), ZeroDivisionError()], ids=repr)
    def test_closes_a_call_without_an_id(self, carrier: type[OwnBackend], error: Exception) -> None:
        carrier.call = raising(error)

        attempt = services.start_verification(NUMBER)
        result = services.check_code(attempt.uuid, RIGHT)

        assert (attempt.status, attempt.error_code, row().closed_at is None) == ("expired", "lost", False)
        assert (result.outcome, row().tries, carrier.asked) == ("expired", 0, [])
        assert status_sentence(services.follow(attempt.uuid)) == str(NO_CODE_CHECKED)
        assert result_sentence(result) == str(NO_CODE_CHECKED)

    @pytest.mark.parametrize(("code", "outcome"), [(RIGHT, "verified"), ("999999", "already_verified")])
    def test_verifies_no_other_code_while_the_right_one_succeeds(
        self, carrier: type[OwnBackend], code: str, outcome: str
    ) -> None:
        attempt = services.start_verification(NUMBER)
        VerificationAttempt.objects.update(telroi_id=None)

        def succeed() -> None:
            digest = digest_of(attempt.uuid, NUMBER, RIGHT)
            VerificationAttempt.objects.update(status="verified", code_digest=digest, verified_at=timezone.now())

        with before_the_first("UPDATE", succeed):
            result = services.check_code(attempt.uuid, code)

        assert (result.outcome, result.proof is None) == (outcome, code != RIGHT)

    def test_counts_the_call_because_the_phone_may_ring(self, carrier: type[OwnBackend]) -> None:
        carrier.call = raising(ApiOutcomeUnknown())
        services.start_verification(NUMBER)

        assert started() == "cooldown"

    def test_closes_a_call_whose_lease_ended_when_it_is_read(self, carrier: type[OwnBackend]) -> None:
        attempt = services.start_verification(NUMBER)
        long_ago = attempt.dialed_at - timedelta(seconds=1)
        VerificationAttempt.objects.update(status="dialing", telroi_id=None, due_at=long_ago)

        standing = services.follow(attempt.uuid)

        assert (standing.attempt.status, standing.attempt.error_code) == ("expired", "lost")

    def test_closes_a_call_with_an_id_that_it_does_not_accept(self, carrier: type[OwnBackend]) -> None:
        carrier.judges = staticmethod(lambda call_id: False)
        attempt = services.start_verification(NUMBER)

        result = services.check_code(attempt.uuid, RIGHT)

        assert (attempt.status, result.outcome, row().tries, carrier.asked) == ("placed", "expired", 0, [])

    def test_checks_a_call_with_an_id(self) -> None:
        attempt = services.start_verification(NUMBER)

        assert services.check_code(attempt.uuid, RIGHT).outcome == "verified"

    def test_says_so_on_the_page(self, carrier: type[OwnBackend], client: Client) -> None:
        carrier.call = raising(ApiOutcomeUnknown())

        page = Visitor(client).opens("/phone/").presses("Call me", number=NUMBER)

        assert page.heading() == "We could not confirm the call"
        assert str(NO_CODE_CHECKED) in page.card().text
        assert "type the code" not in page.card().text

    def test_says_so_in_the_api(self, carrier: type[OwnBackend]) -> None:
        carrier.call = raising(ApiOutcomeUnknown())

        reply = PhoneApi().start()

        assert (reply.json()["status"], reply.json()["detail"]) == ("expired", str(NO_CODE_CHECKED))


class Odd(ApiRefused):
    """Return a reply without its fields."""

    def __init__(self) -> None:
        Exception.__init__(self)

    def __repr__(self) -> str:
        return "Odd"


SURPRISES = [
    ZeroDivisionError("482913"),
    KeyError("482913"),
    RecursionError(),
    MemoryError(),
    TimeoutError("timed out"),
    ConnectionResetError(),
    StopIteration(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "482913"),
    ValueError("\ud800 482913"),
    Misconfigured(),
    Unavailable(5),
    ApiError(),
    Odd(),
    ApiRefused("402", "482913"),  # type: ignore[arg-type]
    ApiRefused(None),  # type: ignore[arg-type]
]


class TestACheckThatFails:
    """The code is in doubt: it keeps its try and can be typed again."""

    @pytest.mark.parametrize("error", SURPRISES, ids=repr)
    def test_keeps_the_try_and_the_digest(
        self, carrier: type[OwnBackend], caplog: pytest.LogCaptureFixture, error: Exception
    ) -> None:
        attempt = services.start_verification(NUMBER)
        carrier.check = raising(error)

        result = services.check_code(attempt.uuid, RIGHT)

        assert (result.outcome, result.was_judged) == ("unavailable", False)
        assert (row().status, row().tries, len(row().judging)) == ("placed", 1, 1)
        assert list(AttemptEvent.objects.values_list("kind", flat=True)) == ["code_unjudged"]
        assert RIGHT not in caplog.text

    def test_is_judged_when_the_same_code_is_sent_again(self, carrier: type[OwnBackend]) -> None:
        attempt = services.start_verification(NUMBER)
        right, carrier.check = carrier.check, raising(ZeroDivisionError())
        services.check_code(attempt.uuid, RIGHT)
        carrier.check = staticmethod(right)

        result = services.check_code(attempt.uuid, RIGHT)

        assert (result.outcome, row().tries) == ("verified", 1)

    def test_is_logged_by_its_type_only(self, carrier: type[OwnBackend], caplog: pytest.LogCaptureFixture) -> None:
        attempt = services.start_verification(NUMBER)
        carrier.check = raising(ZeroDivisionError(f"{RIGHT} for {NUMBER}"))

        services.check_code(attempt.uuid, RIGHT)

        [line] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        place = rf"{__name__}:{raising.__code__.co_firstlineno + 2}"
        assert line == f"backend_failed attempt={attempt.pk} error=ZeroDivisionError at={place}"

    @pytest.mark.parametrize(
        ("check", "line"),
        [
            (raising(ApiRefused(400)), "check_refused attempt={pk} status=400 code=-"),
            (raising(ApiRefused(404, "no_such_call")), "check_refused attempt={pk} status=404 code=no_such_call"),
            (raising(ApiRefused(422, f"x{RIGHT}")), "check_refused attempt={pk} status=422 code=-"),
            (raising(ApiRefused(500)), "check_refused attempt={pk} status=500 code=-"),
            (
                lambda code: OtpCheck(verified=False, status="odd"),
                "check_unreadable attempt={pk} status=odd verified=False",
            ),
            (
                lambda code: OtpCheck(verified=False, status=f"no {RIGHT}\n"),
                "check_unreadable attempt={pk} status=- verified=False",
            ),
            (
                lambda code: OtpCheck(verified=True, status="mismatch"),
                "check_unreadable attempt={pk} status=mismatch verified=True",
            ),
        ],
    )
    def test_that_uses_a_try_and_does_not_verify_is_logged(
        self, carrier: type[OwnBackend], caplog: pytest.LogCaptureFixture, check: Callable[[str], Any], line: str
    ) -> None:
        attempt = services.start_verification(NUMBER)
        carrier.check = staticmethod(check)

        services.check_code(attempt.uuid, RIGHT)

        assert [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING] == [
            line.format(pk=attempt.pk)
        ]

    @pytest.mark.parametrize(
        "reply",
        [
            None,
            True,
            "verified",
            {"verified": True, "status": "verified"},
            (True, {}),
            OtpCheck(verified="yes"),  # type: ignore[arg-type]
            OtpCheck(verified=1, status="verified"),  # type: ignore[arg-type]
            OtpCheck(verified=None),  # type: ignore[arg-type]
            OtpCheck(verified=True, status="approved"),
            OtpCheck(verified=True, status="mismatch"),
            OtpCheck(verified=True, status="locked"),
            OtpCheck(verified=False, status="verified"),
            OtpCheck(verified=False, status="\x00"),
            OtpCheck(verified=False, status=None),  # type: ignore[arg-type]
            OtpCheck(verified=False, status=["mismatch"]),  # type: ignore[arg-type]
            OtpCheck(verified=True, livemode="false"),  # type: ignore[arg-type]
            OtpCall(id="RV01", to=NUMBER),
        ],
        ids=repr,
    )
    def test_includes_a_reply_without_a_result(self, carrier: type[OwnBackend], reply: Any) -> None:
        attempt = services.start_verification(NUMBER)
        carrier.check = staticmethod(lambda code: reply)

        result = services.check_code(attempt.uuid, RIGHT)

        assert (result.outcome, row().status, row().tries) == ("unavailable", "placed", 1)

    @pytest.mark.parametrize("tries_left", [-1, 1.5, "2", True, None, 10**30])
    def test_ignores_an_invalid_number_of_tries(self, carrier: type[OwnBackend], tries_left: Any) -> None:
        attempt = services.start_verification(NUMBER)
        carrier.check = staticmethod(lambda code: OtpCheck(verified=False, tries_left=tries_left))

        result = services.check_code(attempt.uuid, WRONG)

        assert (result.outcome, result.tries_left) == ("wrong_code", 2)

    @pytest.mark.parametrize(
        ("error", "outcome", "tries"),
        [
            (ApiUnreachable(), "unavailable", 0),
            (ApiOutcomeUnknown(), "unavailable", 1),
            (ApiRefused(429, "slow_down", "", 10**12), "unavailable", 0),  # type: ignore[arg-type]
            (ApiRefused(429, "slow_down", "", "soon"), "unavailable", 0),  # type: ignore[arg-type]
            (ApiRefused(429, None, None, float("nan"), "moon"), "unavailable", 0),  # type: ignore[arg-type]
            (ApiRefused(503, "service_unavailable", b"\x00", -3), "unavailable", 0),  # type: ignore[arg-type]
            (ApiRefused(404), "expired", 1),
        ],
        ids=repr,
    )
    def test_with_an_error_of_the_contract_has_the_documented_meaning(
        self, carrier: type[OwnBackend], error: Exception, outcome: str, tries: int
    ) -> None:
        attempt = services.start_verification(NUMBER)
        carrier.check = raising(error)

        result = services.check_code(attempt.uuid, RIGHT)

        assert (result.outcome, row().tries) == (outcome, tries)


class TestACallThatFails:
    """It is unknown whether the phone rings."""

    @pytest.mark.parametrize("error", SURPRISES, ids=repr)
    def test_is_unknown_and_counts(self, carrier: type[OwnBackend], error: Exception) -> None:
        carrier.call = raising(error)

        attempt = services.start_verification(NUMBER)

        assert (attempt.status, attempt.error_code) == ("unknown", "no_reply")

    @pytest.mark.parametrize(
        "reply", [None, "RV01", {"id": "RV01"}, OtpCheck(verified=True), ("RV01", NUMBER)], ids=repr
    )
    def test_includes_a_reply_without_an_id(self, carrier: type[OwnBackend], reply: Any) -> None:
        carrier.call = staticmethod(lambda to: reply)

        attempt = services.start_verification(NUMBER)

        assert (attempt.status, attempt.error_code) == ("unknown", "no_reply")

    @pytest.mark.parametrize(
        "changes",
        [
            {"expires_at": "2030-01-01T00:00:00Z"},
            {"expires_at": datetime(2030, 1, 1)},  # noqa: DTZ001
            {"expires_at": datetime(1, 1, 1, tzinfo=UTC)},
            {"livemode": "no"},
            {"livemode": 1},
            {"verification": {}},
            {"status": None},
        ],
        ids=repr,
    )
    def test_does_not_result_from_invalid_optional_fields(
        self, carrier: type[OwnBackend], changes: dict[str, Any]
    ) -> None:
        carrier.call = staticmethod(lambda to: replace(OtpCall(id="RV01", to=to), **changes))

        attempt = services.start_verification(NUMBER)

        assert (attempt.status, row().livemode, row().telroi_id) == ("placed", None, "RV01")

    @pytest.mark.parametrize(
        ("error", "status", "detail"),
        [
            (
                ApiRefused(422, "bad", "No number: +2348031234567\x00\n\ud800"),
                "failed",
                "No number: [hidden]",
            ),
            (ApiRefused(422, None, None), "failed", ""),  # type: ignore[arg-type]
            (ApiRefused(429, "x", "", 10**12, "number"), "failed", ""),
            (ApiRefused(429, "x", "", "1 h", "number"), "failed", ""),  # type: ignore[arg-type]
            (ApiRefused(503, "service_unavailable", "x" * 900), "failed", "x" * 200),
            (ApiRefused(502, "x", 7), "unknown", ""),  # type: ignore[arg-type]
        ],
        ids=repr,
    )
    def test_with_an_error_of_the_contract_has_the_documented_meaning(
        self, carrier: type[OwnBackend], error: Exception, status: str, detail: str
    ) -> None:
        carrier.call = raising(error)

        attempt = services.start_verification(NUMBER)

        assert (attempt.status, row().error_detail) == (status, detail)


class TestASlotThatFails:
    """Nothing was sent, so nothing is counted."""

    @pytest.mark.parametrize("error", [*SURPRISES, ApiUnreachable(), ApiOutcomeUnknown()], ids=repr)
    def test_for_a_call_refuses_the_start(self, carrier: type[OwnBackend], error: Exception) -> None:
        carrier.slot = raising(error)

        with pytest.raises(Unavailable):
            services.start_verification(NUMBER)

        assert VerificationAttempt.objects.count() == 0

    @pytest.mark.parametrize("error", [*SURPRISES, ApiUnreachable(), ApiOutcomeUnknown()], ids=repr)
    def test_for_a_check_gives_the_try_back(self, carrier: type[OwnBackend], error: Exception) -> None:
        attempt = services.start_verification(NUMBER)
        carrier.slot = raising(error)

        result = services.check_code(attempt.uuid, RIGHT)

        assert (result.outcome, row().tries, carrier.asked) == ("unavailable", 0, [])

    def test_to_be_given_back_does_not_hide_the_refusal(
        self, carrier: type[OwnBackend], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(carrier, "return_call", raising(ZeroDivisionError()))
        monkeypatch.setattr("django_telroi.services.calls.claim_and_call.claim_start", raising(Unavailable(7)))

        with pytest.raises(Unavailable):
            services.start_verification(NUMBER)


class ItsConstructor(OwnBackend):
    """A backend whose constructor raises an error that a test sets."""

    makes: ClassVar[Callable[[], Any]]

    def __new__(cls) -> Any:
        return cls.makes()


class TestAConstructorThatFails:
    """The site is misconfigured. The log says so."""

    @pytest.fixture(autouse=True)
    def _its_constructor(self, configure: Configure) -> None:
        configure(BACKEND=f"{__name__}.ItsConstructor")

    @pytest.mark.parametrize(
        "makes",
        [
            raising(KeyError("CARRIER_TOKEN")),
            raising(ZeroDivisionError()),
            raising(ApiUnreachable()),
            raising(Misconfigured()),
            lambda: None,
            lambda: "a backend",
        ],
    )
    def test_refuses_the_start_and_leaves_the_code_unjudged(
        self, configure: Configure, makes: Callable[[], Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        ItsConstructor.makes = staticmethod(OwnBackend)
        attempt = services.start_verification(NUMBER)
        let_time_pass(61)
        ItsConstructor.makes = staticmethod(makes)

        starts, outcome = started(), services.check_code(attempt.uuid, RIGHT).outcome

        assert (starts, outcome) == ("misconfigured", "unavailable")
        assert "CARRIER_TOKEN" not in caplog.text

    def test_with_misconfigured_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        ItsConstructor.makes = raising(Misconfigured())

        with pytest.raises(Misconfigured):
            get_backend()

        assert caplog.messages == ["misconfigured reason=backend_settings"]

    @pytest.mark.parametrize("digest", [None, 7, "x" * 65, "a\x00b", "\ud800", "😀"])
    def test_with_an_invalid_digest_raises_misconfigured(self, digest: Any) -> None:
        ItsConstructor.makes = staticmethod(lambda: with_digest(digest))

        with pytest.raises(Misconfigured):
            get_backend()

    def test_is_answered_with_503_and_not_500(self, configure: Configure) -> None:
        ItsConstructor.makes = raising(KeyError("CARRIER_TOKEN"))

        reply = PhoneApi().start()

        assert (reply.status_code, reply.json()["code"]) == (503, "misconfigured")

    def test_includes_a_module_that_cannot_be_imported(self, configure: Configure) -> None:
        configure(BACKEND="tests.backends.broken_module.Backend")

        with pytest.raises(Misconfigured):
            services.start_verification(NUMBER)


class ItsLength(OwnBackend):
    """A backend with a spoken length that a test sets."""

    says: ClassVar[Callable[[int], Any]]

    @classmethod
    def spoken_length(cls, asked: int) -> CodeLength:
        length: CodeLength = cls.says(asked)
        return length


@pytest.mark.parametrize(
    "says",
    [
        raising(KeyError("length")),
        lambda asked: None,
        lambda asked: 6,
        lambda asked: CodeLength(longest=0, expected=0, is_certain=True),
        lambda asked: CodeLength(longest=4, expected=6, is_certain=True),
        lambda asked: CodeLength(longest=12, expected=11, is_certain=True),
        lambda asked: CodeLength(longest="6", expected="6", is_certain=True),  # type: ignore[arg-type]
    ],
)
def test_an_invalid_spoken_length_is_ignored(configure: Configure, says: Callable[[int], Any]) -> None:
    configure(BACKEND=f"{__name__}.ItsLength")
    ItsLength.says = staticmethod(says)

    assert spoken_length(conf.code_length()) == CodeLength(longest=6, expected=6, is_certain=False)


@pytest.fixture
def api() -> PhoneApi:
    return PhoneApi()


@pytest.mark.parametrize("error", [ZeroDivisionError(), ApiRefused("x"), Misconfigured()], ids=repr)  # type: ignore[arg-type]
def test_the_api_answers_503_and_never_500(api: PhoneApi, carrier: type[OwnBackend], error: Exception) -> None:
    uuid = api.started()
    carrier.check = raising(error)

    reply = api.check(uuid, RIGHT)

    assert (reply.status_code, reply.json()["outcome"]) == (503, "unavailable")


def started() -> str:
    try:
        return services.start_verification(NUMBER).status
    except VerificationRefused as refusal:
        return refusal.code


def with_digest(digest: Any) -> Backend:
    backend = OwnBackend()
    backend.key_digest = digest
    return backend
