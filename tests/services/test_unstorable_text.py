"""Text that a database does not keep is refused or replaced, by name and before anything is written.

With ``TELROI_TEST_DB=mariadb TELROI_TEST_DB_CHARSET=utf8mb3`` emoji are such text too.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.core.signing import Signer
from django.db import connection, transaction
from django.test import Client

from django_telroi import services
from django_telroi.client.json_values import clean_message
from django_telroi.errors import InvalidNumber, InvalidPurpose, ProofRejected, TelroiError, UnstorableText
from django_telroi.models import AttemptEvent, CallControl, PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.services.accounts.proofs import SALT
from tests.services.world import NUMBER, OTHER_NUMBER, row_counts
from tests.web.visitor import Visitor

pytestmark = pytest.mark.django_db

NOWHERE = ["\ud800", "a\ud800b", "\udc80", "a\x00b", f"{NUMBER}\ud800", f"{NUMBER}\x00"]
EMOJI = "\U0001f600 laughs"


def keeps_emoji() -> bool:
    if connection.vendor != "mysql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@character_set_database")
        return cursor.fetchone() == ("utf8mb4",)


@pytest.fixture(params=[*NOWHERE, EMOJI], ids=ascii)
def text(request: pytest.FixtureRequest) -> str:
    """A text that a database may not be able to store."""
    return str(request.param)


@pytest.fixture
def is_kept(text: str) -> bool:
    return text == EMOJI and keeps_emoji()


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Callable[[], bool]:
    """Return whether no error was logged."""
    return lambda: not [record for record in caplog.records if record.levelname == "ERROR"]


class TestServices:
    @pytest.mark.parametrize("act", ["block", "move", "stop"])
    def test_refuse_a_reason_and_name_the_argument(self, act: str, text: str, is_kept: bool) -> None:
        VerifiedPhone.objects.create(user=User.objects.create(username="ada"), number=NUMBER)
        before = row_counts()

        def explain() -> None:
            if act == "block":
                services.block_number(NUMBER, reason=text, actor="ada")
            elif act == "move":
                services.move_number(NUMBER, user=None, reason=text, actor="ada")
            else:
                services.stop_calls(reason=text, actor="ada")

        if is_kept:
            explain()
            assert AttemptEvent.objects.get().detail.endswith(text)
            return
        with pytest.raises(
            UnstorableText, match="reason: The database cannot store all characters of this text"
        ) as caught:
            explain()
        assert (caught.value.argument, row_counts()) == ("reason", before)
        assert ascii(text)[1:-1] not in ascii(caught.value)

    def test_replace_characters_in_a_name(self, text: str, is_kept: bool) -> None:
        services.block_number(NUMBER, reason="x", actor=text)
        services.stop_calls(reason="x", actor=text)
        services.resume_calls(actor=text)
        services.unblock_number(NUMBER, actor=text)
        services.release_hold(NUMBER, actor=text)
        services.reset_limits(NUMBER, actor=text)
        services.reveal_number(PhoneNumber.objects.get(), actor=text)
        services.move_number(NUMBER, user=None, reason="x", actor=text)
        services.erase_number(NUMBER, actor=text)

        names = set(AttemptEvent.objects.values_list("actor", flat=True))
        assert names == {
            text if is_kept else "".join("\ufffd" if sign in "\ud800\udc80\x00\U0001f600" else sign for sign in text)
        }

    def test_keep_the_name_of_the_user_who_stopped_calls(self, text: str, is_kept: bool) -> None:
        services.stop_calls(reason="x", actor=text)

        assert ("\ufffd" in CallControl.objects.get().stopped_by) is not is_kept

    def test_refuse_a_purpose(self, text: str, is_kept: bool) -> None:
        if is_kept:
            assert services.start_verification(NUMBER, purpose=text).purpose == text
            return
        with pytest.raises(InvalidPurpose):
            services.start_verification(NUMBER, purpose=text)
        assert not VerificationAttempt.objects.exists()

    def test_find_no_row_for_a_purpose(self, text: str, ada: User) -> None:
        token = Signer(salt=SALT).sign(str(uuid4()))

        assert services.has_verified_phone(ada, purpose=text) is False
        for ask in (services.read_proof, services.redeem_proof):
            with pytest.raises(ProofRejected):
                ask(token, purpose=text)
        with pytest.raises(ProofRejected):
            services.read_proof(text, purpose="")

    def test_reject_it_as_a_number_a_code_and_an_id(self, text: str, ada: User) -> None:
        attempt = services.start_verification(NUMBER, language=text, requester_ip=text)

        assert (attempt.language, attempt.requester_ip) == ("", None)
        assert services.check_code(attempt.uuid, text).outcome == "invalid_code"
        assert services.forget_phone(ada, text) == 0
        asks: list[Callable[[], Any]] = [
            lambda: services.call_again(text),
            lambda: services.check_code(text, "123456"),
            lambda: services.follow(text),
            lambda: services.cancel_verification(text),
            lambda: services.start_verification(text),
            lambda: services.block_number(text, reason="x", actor="ada"),
            lambda: services.erase_number(text, actor="ada"),
        ]
        for ask in asks:
            with pytest.raises(TelroiError), transaction.atomic():
                ask()
        with pytest.raises(InvalidNumber):
            services.export_number(text)


def test_telrois_texts_are_stored_with_characters_that_every_database_accepts() -> None:
    assert clean_message("Trunk \U0001f600 is\ud800 congested\x00") == "Trunk \ufffd is congested"


class TestTheApi:
    def post(self, path: str, body: object, **headers: str) -> Any:
        client = Client(raise_request_exception=False)
        return client.post(f"/api/phone/{path}", json.dumps(body), "application/json", headers=headers)

    @pytest.mark.parametrize("field", ["number", "purpose"])
    def test_answers_400(self, text: str, field: str, quiet: Callable[[], bool]) -> None:
        reply = self.post("verifications/", {"number": OTHER_NUMBER, field: text})

        assert (reply.status_code, reply.json()["code"]) == (400, f"invalid_{field}")
        assert quiet()

    def test_ignores_a_language(self, text: str, quiet: Callable[[], bool]) -> None:
        assert self.post("verifications/", {"number": NUMBER, "language": text}).status_code == 201
        assert quiet()

    def test_answers_400_to_a_key_and_a_code(self, text: str, quiet: Callable[[], bool]) -> None:
        attempt = services.start_verification(NUMBER)
        key = text.encode("utf-8", "surrogatepass").decode("latin-1").replace("\x00", "")

        keyed = self.post("verifications/", {"number": NUMBER}, **{"Idempotency-Key": key})
        checked = self.post(f"verifications/{attempt.uuid}/check/", {"code": text})

        assert (keyed.status_code, keyed.json()["code"]) == (400, "invalid_idempotency_key")
        assert (checked.status_code, checked.json()["outcome"]) == (400, "invalid_code")
        assert quiet()

    def test_answers_400_to_a_proof(self, text: str, ada: User, quiet: Callable[[], bool]) -> None:
        client = Client(raise_request_exception=False)
        client.force_login(ada)

        reply = client.post("/api/phone/phones/", json.dumps({"proof": text, "purpose": text}), "application/json")

        assert reply.status_code == 400
        assert quiet()


RAW = ["%ED%A0%80", "a%00b", "%F0%9F%98%80", "%FF%FE"]


@pytest.mark.parametrize("raw", RAW)
@pytest.mark.parametrize("path", ["", "code/", "call-again/", "change-number/"])
def test_a_page_accepts_any_bytes(path: str, raw: str, quiet: Callable[[], bool]) -> None:
    client = Client(raise_request_exception=False)
    body = "&".join(f"{name}={raw}" for name in ("number", "code", "next", "ticket"))
    form = "application/x-www-form-urlencoded"

    replies = [
        client.post(f"/phone/{path}", body, form),
        client.post(f"/phone/{path}?purpose={raw}", f"{body}&purpose={raw}", form),
        client.get(f"/phone/{path}?{body}&purpose={raw}"),
    ]

    assert {reply.status_code for reply in replies} <= {200, 302, 400, 405}
    assert quiet()


@pytest.mark.parametrize("name", ["telroi_call", "telroi_limits"])
def test_a_command_prints_the_error(name: str, text: str) -> None:
    with pytest.raises(CommandError) as caught:
        call_command(name, text, stdout=io.StringIO())

    assert text not in str(caught.value)


class TestTheAdmin:
    @pytest.fixture
    def staff(self, ada: User) -> Client:
        User.objects.filter(pk=ada.pk).update(is_staff=True)
        ada.user_permissions.set(Permission.objects.filter(content_type__app_label="django_telroi"))
        client = Client(raise_request_exception=False)
        client.force_login(ada)
        return client

    @pytest.mark.parametrize("page", ["{}/block/", "stop-calls/"])
    def test_shows_the_error_at_the_field_of_a_reason(self, staff: Client, page: str) -> None:
        phone = PhoneNumber.objects.create(number=NUMBER, last4=NUMBER[-4:], region="NG")

        reply = staff.post(f"/admin/django_telroi/phonenumber/{page.format(phone.pk)}", {"reason": EMOJI})

        if keeps_emoji():
            assert (reply.status_code, AttemptEvent.objects.get().detail) == (302, EMOJI)
        else:
            assert (reply.status_code, AttemptEvent.objects.count()) == (200, 0)
            assert b"cannot keep some of these characters, such as emoji" in reply.content

    @pytest.mark.parametrize("model", ["phonenumber", "verificationattempt", "verifiedphone"])
    def test_finds_no_row(self, staff: Client, model: str, quiet: Callable[[], bool]) -> None:
        visitor = Visitor(staff)

        for raw in RAW:
            visitor._arrives(
                staff.post(f"/admin/django_telroi/{model}/search/", f"term={raw}", "application/x-www-form-urlencoded"),
                "",
            )

        assert set(visitor.statuses) == {302, 200}
        assert quiet()
