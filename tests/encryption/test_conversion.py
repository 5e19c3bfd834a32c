"""``telroi_encrypt``: encrypts, decrypts and rotates the key, in batches, while the site works."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from django_telroi import services
from django_telroi.domain.number_cipher import SealedPart, cipher_of
from django_telroi.models import PhoneNumber, UserWrongCodes, VerificationAttempt, VerifiedPhone
from django_telroi.services import Converted
from django_telroi.testing import last_code_for
from tests.encryption.stored import columns
from tests.services.world import let_time_pass

pytestmark = [pytest.mark.django_db, pytest.mark.clear_numbers]

ROOT = Path(__file__).parent.parent.parent
OLD, NEW = "an old key of the site, at least 32 characters", "a new key of the site, at least 32 characters"
NUMBERS = [f"+23480312345{line:02d}" for line in range(8)]


def use(settings: Any, mode: str, *keys: str) -> None:
    settings.TELROI = {"NUMBER_ENCRYPTION": mode, "NUMBER_KEYS": keys, "COOLDOWN_SECONDS": 0}


def run(**options: Any) -> str:
    stdout = StringIO()
    call_command("telroi_encrypt", stdout=stdout, stderr=StringIO(), **options)
    return stdout.getvalue()


def marks() -> set[str]:
    """Return the first characters of each stored value: ``+`` or a digit in clear, the key's mark otherwise."""
    stored = [
        *columns("django_telroi_phonenumber", "number", "last4"),
        *columns("django_telroi_verificationattempt", "last4", "prefix"),
        *columns("django_telroi_verifiedphone", "number"),
    ]
    return {str(value)[:5] if str(value).startswith("k") else "clear" for row in stored for value in row}


def in_python() -> list[Any]:
    return [
        list(PhoneNumber.objects.order_by("pk").values_list("pk", "number", "last4", "version")),
        list(VerificationAttempt.objects.order_by("pk").values_list("pk", "last4", "prefix", "phone")),
        list(VerifiedPhone.objects.order_by("pk").values_list("pk", "number", "user")),
    ]


@pytest.fixture
def history(settings: Any) -> list[Any]:
    settings.TELROI = {}
    user = User.objects.create_user("ada")
    for number in NUMBERS:
        services.start_verification(number)
        VerifiedPhone.objects.create(user=user, number=number, verified_at=timezone.now())
    return in_python()


@pytest.mark.parametrize("mode", ["prepare", "migrate"])
def test_a_row_is_found_in_each_form_before_and_after_the_conversion(
    settings: Any, history: list[Any], mode: str
) -> None:
    def found() -> list[int]:
        return [PhoneNumber.objects.filter(number=number).count() for number in NUMBERS]

    use(settings, mode, OLD)
    in_clear = found()
    use(settings, "migrate", OLD)
    run()
    use(settings, mode, OLD)

    assert (in_clear, found()) == ([1] * len(NUMBERS), [1] * len(NUMBERS))


def test_it_encrypts_rotates_and_decrypts_all_columns(settings: Any, history: list[Any]) -> None:
    old, new = cipher_of(OLD).mark, cipher_of(NEW).mark
    assert marks() == {"clear"}

    for mode, keys, expected in (
        ("migrate", [OLD], {old}),
        ("on", [OLD, NEW], {old}),
        ("on", [NEW, OLD], {new}),
        ("on", [NEW], {new}),
        ("prepare", [NEW], {"clear"}),
        ("off", [], {"clear"}),
    ):
        use(settings, mode, *keys)
        if mode != "off":
            run(batch_size=3)
        assert (marks(), in_python()) == (expected, history)


def test_it_says_what_it_did_and_is_idempotent(settings: Any, history: list[Any]) -> None:
    use(settings, "migrate", NEW)

    assert run(dry_run=True) == ("Would convert 24 of 24 rows, so that all numbers are encrypted with the first key.\n")
    assert marks() == {"clear"}
    assert run() == "Converted 24 rows. All numbers are encrypted with the first key.\n"
    assert run() == "Converted 0 rows. All numbers are encrypted with the first key.\n"


@pytest.mark.parametrize("size", ["0", "-5", "10001", "many"])
def test_it_rejects_a_batch_size_that_is_out_of_range(settings: Any, size: str) -> None:
    use(settings, "migrate", OLD)

    with pytest.raises(CommandError, match=f"'{size}' is not a whole number from 1 to 10000"):
        call_command("telroi_encrypt", f"--batch-size={size}")


