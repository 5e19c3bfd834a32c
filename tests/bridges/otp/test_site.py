"""What a site must write, what the system checks say, what staff see, and what no log or column contains."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.checks import Tags, run_checks
from django.core.management import call_command
from django.db import connection
from django.test import Client

from django_telroi.checks.second_factors import check_second_factors
from django_telroi.contrib.otp.models import CallDevice
from django_telroi.simulator import Simulator
from tests.bridges.columns import columns_with
from tests.bridges.otp.conftest import NUMBER, Person
from tests.calling_site import Configure
from tests.conftest import IS_ENCRYPTED

pytestmark = pytest.mark.django_db(transaction=True)

DOCS = Path(__file__).parents[3] / "docs" / "integrations" / "otp.rst"


@pytest.fixture
def staff(telroi: Simulator, ada: User, device: CallDevice) -> Client:
    person = Person("/admin/login/").ask_for_call().type(telroi.last_code_for(NUMBER))
    return person.client


def test_a_site_writes_three_lines() -> None:
    blocks = re.findall(r"\.\. code-block:: python\n(?:   :.*\n)*\n((?:   .*\n|\n)+)", DOCS.read_text())

    assert len(blocks[0].strip().splitlines()) <= 3
    site: dict[str, Any] = {"INSTALLED_APPS": [], "MIDDLEWARE": []}
    exec(re.sub("^   ", "", blocks[0], flags=re.MULTILINE), site)
    assert site["INSTALLED_APPS"] == ["django_otp", "django_telroi.contrib.otp"]
    assert site["MIDDLEWARE"] == ["django_otp.middleware.OTPMiddleware"]


def test_codes_of_telroi_are_an_error(configure: Configure) -> None:
    assert list(check_second_factors()) == []

    configure(CODES="telroi")
    (error,) = check_second_factors()
    assert (error.id, error.is_serious()) == ("telroi.E020", True)
    assert "needs codes of this site" in error.msg


def test_a_missing_middleware_is_a_warning(settings: Any) -> None:
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "otp" not in each]

    assert [message.id for message in check_second_factors()] == ["telroi.W023"]


def test_a_site_with_the_bridge_needs_none_of_our_urls() -> None:
    assert [message.id for message in run_checks(tags=[Tags.urls]) if "telroi" in str(message.id)] == []


def test_each_change_of_the_model_has_a_migration() -> None:
    call_command("makemigrations", "telroi_otp", check=True, dry_run=True)


def test_the_admin_shows_the_number_masked_everywhere(staff: Client, device: CallDevice, ada: User) -> None:
    typed = {"user": ada.pk, "name": "second", "number": "0044 20 7183 8750", "confirmed": "on"}
    added = staff.post("/admin/telroi_otp/calldevice/add/", typed)
    second = CallDevice.objects.get(name="second")
    assert (added.status_code, second.number) == (302, "+442071838750")

    pages = [
        staff.get(f"/admin/telroi_otp/calldevice/{rest}").content.decode()
        for rest in ("", f"{second.pk}/change/", f"{second.pk}/history/", f"{second.pk}/delete/")
    ]
    assert all("+44 20 •••" in page for page in pages)
    assert not any("7183" in page or "2071838750" in page for page in pages)
    assert "7183" not in str(LogEntry.objects.values_list("object_repr", "change_message"))

    kept = staff.post(f"/admin/telroi_otp/calldevice/{second.pk}/change/", {"user": ada.pk, "name": "third"})
    assert (kept.status_code, CallDevice.objects.get(pk=second.pk).number) == (302, "+442071838750")


@pytest.mark.parametrize("number", ["12", "+870773111632"])
def test_the_admin_names_a_number_that_cannot_be_called(staff: Client, ada: User, number: str) -> None:
    answer = staff.post("/admin/telroi_otp/calldevice/add/", {"user": ada.pk, "name": "x", "number": number})

    (error,) = BeautifulSoup(answer.content, "html.parser").select(".field-number .errorlist li")
    assert error.get_text().startswith(("This is not a phone number", "We cannot call this number"))


def test_a_device_can_be_changed_although_its_number_is_no_longer_called(
    staff: Client, device: CallDevice, configure: Configure
) -> None:
    configure(BLOCKED_REGIONS=["NG"])

    answer = staff.post(f"/admin/telroi_otp/calldevice/{device.pk}/change/", {"user": device.user_id, "name": "new"})

    assert (answer.status_code, CallDevice.objects.get().name) == (302, "new")


def test_a_login_leaves_no_trace_of_the_code_or_the_number(
    telroi: Simulator, device: CallDevice, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    person.ask_for_call().send(otp_challenge="1")
    code = telroi.last_code_for(NUMBER)
    person.type(f"{(int(code) + 1) % 10**6:06d}").type(code)
    assert person.is_verified

    lines = " ".join(record.getMessage() for record in caplog.records if record.name != "django.db.backends")
    assert "call_placed" in lines
    assert [secret for secret in (code, NUMBER, NUMBER[4:]) if secret in lines] == []
    assert columns_with(code) == set()
    # The device's own number is what the site stored there.
    in_clear = {
        ("django_telroi_phonenumber", "number"),
        ("django_telroi_verifiedphone", "number"),
        ("telroi_otp_calldevice", "number"),
    }
    assert columns_with(NUMBER[4:]) == (set() if IS_ENCRYPTED else in_clear)


def test_an_unexpected_error_after_a_number_was_typed_shows_no_number(staff: Client, ada: User, settings: Any) -> None:
    settings.DEBUG = True
    staff.raise_request_exception = False
    # Made here, because the DEBUG page shows the lines of this test too.
    typed = {"user": ada.pk, "name": "desk", "number": f"{NUMBER[:-3]}{100 + 11}", "confirmed": "on"}

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT INTO") and "calldevice" in sql:
            raise RuntimeError
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        answer = staff.post("/admin/telroi_otp/calldevice/add/", typed)

    page = answer.content.decode()
    assert answer.status_code == 500
    assert "RuntimeError" in page
    assert f"{NUMBER[4:-3]}{100 + 11}" not in page
