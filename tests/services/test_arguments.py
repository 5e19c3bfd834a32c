"""A wrong argument is rejected by name in every service, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction, isfunction, signature
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser
from django.utils.functional import SimpleLazyObject

from django_telroi import services
from django_telroi.services.shared.arguments import TYPES, USERS
from django_telroi.testing import outbox
from tests.services.world import NUMBER, row_counts

pytestmark = pytest.mark.django_db

WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "user": (lambda: services.start_verification(NUMBER, user="bob"), "start_verification(): user must be a user"),
    "purpose": (lambda: services.start_verification(NUMBER, purpose=None), "purpose must be str, not NoneType"),
    "attempt_uuid": (lambda: services.start_verification(NUMBER, attempt_uuid="x"), "attempt_uuid must be UUID | None"),
    "number": (lambda: services.start_verification(2348031234567), "number must be str, not int"),
    "no number": (lambda: services.start_verification(None), "number must be str, not NoneType"),
    "language": (lambda: services.start_verification(NUMBER, language=5), "language must be str | None, not int"),
    "code": (lambda: services.check_code(uuid4(), 123456), "check_code(): code must be str, not int"),
    "no code": (lambda: services.check_code(uuid4(), None), "code must be str, not NoneType"),
    "checked by": (lambda: services.check_code(uuid4(), "123456", user=7), "user must be a user | None, not int"),
    "called again": (lambda: services.call_again(None), "attempt_uuid must be UUID | str, not NoneType"),
    "followed": (lambda: services.follow(7), "follow(): attempt_uuid must be UUID | str, not int"),
    "canceled": (lambda: services.cancel_verification(uuid4(), user="bob"), "user must be a user | None, not str"),
    "has a phone": (lambda: services.has_verified_phone(None), "user must be a user, not NoneType"),
    "max_age": (lambda: services.has_verified_phone(AnonymousUser(), max_age=90), "max_age must be timedelta | None"),
    "record": (lambda: services.phone_record("bob"), "phone_record(): user must be a user, not str"),
    "phones": (lambda: services.verified_phones("bob"), "verified_phones(): user must be a user, not str"),
    "forgotten": (lambda: services.forget_phone(AnonymousUser(), None), "number must be str, not NoneType"),
    "token": (lambda: services.read_proof(None, purpose=""), "read_proof(): token must be str, not NoneType"),
    "redeemed for": (lambda: services.redeem_proof("x", purpose=None), "purpose must be str, not NoneType"),
    "actor": (lambda: services.unblock_number(NUMBER, actor=None), "actor must be str, not NoneType"),
    "reason": (lambda: services.block_number(NUMBER, reason=None, actor="grace"), "reason must be str, not NoneType"),
    "released": (lambda: services.release_hold(7, actor="grace"), "release_hold(): number must be str, not int"),
    "forgiven": (lambda: services.reset_limits(7, actor="grace"), "reset_limits(): number must be str, not int"),
    "erased": (lambda: services.erase_number(7, actor="grace"), "erase_number(): number must be str, not int"),
    "exported": (lambda: services.export_number(7), "export_number(): number must be str, not int"),
    "stopped": (lambda: services.stop_calls(reason=7, actor="grace"), "stop_calls(): reason must be str, not int"),
    "resumed": (lambda: services.resume_calls(actor=7), "resume_calls(): actor must be str, not int"),
}


@pytest.mark.parametrize(("ask", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_argument_is_named_in_the_error(ask: Callable[[], object], told: str) -> None:
    with pytest.raises(TypeError) as wrong:
        ask()

    assert told in str(wrong.value)
    assert "bob" not in str(wrong.value)
    assert (row_counts(), outbox) == ({}, [])


def test_a_user_that_is_not_a_row_or_not_loaded_is_accepted(django_user_model: Any) -> None:
    class TokenUser:
        is_authenticated = True
        pk = property(lambda self: str(lazy.pk))

    lazy = SimpleLazyObject(lambda: django_user_model.objects.create_user("ada"))

    assert not services.has_verified_phone(lazy)
    assert not services.has_verified_phone(AnonymousUser())
    services.start_verification(NUMBER, user=TokenUser())  # type: ignore[arg-type]


FUNCTIONS = {
    name: function
    for name in services.__all__
    if isfunction(function := getattr(services, name))
    and any(str(each.annotation) in {*TYPES, *USERS} for each in signature(function).parameters.values())
}


ASYNC = {name for name, function in FUNCTIONS.items() if iscoroutinefunction(function)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_service_validates_its_arguments(name: str) -> None:
    parameters = signature(FUNCTIONS[name]).parameters.values()
    given = {each.name: object() for each in parameters if str(each.annotation) in {*TYPES, *USERS}}

    with pytest.raises(TypeError, match=rf"^{name.removeprefix('a') if name in ASYNC else name}\(\): "):
        async_to_sync(FUNCTIONS[name])(**given) if name in ASYNC else FUNCTIONS[name](**given)


@pytest.mark.parametrize("code", [842913, b"842913", 842913.0])
def test_a_code_of_the_wrong_type_is_in_no_frame_of_the_error(code: Any) -> None:
    with pytest.raises(TypeError, match=r"code must be str, not (int|bytes|float)") as wrong:
        services.read_out("+2348031234567", code)

    frames = [entry.frame.f_locals for entry in wrong.traceback[1:]]
    assert frames
    assert [name for names in frames for name, value in names.items() if "842913" in repr(value)] == []