def test_while_rows_have_two_forms_calls_and_codes_work_on_both(settings: Any, history: list[Any]) -> None:
    let_time_pass(90)
    use(settings, "migrate", NEW)
    for number in (NUMBERS[0], "+2348031234599"):
        attempt = services.start_verification(number)
        assert services.check_code(attempt.uuid, last_code_for(number)).outcome == "verified"
    run()
    for number in NUMBERS[:2]:
        services.start_verification(number)
    use(settings, "prepare", NEW)
    services.start_verification(NUMBERS[2])
    run()
    use(settings, "off")

    assert PhoneNumber.objects.count() == len(NUMBERS) + 1
    assert [len(PhoneNumber.objects.get(number=number).calls) for number in NUMBERS[:4]] == [3, 2, 2, 1]


def test_two_rows_of_one_number_become_one_with_the_stricter_state(settings: Any) -> None:
    settings.TELROI = {"COOLDOWN_SECONDS": 0}
    first = services.start_verification(NUMBERS[0])
    services.block_number(NUMBERS[0], reason="fax", actor="eve")
    user = User.objects.create_user("ada")
    VerifiedPhone.objects.create(user=user, number=NUMBERS[0], verified_at=timezone.now())
    use(settings, "on", NEW)  # a process that was not told of rows in clear
    second = services.start_verification(NUMBERS[0])
    newest = VerifiedPhone.objects.create(user=user, number=NUMBERS[0], verified_at=timezone.now())

    use(settings, "migrate", NEW)
    one, other = PhoneNumber.objects.order_by("pk")
    counts = {str(one.pk): 2, str(other.pk): 3, "99": 4}
    UserWrongCodes.objects.create(user=user, wrong_codes=9, by_number=counts)
    assert run().endswith("2 of them were doubles and were merged.\n")

    phone = PhoneNumber.objects.get()
    wrong_codes = UserWrongCodes.objects.get()
    assert (wrong_codes.by_number, wrong_codes.wrong_codes) == ({str(phone.pk): 5, "99": 4}, 9)
    assert wrong_codes.version == 1
    assert (len(phone.calls), phone.blocked_reason) == (2, "fax")
    assert set(phone.attempts.all()) == {first, second}
    assert list(VerifiedPhone.objects.all()) == [newest]
    assert marks() == {cipher_of(NEW).mark}


def test_without_the_key_a_row_is_reported_and_nothing_is_changed(settings: Any, history: list[Any]) -> None:
    use(settings, "migrate", OLD)
    run()
    use(settings, "migrate", NEW)

    with pytest.raises(CommandError, match="NUMBER_KEYS"):
        run()
    with pytest.raises(ImproperlyConfigured):
        PhoneNumber.objects.first()
    assert marks() == {cipher_of(OLD).mark}


def test_it_refuses_to_guess_the_direction(settings: Any, history: list[Any]) -> None:
    use(settings, "off", NEW)

    with pytest.raises(CommandError, match="Set it to"):
        run()


def test_a_purge_keeps_numbers_while_their_records_may_have_another_form(settings: Any, history: list[Any]) -> None:
    let_time_pass(91 * 86400)
    use(settings, "migrate", NEW)
    for record in VerifiedPhone.objects.all():
        record.save()  # as a new verification does; the number's row is still in clear

    assert services.purge().numbers == 0


def test_a_text_is_encrypted_for_its_column_only() -> None:
    cipher = cipher_of(NEW)
    sealed = cipher.encrypt(NUMBERS[0], SealedPart.NUMBER)

    assert (len(sealed), cipher.decrypt(sealed, SealedPart.NUMBER)) == (57, NUMBERS[0])
    assert sealed == cipher.encrypt(NUMBERS[0], SealedPart.NUMBER)
    for part, text in ((SealedPart.PREFIX, sealed), (SealedPart.NUMBER, sealed[:-2] + "aa")):
        with pytest.raises(ValueError, match="not encrypted with this key"):
            cipher.decrypt(text, part)


@pytest.mark.programs
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("mode", "keys", "mark"), [("migrate", [NEW], cipher_of(NEW).mark), ("on", [NEW, OLD], None)])
def test_a_killed_run_is_continued(
    settings: Any, history: list[Any], mode: str, keys: list[str], mark: str | None
) -> None:
    if mode == "on":
        use(settings, "migrate", OLD)
        run()
    converter = subprocess.Popen(
        [sys.executable, "-m", "tests.encryption.converter", str(connection.settings_dict["NAME"]), mode, *keys],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert converter.stdout
        assert converter.stdout.readline() == "here\n"
    finally:
        converter.kill()
        converter.communicate()
    use(settings, mode, *keys)

    assert len(marks()) == 2
    assert in_python() == history
    assert services.convert_numbers(batch_size=3) == Converted(rows=48, changed=18)
    assert marks() == {cipher_of(NEW).mark}
    assert in_python() == history
