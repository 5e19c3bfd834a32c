"""The same refusal has the same code, sentence and wait on every face."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client, RequestFactory
from django.utils import timezone

import django_telroi
from django_telroi import errors, limits, services
from django_telroi.conf import TELROI_BACKEND
from django_telroi.errors import VerificationRefused
from django_telroi.services import sentences
from django_telroi.services.sentences import sentence
from django_telroi.services.staff.call_stops import pause_destination
from django_telroi.services.typed_numbers import explain_rejected
from django_telroi.simulator import Simulator
from django_telroi.testing import running_simulator

NUMBER = "+2348031234567"
PREMIUM_NUMBER = "+2347001234567"


@dataclass
class Site:
    """A site that will refuse ``number`` for ``purpose``."""

    settings: Any
    telroi: Simulator
    number: str = NUMBER
    purpose: str = ""
    asked_by: str | None = None

    def configure(self, **keys: Any) -> None:
        self.settings.TELROI = {**self.settings.TELROI, **keys}

    def call(self) -> None:
        services.start_verification(self.number)


def no_number(site: Site) -> None:
    site.number = "+234 803"


def premium(site: Site) -> None:
    site.number = PREMIUM_NUMBER


def blocked(site: Site) -> None:
    services.block_number(NUMBER, reason="fraud", actor="ada")


def prefix_blocked(site: Site) -> None:
    services.block_destination("+2348031", reason="fraud", actor="ada")


def region_blocked(site: Site) -> None:
    services.block_destination("NG", reason="fraud", actor="ada")


def paused_by_the_breaker(site: Site) -> None:
    pause_destination(
        "+2348031",
        length=timedelta(minutes=10),
        reason="40 calls in an hour, 0 of them verified",
        ended_at=None,
        now=timezone.now(),
        using="default",
    )


def vetoed(site: Site) -> None:
    site.configure(MAY_START="tests.limits.vetoes.says_no")


def other_region(site: Site) -> None:
    site.configure(ALLOWED_REGIONS=["GH"])


def other_purpose(site: Site) -> None:
    site.purpose = "payout"


def called_just_now(site: Site) -> None:
    site.call()


def called_for_the_hour(site: Site) -> None:
    site.configure(COOLDOWN_SECONDS=0, CALLS_PER_HOUR=1)
    site.call()


def called_for_the_day(site: Site) -> None:
    site.configure(COOLDOWN_SECONDS=0, CALLS_PER_DAY=1)
    site.call()


def paused_destination(site: Site) -> None:
    services.block_destination("NG", length=timedelta(hours=1), reason="pumping", actor="ada")


def held_by_telroi(site: Site) -> None:
    site.telroi.fail_next("rate_limited")
    site.call()


def too_many_wrong_codes(site: Site) -> None:
    site.configure(COOLDOWN_SECONDS=0, WRONG_CODES={"warn": 1, "wait": 1, "lock": 1})
    attempt = services.start_verification(NUMBER)
    right = site.telroi.last_code_for(NUMBER)
    services.check_code(attempt.uuid, f"{(int(right) + 1) % 1_000_000:06}")


def nothing_left_for_today(site: Site) -> None:
    site.configure(CALLS_PER_DAY_TOTAL=0)


def stopped(site: Site) -> None:
    services.stop_calls(reason="pumping", actor="ada")


def without_backend(site: Site) -> None:
    site.configure(BACKEND="example.NoSuchBackend")


def with_a_bad_key(site: Site) -> None:
    site.configure(API_KEY="tlr_live_nobodys")
    site.call()


def asked_too_often(site: Site) -> None:
    """A service has no requester, so only faces refuse because of one."""
    site.configure(RATES={"start": {"ip": "1/h"}})
    Client().post("/api/phone/verifications/", {"number": "+2348029876543"}, "application/json")
    site.asked_by = "127.0.0.1"


def without_a_bot_token(site: Site) -> None:
    """A service has no request, so only faces ask."""
    site.configure(BOT_CHECK="tests.limits.site_functions.knows_persons")
    site.asked_by = "127.0.0.1"


def without_consent(site: Site) -> None:
    """A service needs no consent, only faces require it."""
    site.configure(CONSENT_TEXT="You agree to one call.", CONSENT_VERSION="1")


def without_cache(site: Site) -> None:
    site.settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    site.asked_by = "127.0.0.1"


def telroi_is_down(site: Site) -> None:
    site.telroi.fail_always("service_unavailable")


def telroi_is_out_of_reach(site: Site) -> None:
    site.configure(BASE_URL="http://127.0.0.1:9", CONNECT_TIMEOUT_SECONDS=1)


SITUATIONS: list[tuple[Callable[[Site], None], type[VerificationRefused]]] = [
    (no_number, errors.InvalidNumber),
    (premium, errors.NotCallable),
    (blocked, errors.NotCallable),
    (prefix_blocked, errors.NotCallable),
    (region_blocked, errors.RegionNotAllowed),
    (paused_by_the_breaker, errors.DestinationPaused),
    (vetoed, errors.NotCallable),
    (other_region, errors.RegionNotAllowed),
    (other_purpose, errors.InvalidPurpose),
    (called_just_now, errors.CooldownActive),
    (called_for_the_hour, errors.HourlyLimitReached),
    (called_for_the_day, errors.DailyLimitReached),
    (held_by_telroi, errors.NumberHeld),
    (paused_destination, errors.DestinationPaused),
    (asked_too_often, errors.TooManyRequests),
    (too_many_wrong_codes, errors.TooManyWrongCodes),
    (without_a_bot_token, errors.BotCheckFailed),
    (without_consent, errors.ConsentRequired),
    (without_cache, errors.Unavailable),
    (nothing_left_for_today, errors.SiteLimitReached),
    (stopped, errors.CallsStopped),
    (without_backend, errors.Misconfigured),
    (with_a_bad_key, errors.Misconfigured),
    (telroi_is_down, errors.Unavailable),
    (telroi_is_out_of_reach, errors.Unavailable),
]


@dataclass(frozen=True)
class Said:
    """The answer of a face. ``code`` and ``wait`` are for programs, ``text`` is for persons."""

    text: str
    code: str | None = None
    wait: int | None = None


def over_the_api(site: Site) -> Said:
    asked = {"number": site.number, "purpose": site.purpose}
    reply = Client().post("/api/phone/verifications/", asked, "application/json")
    body = reply.json()
    assert reply.headers.get("Retry-After") == (str(body["retry_after"]) if body["retry_after"] else None)
    return Said(body["detail"], body["code"], body["retry_after"])


def on_the_page(site: Site) -> Said:
    page = Client().post("/phone/", {"number": site.number, "purpose": site.purpose}, follow=True)
    return Said(" ".join(BeautifulSoup(page.content, "html.parser").get_text().split()))


FACES = {"rest": over_the_api, "page": on_the_page}


@pytest.fixture
def site(settings: Any) -> Iterator[Site]:
    with running_simulator() as telroi:
        settings.TELROI = {"BACKEND": TELROI_BACKEND, "API_KEY": telroi.api_key, "BASE_URL": telroi.base_url}
        yield Site(settings, telroi)


def by_the_service(site: Site) -> VerificationRefused:
    """The expected answers of the faces."""
    if site.purpose:
        return errors.InvalidPurpose()  # a service accepts every purpose, only faces restrict them
    if services.current_consent():
        return errors.ConsentRequired()
    try:
        if site.asked_by:
            request = RequestFactory(REMOTE_ADDR=site.asked_by).post("/")
            attempt = limits.start_verification(request, site.number)
        else:
            attempt = services.start_verification(site.number)
    except VerificationRefused as refusal:
        return refusal
    refusal = services.follow(attempt.uuid).refusal
    assert refusal
    return refusal


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("prepare", "refusal"), SITUATIONS, ids=[prepare.__name__ for prepare, _ in SITUATIONS])
def test_every_face_has_the_same_code_sentence_and_wait_for_every_refusal(
    prepare: Callable[[Site], None], refusal: type[VerificationRefused], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = timezone.now()  # frozen, because a sentence contains the time of day
    timezone_at_moment = SimpleNamespace(
        **vars(timezone) | {"now": lambda: moment, "localdate": lambda: timezone.localdate(moment)},
    )
    monkeypatch.setattr(sentences, "timezone", timezone_at_moment)
    prepare(site)

    before = by_the_service(site)
    said = {name: ask(site) for name, ask in FACES.items()}
    after = by_the_service(site)

    assert type(before) is type(after) is refusal
    waits = waits_between(after, before)
    texts = [sentence(refusal.code, retry_after=wait) for wait in waits]
    if refusal is errors.InvalidNumber:
        texts = [explain_rejected(site.number).sentence]
    for name, answer in said.items():
        assert any(each in answer.text for each in texts), (name, answer.text, texts)
        assert answer.code in (None, refusal.code), name
        assert answer.code is None or answer.wait in waits, name


def waits_between(after: VerificationRefused, before: VerificationRefused) -> list[int | None]:
    """A wait gets shorter during the test."""
    if before.retry_after is None or after.retry_after is None:
        assert before.retry_after is after.retry_after
        return [None]
    assert after.retry_after <= before.retry_after
    return list(range(after.retry_after, before.retry_after + 1))


def test_every_refusal_that_can_happen_is_tested() -> None:
    """A refusal that no line raises or returns cannot happen. As soon as one does, it must be tested here."""
    package = Path(django_telroi.__file__).parent
    samples = package / "rest" / "operations.py"
    code = "\n".join(file.read_text() for file in package.rglob("*.py") if file != samples)

    def can_happen(refusal: type[VerificationRefused]) -> bool:
        return re.search(rf"(raise |return |: |\(){refusal.__name__}\b(?!\.code)", code) is not None

    assert set(filter(can_happen, VerificationRefused.__subclasses__())) == {refusal for _, refusal in SITUATIONS}
