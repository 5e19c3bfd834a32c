"""With encrypted numbers, a copy of the database, the sessions, the cache or the log has no digits of a number.

A journey through the pages, the API, the admin and the commands leaves rows in all tables. Then everything that is
stored is searched for the number, its last four digits and its first seven.
"""

from __future__ import annotations

import logging
import pickle
import re
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_telroi import services
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.testing import last_code_for
from tests.admin.admin_pages import url
from tests.encryption.stored import everything_stored
from tests.services.world import wrong
from tests.web.visitor import Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.clear_numbers]

NUMBER, OTHER = "+2348038314987", "+2348036741593"
RANDOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|datetime\([^)]*\)|\d\d:\d\d:\d\d\.\d+")
TRACES = ["8038314987", "4987", "2348038", "803 831", "8036741593", "1593", "2348036", "803 674"]


@pytest.fixture
def encrypted(settings: Any) -> Any:
    settings.TELROI = {
        "NUMBER_ENCRYPTION": "on",
        "NUMBER_KEYS": ["a key of at least 32 characters, for tests"],
        "STRANGER_CALLS_PER_DAY": 10,
        "ONE_ACCOUNT_PER_NUMBER": True,
    }
    return settings


def traces_in(text: str) -> list[str]:
    """Return the digits of a number in the text. Ids, times and hashes may contain four digits by chance."""
    text = RANDOM.sub("", text)
    return [trace for trace in TRACES if re.search(rf"(?<!\w){trace}(?!\w)" if len(trace) == 4 else trace, text)]


def in_sessions() -> str:
    return "\n".join(repr(session.get_decoded()) for session in Session.objects.all())


def in_cache() -> str:
    """Return the keys and the values of the cache in memory."""
    store: dict[str, bytes] = getattr(cache, "_cache")  # noqa: B009 - it is not public
    return "\n".join(f"{key} {pickle.loads(value)!r}" for key, value in store.items())


def visits() -> None:
    """A wrong number, a call, a wrong and a right code, a call that must wait, and a call of a user."""
    visitor = Visitor(Client()).opens("/phone/").presses("Call me", number=NUMBER[:-1])
    visitor.presses("Call me", number=NUMBER)
    visitor.presses("Verify", code=wrong(last_code_for(NUMBER))).presses("Verify", code=last_code_for(NUMBER))
    Visitor(Client()).opens("/phone/").presses("Call me", number=NUMBER)
    user = User.objects.create_user("ada")
    attempt = services.start_verification(OTHER, user=user)
    services.check_code(attempt.uuid, last_code_for(OTHER), user=user)


def staff_works(staff: Client) -> None:
    phone = PhoneNumber.objects.get(number=OTHER)
    attempt = phone.attempts.get()
    for term in (OTHER, "1593", "+234 803 ••• 1593", "08036741593"):
        for model in ("phonenumber", "verificationattempt", "verifiedphone"):
            staff.post(url(model, "search"), {"term": term}, follow=True)
    staff.post(url("phonenumber", "block", phone.pk), {"reason": "called as 0803 674 1593"})
    services.unblock_number(OTHER, actor="eve")
    services.add_note(phone, text="a note", actor="eve", attempt=attempt)
    services.reveal_number(phone, actor="eve")
    services.move_number(OTHER, user=None, reason="sold", actor="eve")
    call_command("telroi_sweep", stdout=StringIO())


def test_no_digits_of_a_number_are_stored(
    encrypted: Any, admin_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with CaptureQueriesContext(connection) as captured, caplog.at_level(logging.DEBUG, logger="django_telroi"):
        visits()
        # A database may log its statements. Terms of the search are compared with user names, which are not ours.
        statements = "\n".join(query["sql"] for query in captured)
        staff_works(admin_client)

    assert VerificationAttempt.objects.filter(phone__number=NUMBER).count() == 1
    assert traces_in(everything_stored()) == []
    assert traces_in(in_sessions()) == []
    assert traces_in(in_cache()) == []
    assert traces_in(caplog.text) == []
    assert traces_in(statements) == []
    dump = StringIO()
    call_command("dumpdata", "django_telroi", stdout=dump)
    assert traces_in(dump.getvalue()) == []


def test_a_dump_is_loaded_again(encrypted: Any, tmp_path: Any) -> None:
    services.start_verification(NUMBER)
    file = tmp_path / "rows.json"
    call_command("dumpdata", "django_telroi", output=str(file), verbosity=0)
    VerificationAttempt.objects.all().delete()
    PhoneNumber.objects.all().delete()

    call_command("loaddata", str(file), verbosity=0)

    assert PhoneNumber.objects.get(number=NUMBER).last4 == NUMBER[-4:]
    assert VerificationAttempt.objects.get().prefix == NUMBER[:8]
