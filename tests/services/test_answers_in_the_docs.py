"""Both tables of Telroi's responses in docs/explanation/how.rst, compared row by row with the code on a real socket.

The expected results are read from the page. The responses that a row names are listed here, by the text of the row's
first cell. A row that is added, removed or changed on the page fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_telroi import services
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCheck
from django_telroi.domain.states import Status
from django_telroi.models import AttemptEvent, CallControl, VerificationAttempt, VerifiedPhone
from django_telroi.services import CheckOutcome, CheckResult
from django_telroi.services.shared.outcomes import ErrorCode
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, let_time_pass, moments, wrong

pytestmark = pytest.mark.django_db

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "how.rst"
OUTCOMES = {str(each) for each in (*Status, *ErrorCode, *CheckOutcome)}
YES_OR_NO = {"yes": True, "no": False}

Row = tuple[str, str]


def rows_below(heading: str) -> dict[str, Row]:
    """Return the rows of the table whose first column has this heading: the first cell, then the other two."""
    table = PAGE.read_text().partition(f"   * - {heading}\n")[2]
    table = re.split(r"^(?! |$)", table, flags=re.MULTILINE)[0]
    rows = [re.split(r"^     - ", row, flags=re.MULTILINE) for row in re.split(r"^   \* - ", table, flags=re.MULTILINE)]
    # The first part is what is left of the row with the headings.
    return {" ".join(first.split()): (" ".join(second.split()), third.strip()) for first, second, third in rows[1:]}


def outcomes_in(text: str) -> list[str]:
    """Return the statuses, error codes and outcomes that a cell names, in order, each once."""
    return list(dict.fromkeys(word for word in re.findall(r"``(\w+)``", text) if word in OUTCOMES))


CALLS = rows_below("Telroi's response to a call")
CODES = rows_below("Telroi's response to a code")

Fault = tuple[str, dict[str, Any]]
REFUSED: Fault = ("connection refused", {})
NO_TLS: Fault = ("no TLS", {})


def statuses(*numbers: int) -> list[Fault]:
    return [("answer", {"status": number}) for number in numbers]


RESPONSES_TO_A_CALL: dict[str, list[Fault]] = {
    "2xx with a valid id": [("chunked", {}), ("no_livemode", {})],
    "Nothing was sent (connection refused, DNS error, connect timeout, TLS error)": [REFUSED, NO_TLS],
    "400, 422": statuses(400, 422),
    "401, 403": statuses(401, 403),
    "429 for the number": [("rate_limited", {"wait": 42})],
    "429 for the key": [("key_limited", {"wait": 42})],
    "503 ``service_unavailable``": [("service_unavailable", {})],
    "502 ``insufficient_funds``": [("insufficient_funds", {})],
    "408, other 5xx": statuses(408, 500, 502, 503, 504),
    "302 to ``/login``, other 4xx, 400 or 422 with an HTML page": [
        ("login", {}),
        *statuses(404, 405, 410, 418),
        *(("proxy_page", {"status": status}) for status in (400, 404, 422)),
    ],
    ("Timeout after sending, connection reset, other redirects, an invalid body, 2xx without a valid id"): [
        ("hang", {}),
        ("reset", {}),
        ("redirect", {"status": 301}),
        ("not_json", {}),
        ("no_id", {}),
        ("null_id", {}),
    ],
}


def fault_id(value: object) -> str | None:
    return "-".join(map(str, value)) if isinstance(value, tuple) else None


class TestACall:
    """Each response to a call has the result of its row, whether the web request or a worker sends it."""

    def test_the_page_has_the_rows_that_are_tested(self) -> None:
        assert list(CALLS) == list(RESPONSES_TO_A_CALL)

    @pytest.mark.parametrize(
        ("row", "fault"),
        [(row, fault) for row, faults in RESPONSES_TO_A_CALL.items() for fault in faults],
        ids=fault_id,
    )
    @pytest.mark.parametrize("dispatch", ["inline", "celery"])
    def test_a_response_has_the_result_of_its_row(
        self, telroi: Simulator, configure: Configure, celery_app: Any, dispatch: str, row: str, fault: Fault
    ) -> None:
        result, counts = CALLS[row]
        inline, _, celery = result.partition("With workers:")
        configure(DISPATCH=dispatch)

        attempt = place_call(telroi, configure, fault)

        is_retried = dispatch == "celery" and "queued" in outcomes_in(celery)
        control = CallControl.objects.first() or CallControl()
        seconds = re.search(r"wait (\d+) seconds", inline)
        assert shown([attempt.status, *([] if is_retried else [attempt.error_code])]) == (
            ["queued"] if is_retried else outcomes_in(inline)
        )
        assert bool(AttemptEvent.objects.filter(kind="alert")) is ("an alert" in inline)
        assert bool(control.paused_until) is ("All calls with this key wait" in inline)
        assert bool(attempt.phone.held_until) is ("The number is held" in inline)
        if seconds and control.paused_until:
            assert round((control.paused_until - timezone.now()).total_seconds(), -1) == int(seconds[1])
        if not is_retried:  # a queued call keeps its moment until it is over
            assert (len(moments()) == 1) is YES_OR_NO[counts]


def place_call(telroi: Simulator, configure: Configure, fault: Fault) -> VerificationAttempt:
    """Request a call to which Telroi responds with this fault, and return the attempt after a worker's turn."""
    name, options = fault
    if name == "hang":
        configure(READ_TIMEOUT_SECONDS=2, TOTAL_TIMEOUT_SECONDS=3)
    if fault == NO_TLS:
        configure(BASE_URL=telroi.base_url.replace("http:", "https:"))
    if fault == REFUSED:
        with telroi.refusing():
            return request_and_place()
    if fault != NO_TLS:
        # A request with a code of this site that gets 400 or 422 is sent once more without the code.
        telroi.fail_next(name, on="send", times=2 if options.get("status") in (400, 422) else 1, **options)
    return request_and_place()


