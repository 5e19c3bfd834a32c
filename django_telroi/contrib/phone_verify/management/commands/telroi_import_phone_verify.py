"""``manage.py telroi_import_phone_verify USER_FIELD``: import the verified numbers of django-phone-verify."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.apps.registry import Apps
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError
from django.core.management.base import CommandError, CommandParser
from django.db import connections, models
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf, services
from django_telroi.domain.phone import mask
from django_telroi.errors import InvalidNumber, NumberTaken, Unavailable
from django_telroi.management.output import PrintableCommand
from django_telroi.models import VerifiedPhone
from django_telroi.services.shared.arguments import known_number, spelled_number
from django_telroi.services.shared.transactions import write_alias

TABLE = "sms_verification"
FEW = 20
"""How many numbers are listed for each result, unless ``--verbosity 2`` lists all."""


class Result(StrEnum):
    IMPORTED = "imported"
    KNOWN = "verified here already"
    NO_USER = "skipped: no user has the number"
    SEVERAL_USERS = "skipped: several users have the number"
    TAKEN = "skipped: another account verified the number here"
    INVALID = "skipped: not a phone number"


class Command(PrintableCommand):
    help = (
        "Import the numbers that django-phone-verify verified. Its rows have no user, so each number goes to the one "
        "user who has it in USER_FIELD. Nothing is deleted, and running it again is harmless."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_field", help="the user's field with the number, such as phone or profile__phone")
        parser.add_argument("--purpose", default="", help='the purpose of the records, one of PURPOSES; default: ""')
        parser.add_argument("--dry-run", action="store_true", help="write nothing; print what would be imported")

    @sensitive_variables()
    def handle(self, *args: Any, user_field: str, purpose: str, dry_run: bool, verbosity: int, **options: Any) -> None:
        if purpose not in conf.purposes() or not conf.writes_record(purpose):
            raise CommandError(f"The purpose {purpose!r} is not in PURPOSES, or it is in PURPOSES_WITHOUT_RECORD.")
        results: dict[Result, list[str]] = {result: [] for result in Result}
        try:
            users = _users_by_number(user_field)
            for number, verified_at in _verified_numbers():
                result = _import(number, verified_at, users, purpose=purpose, dry_run=dry_run)
                results[result].append(mask(number))
        except FieldError:
            raise CommandError(f"The user model has no field {user_field!r}.") from None
        except Unavailable:
            raise CommandError("The database does not answer. Run the command again: it goes on.") from None
        self._report(results, dry_run=dry_run, most=None if verbosity > 1 else FEW)

    def _report(self, results: dict[Result, list[str]], *, dry_run: bool, most: int | None) -> None:
        if dry_run:
            self.stdout.write("Dry run: nothing was written.")
        for result, numbers in results.items():
            self.stdout.write(f"{len(numbers):>8}  {result}")
            for number in numbers[:most]:
                self.stdout.write(f"{'':>10}{number}")
            if most is not None and len(numbers) > most:
                self.stdout.write(f"{'':>10}and {len(numbers) - most} more (--verbosity 2 lists all)")


@sensitive_variables()
def _users_by_number(user_field: str) -> dict[str, set[Any]]:
    """Return the keys of the users of each number in E.164 form. Raises FieldError."""
    found: dict[str, set[Any]] = defaultdict(set)
    rows = get_user_model()._base_manager.using(write_alias()).values_list("pk", user_field)
    for pk, value in rows.iterator():
        number = spelled_number(str(getattr(value, "as_e164", value))) if value else None
        if number is not None:
            found[number].add(pk)
    return found


@sensitive_variables()
def _verified_numbers() -> Iterator[tuple[str, datetime]]:
    """Yield each verified number and when its newest code was sent. Raises CommandError without the table.

    Its rows do not say when the code was typed: ``modified_at`` does not change then. The code was sent before, so the
    moment is never too late.
    """
    using = write_alias()
    if TABLE not in connections[using].introspection.table_names():
        raise CommandError(f"The database has no table {TABLE}, so there is nothing to import.")
    rows = _table()._base_manager.using(using).filter(is_verified=True).values_list("phone_number")
    yield from rows.annotate(sent=models.Max("created_at")).order_by("phone_number").iterator()


def _table() -> Any:
    """Return a model of the table in a registry of its own. The package's model may be uninstalled, or installed."""

    class SMSVerification(models.Model):
        phone_number = models.CharField(max_length=128)
        is_verified = models.BooleanField()
        created_at = models.DateTimeField()

        class Meta:
            app_label = "telroi_phone_verify"
            apps = Apps()
            db_table = TABLE
            managed = False

        def __str__(self) -> str:
            return mask(self.phone_number)

    return SMSVerification


@sensitive_variables()
def _import(stored: str, verified_at: datetime, users: dict[str, set[Any]], *, purpose: str, dry_run: bool) -> Result:
    using = write_alias()
    try:
        number = known_number(stored, using=using).number
    except InvalidNumber:
        return Result.INVALID
    keys = users.get(number, set())
    if len(keys) != 1:
        return Result.SEVERAL_USERS if keys else Result.NO_USER
    (key,) = keys
    records = VerifiedPhone.objects.using(using).filter(number=number)
    if records.filter(user_id=key, purpose=purpose, verified_at__gte=verified_at).exists():
        return Result.KNOWN
    if conf.one_account_per_number() and records.exclude(user_id=key).exists():
        return Result.TAKEN
    if dry_run:
        return Result.IMPORTED
    user = get_user_model()._base_manager.using(using).get(pk=key)
    try:
        services.record_verification(user, number, purpose=purpose, verified_at=verified_at)
    except NumberTaken:
        return Result.TAKEN
    return Result.IMPORTED
