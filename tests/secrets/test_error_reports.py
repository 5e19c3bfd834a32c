"""An unexpected error at each statement of each request: its report contains no secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_telroi import services
from django_telroi.errors import TelroiError
from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from tests.rest.world import PhoneApi
from tests.secrets.canaries import Canaries
from tests.secrets.reporting import report
from tests.services.conftest import Configure
from tests.services.world import NUMBER, database_gone
from tests.web.visitor import Visitor
from tests.webhooks.telroi import SECRET, body_of, signed

pytestmark = pytest.mark.django_db

SPELLED = "+234 802 987 6543"
BODY = body_of("otp.failed", reason="busy")


class UnforeseenError(Exception):
    """An unexpected error."""


@dataclass
class Asked:
    """An attempt, its code, two visitors with browsers and a client of the API."""

    attempt: VerificationAttempt
    code: str
    user: User
    visitor: Visitor
    newcomer: Visitor
    api: PhoneApi


ASK: dict[str, Callable[[Asked], object]] = {
    "start": lambda asked: services.start_verification(SPELLED),
    "start by name": lambda asked: services.start_verification(number=SPELLED, user=asked.user, purpose=""),
    "start with an id": lambda asked: services.start_verification(NUMBER, attempt_uuid=asked.attempt.uuid),
    "call again": lambda asked: services.call_again(asked.attempt.uuid),
    "check": lambda asked: services.check_code(asked.attempt.uuid, f"{asked.code[:3]} {asked.code[3:]}"),
    "check by name": lambda asked: services.check_code(attempt_uuid=asked.attempt.uuid, code=asked.code),
    "follow": lambda asked: services.follow(asked.attempt.uuid),
    "cancel": lambda asked: services.cancel_verification(asked.attempt.uuid),
    "place": lambda asked: services.place_call(asked.attempt.pk),
    "block": lambda asked: services.block_number(NUMBER, reason="", actor="grace"),
    "unblock": lambda asked: services.unblock_number(NUMBER, actor="grace"),
    "release": lambda asked: services.release_hold(NUMBER, actor="grace"),
    "reset": lambda asked: services.reset_limits(NUMBER, actor="grace"),
    "erase": lambda asked: services.erase_number(NUMBER, actor="grace"),
    "export": lambda asked: services.export_number(NUMBER),
    "forget": lambda asked: services.forget_phone(asked.user, NUMBER),
    "purge": lambda asked: services.purge(),
    "page, number": lambda asked: asked.newcomer.presses("Call me", number=SPELLED),
    "page, code": lambda asked: asked.visitor.presses("Verify", code=asked.code),
    "api, number": lambda asked: asked.api.start(SPELLED),
    "api, code": lambda asked: asked.api.check(asked.attempt.uuid, asked.code),
    "webhook": lambda asked: asked.newcomer.client.post(
        "/telroi/webhook", BODY, content_type="application/json", headers=signed(BODY)
    ),
    "api, follow": lambda asked: asked.api.follow(asked.attempt.uuid),
}


@pytest.fixture
def asked(
    telroi: Simulator, canaries: Canaries, ada: User, configure: Configure, request: pytest.FixtureRequest
) -> Asked:
    visitor, newcomer = Visitor(Client()), Visitor(Client())
    if "page" in request.node.callspec.id:
        newcomer.opens("/phone/")
        visitor.opens("/phone/").presses("Call me", number=NUMBER)
    else:
        services.start_verification(NUMBER)
    attempt = VerificationAttempt.objects.get()
    configure(WEBHOOK_SECRETS=[SECRET])
    code = telroi.last_code_for(NUMBER)
    canaries.typed.add(f"{code[:3]} {code[3:]}")
    return Asked(attempt, code, ada, visitor, newcomer, PhoneApi())


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
@pytest.mark.parametrize("after", range(5))
def test_an_unexpected_error_shows_no_secret(
    asked: Asked, canaries: Canaries, ask: Callable[[Asked], object], after: int
) -> None:
    status = "queued" if ask is ASK["place"] else "placed"
    VerificationAttempt.objects.update(status=status)

    told = ""
    try:
        with database_gone(after=after, error=UnforeseenError):
            ask(asked)
    except (UnforeseenError, TelroiError) as error:
        told = report(error)

    assert canaries.lines_with(told) == []


class TestTheReport:
    """The report shows the secret of an unprotected function, so this test can fail."""

    def test_of_an_unprotected_function_shows_the_secret(self, canaries: Canaries) -> None:
        names: dict[str, Callable[[str], None]] = {}
        exec(compile("def careless(number):\n    raise ValueError(1)", "site.py", "exec"), names)

        with pytest.raises(ValueError, match="1") as caught:
            names["careless"](NUMBER)

        assert len(canaries.lines_with(report(caught.value))) == 1
