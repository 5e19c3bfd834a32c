"""Staff actions on a number: confirmed first, one permission each, logged and masked."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import DatabaseError, connections
from django.test import Client

from django_telroi import services
from django_telroi.admin.actions import number_actions
from django_telroi.admin.numbers.number_admin import PhoneNumberAdmin
from django_telroi.backends.locmem import outbox
from django_telroi.errors import ChangedMeanwhile
from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt, VerifiedPhone
from tests.admin.admin_pages import html_of, url
from tests.admin.sample_numbers import client_with, number
from tests.conftest import IS_ENCRYPTED

pytestmark = pytest.mark.django_db

REASON = "asked us to"
STAFF_ACTIONS = {
    "block": ("block_number", {}, "number_blocked"),
    "unblock": ("block_number", {"blocked": "x"}, "number_unblocked"),
    "unblock-owner": ("block_number", {"owners_wish": True}, "number_unblocked"),
    "release": ("release_number", {"held": True}, "hold_released"),
    "reset": ("reset_limits", {"minutes_ago": [5]}, "limits_reset"),
    "reset_wrong_codes": ("reset_wrong_codes", {"wrong_codes": 7}, "wrong_codes_reset"),
    "move": ("move_number", {"owner": "dora"}, "number_moved"),
    "erase": ("erase_number", {}, "number_erased"),
}


def action_url(staff_action: str, phone: PhoneNumber) -> str:
    return url("phonenumber", staff_action, phone.pk)


@pytest.mark.parametrize("staff_action", STAFF_ACTIONS)
class TestAnAction:
    """The actions block, unblock, release, reset and erase."""

    def test_asks_for_confirmation_and_a_get_changes_nothing(self, staff_action: str) -> None:
        permission, state, _ = STAFF_ACTIONS[staff_action]
        phone = number("0001", **state)  # type: ignore[arg-type]
        before = PhoneNumber.objects.values().get()

        html = html_of(client_with("view_phonenumber", permission), action_url(staff_action, phone))

        assert "No, take me back" in html
        assert "8031230001" not in html
        assert PhoneNumber.objects.values().get() == before
        assert not AttemptEvent.objects.exists()

    def test_is_done_by_post_and_written_to_both_logs(self, staff_action: str) -> None:
        permission, state, kind = STAFF_ACTIONS[staff_action]
        phone = number("0001", **state)  # type: ignore[arg-type]

        answer = client_with("view_phonenumber", permission).post(action_url(staff_action, phone), {"reason": REASON})

        page = url("phonenumber", "changelist") if staff_action == "erase" else url("phonenumber", "change", phone.pk)
        assert (answer.status_code, answer.url) == (302, page)  # type: ignore[attr-defined]
        event = AttemptEvent.objects.get()
        assert (event.kind, event.actor) == (kind, "ada")
        log = LogEntry.objects.get()
        name = f"№ {phone.pk}" if IS_ENCRYPTED else "+234 803 ••• 0001"
        assert (log.object_id, log.object_repr) == (str(phone.pk), name)
        assert "8031230001" not in log.change_message

    @pytest.mark.parametrize("method", ["get", "post"])
    @pytest.mark.parametrize("held", ["view", "staff_action", "others"])
    def test_is_refused_without_its_permission(self, staff_action: str, method: str, held: str) -> None:
        """An action needs its own permission and the view permission."""
        permission, state, _ = STAFF_ACTIONS[staff_action]
        phone = number("0001", **state)  # type: ignore[arg-type]
        others = {other for other, _, _ in STAFF_ACTIONS.values()} - {permission}
        permissions = {
            "view": ["view_phonenumber"],
            "staff_action": [permission],
            "others": ["view_phonenumber", *others],
        }
        client = client_with(*permissions[held])

        answer = getattr(client, method)(action_url(staff_action, phone), {"reason": REASON})

        assert answer.status_code == 403
        assert not AttemptEvent.objects.exists()

    def test_needs_the_csrf_token(self, staff_action: str, grace: User) -> None:
        _, state, _ = STAFF_ACTIONS[staff_action]
        phone = number("0001", **state)  # type: ignore[arg-type]
        client = Client(enforce_csrf_checks=True)
        client.force_login(grace)

        assert client.post(action_url(staff_action, phone), {"reason": REASON}).status_code == 403
        assert not AttemptEvent.objects.exists()

    def test_of_an_unknown_number_is_not_found(self, staff_action: str, staff: Client) -> None:
        for nowhere in ("0", "99999999999999999999", "x", "1_2F"):
            reply = staff.post(f"/admin/django_telroi/phonenumber/{nowhere}/{staff_action}/", follow=True)
            assert reply.redirect_chain[-1] == ("/admin/", 302)

    def test_works_for_a_number_that_is_no_longer_valid(self, staff_action: str, staff: Client) -> None:
        _, state, kind = STAFF_ACTIONS[staff_action]
        phone = number("0001", **state)  # type: ignore[arg-type]
        PhoneNumber.objects.filter(pk=phone.pk).update(number="+2340000001")
        VerifiedPhone.objects.update(number="+2340000001")

        staff.post(action_url(staff_action, phone), {"reason": REASON})

        assert AttemptEvent.objects.get().kind == kind

    def test_works_with_atomic_requests(self, staff_action: str, staff: Client, settings: object) -> None:
        _, state, kind = STAFF_ACTIONS[staff_action]
        phone = number("0001", **state)  # type: ignore[arg-type]
        connections["default"].settings_dict["ATOMIC_REQUESTS"] = True
        try:
            assert staff.post(action_url(staff_action, phone), {"reason": REASON}).status_code == 302
        finally:
            connections["default"].settings_dict["ATOMIC_REQUESTS"] = False
        assert AttemptEvent.objects.get().kind == kind

    def test_that_loses_a_race_says_so(self, staff_action: str, staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        _, state, _ = STAFF_ACTIONS[staff_action]
        phone = number("0001", **state)  # type: ignore[arg-type]

        def outrun(*_: object, **__: object) -> None:
            raise ChangedMeanwhile

        for name in (
            *("block_number", "unblock_number", "release_hold", "reset_limits", "reset_wrong_codes", "move_number"),
            "erase_number",
        ):
            monkeypatch.setattr(services, name, outrun)

        html = staff.post(action_url(staff_action, phone), {"reason": REASON}, follow=True).content.decode()

        assert "was changed at the same time. Nothing was done. Try again." in html
        assert not LogEntry.objects.exists()


@pytest.mark.parametrize("staff_action", ["unblock", "release", "reset", "reset_wrong_codes"])
def test_staff_who_were_slower_are_told_that_there_is_nothing_to_do(
    staff_action: str, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, state, kind = STAFF_ACTIONS[staff_action]
    phone = number("0001", **state)  # type: ignore[arg-type]
    (chosen,) = (each for each in number_actions.STAFF_ACTIONS if each.name == staff_action)
    get_object = PhoneNumberAdmin.get_object

    def read_and_outrun(self: PhoneNumberAdmin, *args: Any) -> PhoneNumber | None:
        found = get_object(self, *args)
        monkeypatch.setattr(PhoneNumberAdmin, "get_object", get_object)
        chosen.act(phone, "heidi", {"reason": REASON})
        return found

    monkeypatch.setattr(PhoneNumberAdmin, "get_object", read_and_outrun)

    html = staff.post(action_url(staff_action, phone), {"reason": REASON}, follow=True).content.decode()

    assert str(chosen.idle) in html
    assert str(chosen.done) not in html
    event = AttemptEvent.objects.get()
    assert (event.kind, event.actor) == (kind, "heidi")
    assert not LogEntry.objects.exists()


class TestMovingANumber:
    """A recycled number moves to its new account."""

    @pytest.fixture
    def phone(self, settings: Any) -> PhoneNumber:
        settings.TELROI = {"ONE_ACCOUNT_PER_NUMBER": True}
        return number("0001", owner="dora")

    def moves(self, staff: Client, phone: PhoneNumber, account: str, reason: str = REASON) -> str:
        reply = staff.post(action_url("move", phone), {"account": account, "reason": reason}, follow=True)
        return reply.content.decode()

    def owners(self) -> list[str]:
        return [row.user.get_username() for row in VerifiedPhone.objects.all()]

    def test_gives_it_to_an_account_that_typed_the_right_code(self, staff: Client, phone: PhoneNumber) -> None:
        ben = User.objects.create_user("ben")
        attempt = services.start_verification(phone.number, user=ben)
        services.check_code(attempt.uuid, outbox[-1].code, user=ben)

        html = self.moves(staff, phone, "ben")

        assert "The number belongs to the new account." in html
        assert self.owners() == ["ben"]
        assert REASON in LogEntry.objects.get().change_message

    def test_says_if_the_new_account_must_verify_it_first(self, staff: Client, phone: PhoneNumber) -> None:
        User.objects.create_user("ben")

        html = self.moves(staff, phone, "ben")

        assert "The new account gets it when the person verifies it there." in html
        assert self.owners() == []

    def test_without_a_new_account_removes_it(self, staff: Client, phone: PhoneNumber) -> None:
        html = self.moves(staff, phone, "")

        assert "The number belongs to no account any more." in html
        assert self.owners() == []

    @pytest.mark.parametrize(("account", "reason"), [("nobody-of-that-name", REASON), ("\x00", REASON), ("", "")])
    def test_without_a_reason_or_for_an_unknown_user_is_asked_again(
        self, staff: Client, phone: PhoneNumber, account: str, reason: str
    ) -> None:
        html = self.moves(staff, phone, account, reason)

        assert "errorlist" in html
        assert (self.owners(), AttemptEvent.objects.count()) == (["dora"], 0)

    def test_is_not_offered_without_an_account(self, staff: Client) -> None:
        phone = number("0002")

        assert "No account has this number." in self.moves(staff, phone, "")
        assert action_url("move", phone) not in html_of(staff, url("phonenumber", "change", phone.pk))


class TestABlock:
    """The action that requires a reason."""

    @pytest.mark.parametrize("reason", ["", "   ", "\u202e\u200b", "x" * 201])
    def test_without_a_visible_reason_is_asked_again(self, staff: Client, reason: str) -> None:
        phone = number("0001")

        answer = staff.post(action_url("block", phone), {"reason": reason})

        assert answer.status_code == 200
        assert "errorlist" in answer.content.decode()
        assert not AttemptEvent.objects.exists()

    @pytest.mark.parametrize(
        ("said", "kept"),
        [
            ("he says +234 803 123 0001 is his", "he says +234 803 ••• 0001 is his"),
            ("0803 123 0001 is a fax", "••• 0001 is a fax"),
            ("another one, 08029876543", "another one, ••• 6543"),
            ("(0803) 123-00-01 or 2348031230001", "(••• 0001 or ••• 0001"),
            ("٠٨٠٣١٢٣٠٠٠١", "••• 0001"),
            ("0803 - 123 - 0001 or 0803–123–0001", "••• 0001 or ••• 0001"),
            ("+234‑803‑123‑0001, +234   803   123   0001", "+234 803 ••• 0001, +234 803 ••• 0001"),
            ("０８０３－１２３－０００１", "••• 0001"),
            ("0803\u200d123\u200d0001", "••• 0001"),
            ("ticket 20261123 of 2026-11-23", "ticket 20261123 of 2026-11-23"),
            ("<script>alert(1)</script>\x07", "<script>alert(1)</script>"),
        ],
    )
    @pytest.mark.clear_numbers
    def test_masks_a_number_in_the_reason(self, staff: Client, said: str, kept: str) -> None:
        phone = number("0001")

        staff.post(action_url("block", phone), {"reason": said})

        phone.refresh_from_db()
        shown = html_of(staff, url("phonenumber", "change", phone.pk))
        assert phone.blocked_reason == kept
        assert "<script>alert" not in shown
        assert "8031230001" not in LogEntry.objects.get().change_message.replace(" ", "")

    def test_twice_changes_nothing(self, staff: Client) -> None:
        phone = number("0001", blocked="before")

        html = staff.post(action_url("block", phone), {"reason": REASON}, follow=True).content.decode()

        assert "This number is already blocked." in html
        assert not AttemptEvent.objects.exists()


class TestBulkActions:
    """Block and unblock many numbers from the list."""

    def choose(self, client: Client, action: str, *phones: PhoneNumber, **more: str) -> object:
        chosen = {"action": action, "_selected_action": [phone.pk for phone in phones], **more}
        return client.post(url("phonenumber", "changelist"), chosen)

    def test_ask_for_confirmation_first(self, staff: Client) -> None:
        phones = [number("0001"), number("0002"), number("0003", blocked="before")]

        question = self.choose(staff, "block_selected", *phones)

        assert "Block 2 numbers?" in question.content.decode()  # type: ignore[attr-defined]
        assert PhoneNumber.objects.filter(blocked_at__isnull=False).count() == 1

        self.choose(staff, "block_selected", *phones, confirmed="yes", reason=REASON)

        assert PhoneNumber.objects.filter(blocked_reason=REASON).count() == 2
        assert LogEntry.objects.count() == AttemptEvent.objects.count() == 2
        assert "2 numbers are blocked." in html_of(staff, url("phonenumber", "changelist"))

    def test_unblock_numbers(self, staff: Client) -> None:
        phones = [number("0001", blocked="x"), number("0002", blocked="x")]

        self.choose(staff, "unblock_selected", *phones, confirmed="yes")

        assert not PhoneNumber.objects.filter(blocked_at__isnull=False).exists()
        assert "The block of staff is lifted for 2 numbers." in html_of(staff, url("phonenumber", "changelist"))

    @pytest.mark.parametrize("action", ["block_selected", "unblock_selected"])
    def test_say_that_the_only_selected_number_is_deleted(self, staff: Client, action: str) -> None:
        phone = number("0001")
        PhoneNumber.objects.all().delete()

        self.choose(staff, action, phone)

        html = html_of(staff, url("phonenumber", "changelist"))
        assert "None of the selected numbers is in this list any more. Perhaps they were deleted." in html

    def test_need_the_permission(self) -> None:
        phone = number("0001")

        self.choose(client_with("view_phonenumber"), "block_selected", phone, confirmed="yes", reason=REASON)

        assert not PhoneNumber.objects.filter(blocked_at__isnull=False).exists()

    def test_have_a_maximum_number_of_rows(self, staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("django_telroi.admin.actions.action_views.MAX_AT_ONCE", 1)

        answer = self.choose(staff, "block_selected", number("0001"), number("0002"))

        assert answer.status_code == 302  # type: ignore[attr-defined]
        assert "Select at most 1" in html_of(staff, url("phonenumber", "changelist"))


class TestReveal:
    """The full number is shown once, to permitted users, and logged."""

    def test_shows_the_number_on_a_page_that_is_not_cached(self) -> None:
        phone = number("0001")

        answer = client_with("view_phonenumber", "view_full_number").post(action_url("reveal", phone))

        assert answer.status_code == 200
        assert "+2348031230001" in answer.content.decode()
        assert "no-store" in answer.headers["Cache-Control"]
        assert "2348031230001" not in answer.content.decode().partition("</title>")[0]
        event, log = AttemptEvent.objects.get(), LogEntry.objects.get()
        assert (event.kind, event.actor, event.phone) == ("number_revealed", "ada", phone)
        assert IS_ENCRYPTED or "0001" in log.object_repr
        assert "8031230001" not in log.object_repr + log.change_message

    def test_needs_a_post(self, staff: Client) -> None:
        phone = number("0001")

        answer = staff.get(action_url("reveal", phone))

        assert (answer.status_code, answer.url) == (302, url("phonenumber", "change", phone.pk))  # type: ignore[attr-defined]
        assert not AttemptEvent.objects.exists()

    def test_is_refused_without_the_permission(self) -> None:
        phone = number("0001")

        for client in (client_with("view_phonenumber"), client_with("view_full_number")):
            assert client.post(action_url("reveal", phone)).status_code == 403

    def test_is_a_button_with_the_permission_only(self) -> None:
        page = url("phonenumber", "change", number("0001").pk)

        assert "Show the full number" not in html_of(client_with("view_phonenumber"), page)
        assert "Show the full number" in html_of(client_with("view_phonenumber", "view_full_number"), page)

    def test_shows_nothing_if_it_cannot_be_logged(self, staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        phone = number("0001")

        def fail(*_: object, **__: object) -> None:
            raise DatabaseError

        monkeypatch.setattr("django_telroi.services.staff.staff_actions.write_event", fail)

        with pytest.raises(DatabaseError):
            staff.post(action_url("reveal", phone))


def test_erasing_deletes_the_attempts(staff: Client, attempt: VerificationAttempt) -> None:
    staff.post(action_url("erase", attempt.phone))

    assert not VerificationAttempt.objects.filter(pk=attempt.pk).exists()


def test_several_numbers_are_blocked_only_by_staff_who_may_view_each(staff: Client, monkeypatch: Any) -> None:
    """A site may limit single numbers by ``has_view_permission(request, obj)`` of its own admin."""
    open_to_all, limited = number("0001"), number("0002")
    monkeypatch.setattr(
        PhoneNumberAdmin, "has_view_permission", lambda self, request, obj=None: obj is None or obj.pk != limited.pk
    )
    form = {"action": "block_selected", "_selected_action": [open_to_all.pk, limited.pk], "confirmed": "yes"}

    refused = staff.post(url("phonenumber", "changelist"), {**form, "reason": REASON})

    assert refused.status_code == 403
    assert not PhoneNumber.objects.filter(blocked_at__isnull=False).exists()
