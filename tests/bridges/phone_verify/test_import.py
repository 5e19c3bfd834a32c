"""The command that imports the verified rows of django-phone-verify."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from phone_verify.models import SMSVerification

from django_telroi import services
from django_telroi.models import VerifiedPhone
from tests.calling_site import Configure

NUMBER = "+31612345678"
LONG_AGO = timezone.now() - timedelta(days=400)

pytestmark = pytest.mark.django_db(transaction=True)


def old(number: str, *, is_verified: bool = True, at: datetime = LONG_AGO) -> None:
    row = SMSVerification.objects.create(
        phone_number=number, security_code="123456", session_token=f"{at} {is_verified}", is_verified=is_verified
    )
    SMSVerification.objects.filter(pk=row.pk).update(created_at=at)


def member(name: str, number: str) -> Any:
    """A user whose number is in the field ``last_name``. Any text field will do."""
    return get_user_model().objects.create_user(name, last_name=number)


def run(*options: str, field: str = "last_name") -> str:
    out = StringIO()
    call_command("telroi_import_phone_verify", field, *options, stdout=out)
    return out.getvalue()


def counts(output: str) -> dict[str, int]:
    lines = [line.strip().split("  ", 1) for line in output.splitlines()]
    return {line[1]: int(line[0]) for line in lines if len(line) == 2 and int(line[0])}


def test_a_number_goes_to_the_user_who_has_it(configure: Configure) -> None:
    configure(DEFAULT_REGION="NL")
    kim = member("kim", "06 12345678")
    member("lou", "")
    old(NUMBER, at=LONG_AGO - timedelta(days=1))
    old(NUMBER)
    old(NUMBER, is_verified=False, at=timezone.now())

    output = run()
    assert counts(output) == {"imported": 1}
    record = VerifiedPhone.objects.get()
    assert (record.user, record.number, record.verified_at, record.attempt) == (kim, NUMBER, LONG_AGO, None)
    assert services.has_verified_phone(kim)
    assert counts(run()) == {"verified here already": 1}
    assert SMSVerification.objects.count() == 3


def test_a_number_may_be_in_a_row_that_the_user_refers_to(configure: Configure) -> None:
    configure(DEFAULT_REGION="NL")
    kim, lou = member("kim", ""), member("lou", "")
    kim.groups.create(name="06 12345678")  # any text field of another model will do
    for user in (kim, lou):
        user.groups.add(Group.objects.get_or_create(name="+31687654321")[0])
    old(NUMBER)
    old("+31687654321")

    output = run(field="groups__name")

    assert counts(output)["imported"] == 1
    assert [(record.user, record.number) for record in VerifiedPhone.objects.all()] == [(kim, NUMBER)]


def test_a_dry_run_writes_nothing() -> None:
    member("kim", NUMBER)
    old(NUMBER)
    output = run("--dry-run")
    assert "Dry run: nothing was written." in output
    assert counts(output) == {"imported": 1}
    assert not VerifiedPhone.objects.exists()


def test_numbers_are_masked() -> None:
    old(NUMBER)
    output = run()
    assert NUMBER[3:] not in output
    assert NUMBER[-2:] in output


def test_what_is_skipped(configure: Configure) -> None:
    configure(ONE_ACCOUNT_PER_NUMBER=True)
    old("+31611111111")
    member("a", "+31622222222")
    member("b", "+31622222222")
    old("+31622222222")
    member("c", "+31633333333")
    services.record_verification(member("d", ""), "+31633333333")
    old("+31633333333")
    old("12")
    assert (
        counts(run("--dry-run"))
        == counts(run())
        == {
            "skipped: no user has the number": 1,
            "skipped: several users have the number": 1,
            "skipped: another account verified the number here": 1,
            "skipped: not a phone number": 1,
        }
    )
    assert VerifiedPhone.objects.count() == 1


def test_a_newer_record_stays() -> None:
    kim = member("kim", NUMBER)
    newer = services.record_verification(kim, NUMBER)
    old(NUMBER)
    run()
    assert VerifiedPhone.objects.get().verified_at == newer.verified_at


def test_long_lists_are_cut_unless_all_are_wanted() -> None:
    for last in range(10, 35):
        old(f"+316123456{last}")
    assert "and 5 more (--verbosity 2 lists all)" in run()
    assert run("--verbosity", "2").count("\n") == 6 + 25


def test_a_purpose(configure: Configure) -> None:
    configure(PURPOSES=["", "login"], PURPOSES_WITHOUT_RECORD=[])
    member("kim", NUMBER)
    old(NUMBER)
    run("--purpose", "login")
    assert VerifiedPhone.objects.get().purpose == "login"


@pytest.mark.parametrize(("options", "field"), [(("--purpose", "other"), "last_name"), ((), "fone")])
def test_wrong_arguments(options: tuple[str, ...], field: str) -> None:
    old(NUMBER)
    with pytest.raises(CommandError, match=r"no field 'fone'|'other' is not in PURPOSES"):
        run(*options, field=field)


def test_without_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [name for name in connection.introspection.table_names() if name != "sms_verification"]
    monkeypatch.setattr(connection.introspection, "table_names", lambda *_: others)
    with pytest.raises(CommandError, match="no table sms_verification"):
        run()
