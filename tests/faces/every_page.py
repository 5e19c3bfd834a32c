"""All pages and cards that we render, for tests of rules that hold for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_telroi import services
from django_telroi.domain.states import Status
from django_telroi.models import AttemptEvent, CallControl, EventKind, PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.testing import last_code_for
from tests.services.world import let_time_pass, wrong
from tests.web.visitor import NUMBER, OTHER_NUMBER, PREMIUM, Visitor

NEVER_CALLED = "+31612345678"
STAFFS_NUMBER = "+447400123456"

LARGE = 1_234_567
"""A primary key or other number that a locale writes with separators."""

SETTINGS: dict[str, Any] = {
    "PURPOSES": ["", "signup"],
    "COOLDOWN_SECONDS": 3060,
    "CODE_TTL_SECONDS": 3600,
    "CALLS_PER_HOUR": 10_000,
    "CALLS_PER_DAY": 20_000,
}

ADMIN = "/admin/django_telroi/"

Pages = Iterator[tuple[str, str]]


def public_pages() -> Pages:
    """Yield the path and the HTML of all steps, on our pages and in a card. Needs the URLconf ``tests.faces.site``."""
    visitor = Visitor(Client())
    for path in (
        "/phone/",
        "/phone/?purpose=nonsense",
        "/phone/call-again/",
        "/phone/?lost=1",
        "/host/",
        "/twice/",
        "/proof/",
        "/stored/",
        "/stored/none/",
        "/stored/invalid/",
        "/phone/?stored=1",
        "/phone/do-not-call/forged/",
        services.do_not_call_path(NUMBER),
        f"{services.do_not_call_path(NUMBER)}?done=1",
    ):
        yield path, _html(visitor.opens(path))
    for number in ("", "call me", PREMIUM):
        yield f"typed {number!r}", _html(visitor.opens("/phone/").presses("Call me", number=number))
    visitor.opens("/phone/").presses("Call me", number=NUMBER)
    yield from _everywhere("called", visitor)
    yield "another number", _html(visitor.opens("/phone/code/").presses("Change number"))
    code = last_code_for(NUMBER)
    for typed in ("x", wrong(code)):
        yield f"typed {typed!r}", _html(visitor.opens("/phone/code/").presses("Verify", code=typed))
        yield f"typed {typed!r} into a card", _html(visitor.opens("/host/").presses("Verify", code=typed))
    for again in ("/phone/code/", "/host/"):
        action, fields = visitor.opens(again).form("Call again")
        yield f"called again from {again}", _html(visitor.sends(action, fields))
    yield "refused", _html(Visitor(Client()).opens("/phone/").presses("Call me", number=NUMBER))
    for status in Status:
        fields = {"status": status, "closed_at": timezone.now()} if status not in ("queued", "dialing") else {}
        VerificationAttempt.objects.update(**{"status": status, **fields})
        yield from _everywhere(status, visitor)
    let_time_pass(30)
    PhoneNumber.objects.update(calls=[])
    verified = Visitor(Client())
    verified.opens("/phone/?next=/account/").presses("Call me", number=OTHER_NUMBER)
    verified.presses("Verify", code=last_code_for(OTHER_NUMBER))
    for path in ("/phone/done/", "/phone/", "/host/", "/here/", "/proof/"):
        yield f"verified, {path}", _html(verified.opens(path))
    verified.client.force_login(User.objects.create_user("who-logs-in"))
    for path in ("/phone/", "/host/"):
        yield f"verified before logging in, {path}", _html(verified.opens(path))
    yield "added", _html(verified.opens("/here/").presses("Add to my account"))
    yield "to change", _html(verified.opens("/phone/change/"))
    services.stop_calls(reason="a bill", actor="who-stops")
    yield "stopped", _html(Visitor(Client()).opens("/phone/"))
    services.resume_calls(actor="who-resumes")


def _everywhere(when: str, visitor: Visitor) -> Pages:
    for path in ("/phone/", "/phone/code/", "/phone/done/", "/host/", "/here/", "/stored/"):
        yield f"{when}, {path}", _html(visitor.opens(path))


def _html(visitor: Visitor) -> str:
    answer = visitor.trail[-1]
    return str(answer.content.decode())


def admin_pages() -> Pages:
    """Yield the path and the HTML of the admin pages, with large primary keys."""
    staff, attempt = Client(), _rows()
    staff.force_login(User.objects.get(pk=LARGE))
    phone = attempt.phone
    yield "admin home", staff.get("/admin/").content.decode()
    models = {"phonenumber": phone, "verificationattempt": attempt, "verifiedphone": VerifiedPhone.objects.latest("pk")}
    for model, row in models.items():
        for page in ("", f"{row.pk}/change/", f"{row.pk}/history/", "?p=0"):
            yield from _page(staff, f"{model}/{page}")
    for page in (
        "",
        "verificationattempt/?purpose=payout",
        *(f"phonenumber/overview/?period={period}" for period in ("today", "7", "30")),
    ):
        yield from _page(staff, page)
    for staff_action in ("block", "unblock", "release", "reset", "erase"):
        yield from _page(staff, f"phonenumber/{phone.pk}/{staff_action}/")
    yield from _page(staff, "phonenumber/", {"action": "block_selected", "_selected_action": [phone.pk]})
    yield from _page(staff, f"phonenumber/{phone.pk}/block/", {"reason": ""})
    yield from _page(staff, f"phonenumber/{phone.pk}/reveal/", {})
    yield from _page(staff, f"phonenumber/{phone.pk}/note/")
    yield from _page(staff, "phonenumber/search/", {"term": NEVER_CALLED})
    yield from _page(staff, "phonenumber/destinations/")
    yield from _page(staff, "phonenumber/destinations/block/")
    services.block_destination("+4477", reason="a bill", actor="grace")
    yield from _page(staff, "phonenumber/destinations/unblock/?destination=%2B4477")
    yield from _page(staff, "phonenumber/stop-calls/")
    yield from _page(staff, "phonenumber/stop-calls/", {"reason": ""})
    services.stop_calls(reason="a bill", actor="grace")
    for page in ("", "phonenumber/resume-calls/", "phonenumber/", f"phonenumber/{phone.pk}/change/"):
        yield from _page(staff, page)


def _page(staff: Client, path: str, posted: dict[str, Any] | None = None) -> Pages:
    answer = staff.get(ADMIN + path) if posted is None else staff.post(ADMIN + path, posted)
    if answer.status_code == 302:
        answer = staff.get(answer.headers["Location"])
    assert answer.status_code == 200, (path, answer.status_code)
    yield f"{path} {posted or ''}", answer.content.decode()


def _rows() -> VerificationAttempt:
    """Save a held number with calls that count, a verified attempt and staff actions."""
    now = timezone.now()
    grace = User.objects.create_superuser("grace", id=LARGE)
    phone = PhoneNumber(id=LARGE, number=STAFFS_NUMBER, last4=STAFFS_NUMBER[-4:], region="GB", last_call_at=now)
    phone.moments = [now - timedelta(minutes=minutes) for minutes in range(1, 31)]
    phone.held_until, phone.held_reason = now + timedelta(hours=1), "Too many requests"
    phone.save()
    moments = {"dialed_at": now, "placed_at": now, "verified_at": now, "closed_at": now}
    attempt = VerificationAttempt.objects.create(
        id=LARGE, phone=phone, region="NG", user=grace, purpose="payout", status=Status.VERIFIED, dispatch="inline",
        tries=1, max_tries=3, created_at=now, expires_at=now + timedelta(hours=1), **moments,
    )  # fmt: skip
    earlier = VerificationAttempt.objects.create(
        id=LARGE + 1, phone=phone, region="NG", user=grace, purpose="payout", status=Status.SUPERSEDED,
        dispatch="inline", max_tries=3, created_at=now - timedelta(minutes=2), expires_at=now, closed_at=now,
    )  # fmt: skip
    VerifiedPhone.objects.create(
        id=LARGE, user=grace, number=STAFFS_NUMBER, purpose="payout", verified_at=now, attempt=attempt
    )
    for event_id, of in enumerate(({"attempt": attempt}, {"attempt": earlier}, {"phone": phone}), LARGE):
        AttemptEvent.objects.create(id=event_id, kind=EventKind.NUMBER_BLOCKED, at=now, actor="grace", **of)
    CallControl.objects.update(day_calls=LARGE)
    return attempt
