"""The state of a phone number, read in one SELECT. ``writes`` changes it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import Model
from django.db.models.expressions import BaseExpression

from django_telroi.domain.number_cipher import SealedPart
from django_telroi.domain.phone import Phone
from django_telroi.models import (
    AttemptEvent,
    BlockedDestination,
    CallControl,
    DbNow,
    EventKind,
    PhoneNumber,
    UserWrongCodes,
    VerificationAttempt,
)
from django_telroi.models.sealed import is_number_sealed, stored_forms
from django_telroi.services.shared.statements import (
    ATTEMPT,
    BLOCK,
    CODES,
    CONTROL_ROWS,
    EVENT,
    NUMBER,
    KeyRow,
    Select,
    join_controls,
    join_destination,
    join_every_destination,
    join_wrong_codes,
    with_one_block,
)

STOP_HINT_LIFETIME = 5
"""Seconds. A page that asks for a number reads the switch for all calls at most once in this time, in each process."""


@dataclass
class StopHint:
    """What this process saw last. ``is_stopped``: all calls were stopped. ``read_at``: the monotonic clock in seconds.

    A page that asks for a number reads no row, except to confirm a stop, or if the hint is old.
    """

    is_stopped: bool = False
    read_at: float | None = None

    def see(self, *, is_stopped: bool) -> None:
        self.is_stopped, self.read_at = is_stopped, time.monotonic()

    @property
    def is_old(self) -> bool:
        return self.read_at is None or time.monotonic() - self.read_at >= STOP_HINT_LIFETIME


STOP_HINT = StopHint()


@dataclass(frozen=True)
class State:
    """The row of a number, the site's CallControl and the time of the database, read in one SELECT.

    ``phone`` is None if the number has no row yet. ``control`` is an unsaved object with the columns of all rows of
    CallControl: kill switch, pause of the key, calls of the day. ``attempt`` is the requested attempt, or None.
    ``user_id`` is the requester, None without a user, and ``user_codes`` their wrong codes, None if there are none yet.
    ``destination`` is the block of the number's prefix or region that lasts longest, perhaps one that is over, or None.
    ``read_at`` is the monotonic clock in seconds.
    """

    now: datetime
    phone: PhoneNumber | None
    control: CallControl
    attempt: VerificationAttempt | None = None
    destination: BlockedDestination | None = None
    user_id: Any = None
    user_codes: UserWrongCodes | None = None
    read_at: float = field(default_factory=time.monotonic)

    def now_by(self) -> datetime:
        """Return the current time of the database, calculated without another query."""
        return later(self.now, since=self.read_at)

    def with_current_time(self) -> State:
        """Return the same state with the current time. The claim detects changes of the rows by their version."""
        return replace(self, now=self.now_by(), read_at=time.monotonic())


STATE = "_telroi_state"
"""The attribute of an attempt that holds the State from which this process claimed its call, or read the row."""


NEWEST_REJECTED = "_telroi_newest_rejected"
"""The attribute of an attempt that holds the id of its newest try that was judged wrong, or None."""


def remember_state(attempt: VerificationAttempt, state: State) -> None:
    """Keep the state with the object, so that the status of the attempt is answered without a query."""
    setattr(attempt, STATE, state)


def remembered_state(attempt: VerificationAttempt) -> State | None:
    """Return the state of the claim or of the SELECT, or None if the object was read in another way."""
    return getattr(attempt, STATE, None)


def later(now: datetime, *, since: float) -> datetime:
    """Return ``now`` plus the time since ``since``, which is a value of the monotonic clock in seconds.

    SQLite's clock has whole milliseconds. From its time a time with whole milliseconds is calculated. A more exact one
    would be ahead of the clock's next reading, so a wait that just began would be a second too long.
    """
    moment = now + timedelta(seconds=time.monotonic() - since)
    has_whole_milliseconds = now.microsecond % 1000 == 0
    return moment - timedelta(microseconds=moment.microsecond % 1000) if has_whole_milliseconds else moment


def database_now(using: str) -> datetime:
    """Return the time of the database, which is the same for all processes and hosts of a site."""
    return read_state(None, using=using).now


def read_state(
    phone: Phone | None,
    *,
    using: str,
    now: datetime | None = None,
    attempt_uuid: UUID | None = None,
    user_id: Any = None,
    key_name: str | None = CallControl.DEFAULT_KEY,
) -> State:
    """Return the state of ``phone``, with the attempt of ``attempt_uuid``, which may be for another number.

    With None, only the time and the CallControl are read. ``now`` replaces the database's clock. ``user_id``: of the
    requester, whose wrong codes are read too. ``key_name``: of the key whose row of CallControl is read. None if it is
    not chosen yet: then it is that of the attempt.
    """
    number, region = (phone.number, phone.region) if phone else ("", "")
    has_user = user_id is not None
    is_sealed = is_number_sealed()
    forms = stored_forms(number, SealedPart.NUMBER)
    parameters = [*forms, *([] if is_sealed else [region, number])]
    parameters += [_user_parameter(user_id, using)] if has_user else []
    if attempt_uuid is not None:
        parameters.insert(0, _uuid_parameter(attempt_uuid, using))
    key_of = KeyRow.DEFAULT if key_name == CallControl.DEFAULT_KEY else KeyRow.NAMED
    if key_name is None:
        key_of = KeyRow.OF_ATTEMPT if attempt_uuid is not None else KeyRow.NONE
    elif key_of == KeyRow.NAMED:
        parameters.insert(0 if attempt_uuid is None else 1, key_name)
    select = _select(
        using,
        key_of=key_of,
        attempt_by="" if attempt_uuid is None else "uuid",
        has_user=has_user,
        forms=len(forms),
        is_sealed=is_sealed,
    )
    db_now, control, row, *others = _read(select, parameters, using=using, phone=phone)
    attempt = None if attempt_uuid is None else _with_phone(others.pop(0), row)
    destination, user_codes = others[0], others[1] if has_user else None
    return State(now or db_now, row, control, attempt, destination, user_id, user_codes)


def read_attempt(
    attempt_id: int | UUID, *, using: str, now: datetime | None = None
) -> tuple[VerificationAttempt | None, State]:
    """Return the attempt with this primary key or uuid, and the state of its number and key, read in one SELECT.

    The attempt gets the attribute ``NEWEST_REJECTED``.
    """
    by_uuid = isinstance(attempt_id, UUID)
    attempt_by = "uuid" if by_uuid else "id"
    select = _select(
        using,
        key_of=KeyRow.OF_ATTEMPT,
        attempt_by=attempt_by,
        number_of_attempt=True,
        is_sealed=is_number_sealed(),
    )
    parameter = _uuid_parameter(attempt_id, using) if isinstance(attempt_id, UUID) else attempt_id
    db_now, control, newest_rejected, phone, attempt, destination, codes = _read(select, [parameter], using=using)
    if attempt:
        setattr(attempt, NEWEST_REJECTED, newest_rejected)
    user_id = attempt.user_id if attempt else None
    return _with_phone(attempt, phone), State(now or db_now, phone, control, None, destination, user_id, codes)


def _user_parameter(user_id: Any, using: str) -> Any:
    return UserWrongCodes._meta.get_field("user").get_db_prep_save(user_id, connections[using])


def _uuid_parameter(value: UUID, using: str) -> Any:
    return VerificationAttempt._meta.get_field("uuid").get_db_prep_value(value, connections[using])


def read_number(phone_id: int, *, using: str) -> PhoneNumber | None:
    """Return the row of a number by its primary key, or None if it was erased."""
    return PhoneNumber.objects.using(using).filter(pk=phone_id).first()


def _with_phone(attempt: VerificationAttempt | None, phone: PhoneNumber | None) -> VerificationAttempt | None:
    """Set ``attempt.phone`` if ``phone`` is its number, to save a query. Return the attempt."""
    if attempt and phone and attempt.phone_id == phone.pk:
        attempt.phone = phone
    return attempt


CONTROL_COLUMNS = {column: CONTROL_ROWS[name] for name, columns in CallControl.COLUMNS.items() for column in columns}
"""The columns of CallControl that are read, with the row from which each one is read."""


@cache
def _select(
    using: str,
    *,
    key_of: KeyRow,
    attempt_by: str = "",
    number_of_attempt: bool = False,
    has_user: bool = False,
    forms: int = 1,
    is_sealed: bool = False,
) -> Select:
    """Return the SELECT of the time of the database, the site's CallControl, a number and perhaps an attempt.

    ``attempt_by``: the column by which an attempt is read, ``""`` for no attempt. With ``number_of_attempt`` the number
    is the number of the attempt, and the id of its newest rejected try and its user's wrong codes are read too.
    Otherwise the last parameters are the number, its region and the number again, because a caller may send the uuid of
    an attempt of another number. With ``has_user`` the key of a user follows, whose wrong codes are read. With
    ``KeyRow.NAMED`` the name of the key comes before the number.

    ``forms``: in how many forms the number is looked up. With ``is_sealed`` the last two parameters are missing, and
    there is a row for each block: the database cannot compare the prefix of an encrypted number.

    It is SQL because it must also return a row for a number without a row. A queryset cannot select a constant and
    join tables to it.
    """
    quote = connections[using].ops.quote_name
    phones, attempts, events = (
        quote(model._meta.db_table) for model in (PhoneNumber, VerificationAttempt, AttemptEvent)
    )
    id_, by, phone_id = quote("id"), quote(attempt_by), quote("phone_id")
    compiler = PhoneNumber.objects.using(using).query.get_compiler(using)
    expressions: list[tuple[str, BaseExpression]] = [(compiler.compile(DbNow())[0], DbNow())]
    for column, row in CONTROL_COLUMNS.items():
        field: Any = CallControl._meta.get_field(column)
        expressions.append((f"{quote(row)}.{quote(column)}", field.get_col(row)))
    if number_of_attempt:
        try_id = AttemptEvent._meta.get_field("try_id")
        newest = (
            f"(SELECT MAX({quote('try_id')}) FROM {events} {EVENT}"
            f" WHERE {EVENT}.{quote('attempt_id')} = {ATTEMPT}.{id_}"
            f" AND {quote('kind')} = '{EventKind.CODE_REJECTED.value}')"
        )
        expressions.append((newest, try_id.get_col(EVENT)))
    source = "FROM (SELECT 1 AS one) AS always"
    if attempt_by:
        source += f" LEFT JOIN {attempts} {ATTEMPT} ON {ATTEMPT}.{by} = %s"
    source += join_controls(key_of, using=using)
    is_phone = f"{NUMBER}.{id_} = {ATTEMPT}.{phone_id}"
    if not number_of_attempt:
        number = f"{NUMBER}.{quote('number')}"
        is_phone = f"{number} = %s" if forms == 1 else f"{number} IN ({', '.join(['%s'] * forms)})"
    source += f" LEFT JOIN {phones} {NUMBER} ON {is_phone}"
    of_phone = (f"{NUMBER}.{quote('number')}", f"{NUMBER}.{quote('region')}") if number_of_attempt else ("%s", "%s")
    source += join_every_destination(using=using) if is_sealed else join_destination(*of_phone, using=using)
    models: dict[type[Model], str] = {PhoneNumber: NUMBER}
    models |= ({VerificationAttempt: ATTEMPT} if attempt_by else {}) | {BlockedDestination: BLOCK}
    if has_user or number_of_attempt:
        source += join_wrong_codes("%s" if has_user else f"{ATTEMPT}.{quote('user_id')}", using=using)
        models[UserWrongCodes] = CODES
    return Select.of(expressions, models, source, using=using)


def _read(select: Select, parameters: Sequence[object], *, using: str, phone: Phone | None = None) -> Iterator[Any]:
    """Yield the time of the database, the CallControl, then the other values of the SELECT in their order.

    ``STOP_HINT`` remembers whether calls are stopped.

    ``phone``: the number of the request, None if it is that of the attempt.
    """
    if is_number_sealed():
        db_now, *values = with_one_block(select.read_each(parameters, using=using), phone)
    else:
        db_now, *values = select.read(parameters, using=using)
    own, others = values[: len(CONTROL_COLUMNS)], values[len(CONTROL_COLUMNS) :]
    yield db_now
    # A column of a row that does not exist is NULL. The object gets the default of its field instead.
    control = CallControl(**{name: each for name, each in zip(CONTROL_COLUMNS, own, strict=True) if each is not None})
    STOP_HINT.see(is_stopped=control.stopped_at is not None)
    yield control
    yield from others