def request_and_place() -> VerificationAttempt:
    attempt = services.start_verification(NUMBER)
    services.place_call(attempt.pk)  # changes nothing if the call was placed inline
    return VerificationAttempt.objects.select_related("phone").get(pk=attempt.pk)


def shown(words: list[str]) -> list[str]:
    """Return these words without empty ones and repetitions."""
    return list(dict.fromkeys(filter(None, words)))


class Killed(BaseException):
    """The process is gone."""


class MortalBackend(TelroiBackend):
    """Telroi judges the code, and the process is killed before the answer."""

    is_doomed: ClassVar[bool] = False

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        check = super().check_code(code, call_id=call_id, to=to)
        if self.is_doomed:
            raise Killed
        return check


@dataclass
class Site:
    """A site that checks codes. ``outcomes`` are the results of the codes that a row is about, in order."""

    telroi: Simulator
    configure: Configure
    monkeypatch: pytest.MonkeyPatch

    def __post_init__(self) -> None:
        self.configure(BACKEND=f"{__name__}.MortalBackend")
        self.outcomes: list[str] = []
        self.uses_try: set[bool] = set()
        self._typed: set[str] = set()

    def call(self, *, by_number: bool = False, user: User | None = None) -> Site:
        if VerificationAttempt.objects.exists():
            let_time_pass(3601, self.telroi)  # no limit of the number applies
        if by_number:
            self.telroi.fail_next("no_id", on="send")
        self.attempt = services.start_verification(NUMBER, user=user)
        self.right = self.telroi.last_code_for(NUMBER)
        self._typed = set()
        return self

    def lose(self, code: str, *, is_pending: bool = False) -> None:
        """Type a code whose answer is lost. With ``is_pending`` it may still arrive."""
        self._typed.add(code)
        with self.monkeypatch.context() as dying:
            dying.setattr(MortalBackend, "is_doomed", True)
            with pytest.raises(Killed):
                services.check_code(self.attempt.uuid, code)
        if not is_pending:
            let_time_pass(60, self.telroi)

    def use_tries(self, count: int) -> None:
        """Type wrong codes that the row is not about."""
        for by in range(1, count + 1):
            self._typed.add(wrong(self.right, by=by))
            services.check_code(self.attempt.uuid, wrong(self.right, by=by))

    def check(self, code: str, *fault: str, **options: Any) -> CheckResult:
        """Type a code, and note its outcome with the new status and error code of the attempt."""
        self._typed.add(code)
        if fault:
            self.telroi.fail_next(*fault, on="verify", **options)
        result = services.check_code(self.attempt.uuid, code, user=self.attempt.user)
        row = VerificationAttempt.objects.get(pk=self.attempt.pk)
        is_new = row.status not in ("placed", "unknown")
        self.outcomes += [str(result.outcome), *([row.status, row.error_code] if is_new else [])]
        self.uses_try.add(row.tries == len(self._typed))
        return result

    def answer(self, status: str, **more: Any) -> CheckResult:
        """Type a wrong code, to which Telroi answers with this status."""
        return self.check(wrong(self.right), "fields", change={"status": status, "verified": False, **more})


def verified(site: Site) -> None:
    site.call().check(site.right)
    ada, ben = (User.objects.create_user(name) for name in ("ada", "ben"))
    site.configure(ONE_ACCOUNT_PER_NUMBER=True)
    site.call(user=ben)
    VerifiedPhone.objects.create(user=ada, number=NUMBER, verified_at=timezone.now())
    site.check(site.right)
    assert VerifiedPhone.objects.filter(user=ben).count() == 0


def mismatch(site: Site) -> None:
    left = [site.call().answer("mismatch", attempts_left=telrois).tries_left for telrois in (1, 9)]
    for by in (2, 3):
        site.check(wrong(site.right, by=by))
    assert left == [1, 2]  # the smaller of both counts
    site.call().check(site.right, "verified_by_flag_only")


def locked_or_expired(site: Site) -> None:
    for status in ("locked", "expired"):
        site.call().answer(status)


def already_verified_for_the_id(site: Site) -> None:
    site.call().lose(site.right)
    site.check(site.right)

    site.call().lose(site.right)
    site.check(wrong(site.right))

    site.call().lose(site.right, is_pending=True)
    site.check(wrong(site.right))

    site.call().lose(wrong(site.right))
    site.lose(site.right)
    site.check(site.right)

    site.call().answer("already_verified")


def already_verified_for_the_number(site: Site) -> None:
    site.call(by_number=True).answer("already_verified")
    site.call(by_number=True).lose(wrong(site.right, by=2), is_pending=True)
    site.answer("already_verified")


def call_is_not_known(site: Site) -> None:
    site.call().answer("not_found")
    for status in (400, 404, 422):
        site.call().check(site.right, "answer", status=status)


def not_judged(site: Site) -> None:
    site.call()
    with site.telroi.refusing():
        site.check(site.right)
    site.check(site.right, "login")
    site.check(site.right, "service_unavailable")
    for status in (401, 403, 405, 429):
        site.check(site.right, "answer", status=status)
    for status in (400, 404, 422):
        site.check(site.right, "proxy_page", status=status)


def perhaps_judged(site: Site) -> None:
    for fault, options in (
        ("reset", {}),
        ("not_json", {}),
        ("redirect", {}),
        *statuses(408, 410, 500, 502, 503),
        ("verified_by_status_only", {}),
        ("verified_string", {}),
    ):
        site.call().check(site.right, fault, **options)
    site.call()
    site.configure(READ_TIMEOUT_SECONDS=2, TOTAL_TIMEOUT_SECONDS=3)
    site.check(site.right, "hang")
    site.configure(READ_TIMEOUT_SECONDS=5, TOTAL_TIMEOUT_SECONDS=5)

    site.call().use_tries(2)
    for _ in range(2):
        site.check(site.right, "server_error")
    assert services.check_code(site.attempt.uuid, site.right).outcome == "verified"


def verified_with_a_test_key(site: Site) -> None:
    site.call().check(site.right, "livemode_false")


RESPONSES_TO_A_CODE: dict[str, Callable[[Site], None]] = {
    "``verified`` is ``true`` and the status is ``verified``": verified,
    "``mismatch``": mismatch,
    "``locked``, ``expired``": locked_or_expired,
    "``already_verified``, for the id of the call": already_verified_for_the_id,
    "``already_verified``, for the number": already_verified_for_the_number,
    "``not_found``, 400, 404, 422": call_is_not_known,
    (
        "Nothing was sent, 302 to ``/login``, 401, 403, 405, 429, 503 ``service_unavailable``, "
        "400, 404 or 422 with an HTML page"
    ): not_judged,
    (
        "Timeout, connection reset, an invalid body, all other responses. "
        "Also if the status is ``verified`` and ``verified`` is not ``true``."
    ): perhaps_judged,
    "A success with a test key while ``ALLOW_TEST_KEY`` is off": verified_with_a_test_key,
}


@pytest.mark.codes("telroi")
class TestACode:
    """Each response to a code has the outcome of its row, in the order in which the row names them."""

    def test_the_page_has_the_rows_that_are_tested(self) -> None:
        assert list(CODES) == list(RESPONSES_TO_A_CODE)

    @pytest.mark.parametrize("row", RESPONSES_TO_A_CODE)
    def test_a_response_has_the_outcome_of_its_row(
        self, telroi: Simulator, configure: Configure, monkeypatch: pytest.MonkeyPatch, row: str
    ) -> None:
        outcome, uses_try = CODES[row]
        site = Site(telroi, configure, monkeypatch)

        RESPONSES_TO_A_CODE[row](site)

        assert shown(site.outcomes) == outcomes_in(outcome)
        assert site.uses_try == {YES_OR_NO[uses_try]}
        assert bool(AttemptEvent.objects.filter(kind="alert")) is ("an alert" in outcome)
