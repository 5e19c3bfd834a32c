"""The joins of the SELECT that reads the state of a number: see ``number_state``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.db import connections

from django_telroi.domain.phone import Phone
from django_telroi.models import BlockedDestination, CallControl, PhoneNumber, UserWrongCodes


class KeyRow(StrEnum):
    """Which key's row of CallControl a SELECT reads: that of one key, of a parameter, of the attempt, or none."""

    DEFAULT = "default"
    NAMED = "named"
    OF_ATTEMPT = "of_attempt"
    NONE = "none"


NUMBER, ATTEMPT, BLOCK, CODES, EVENT = "n", "a", "b", "c", "e"
"""The aliases of the tables. They are short, because the statement has the alias before each of a hundred columns, and
psycopg keeps a parsed statement only if it has at most 4,096 characters."""

CONTROL_ROWS = {name: f"control_{index}" for index, name in enumerate(CallControl.COLUMNS)}
"""The alias of each row of CallControl in the SELECT."""


def join_controls(key_of: KeyRow, *, using: str) -> str:
    """Return the joins of the rows of CallControl: that of the switch, that of a key, and that of the day.

    With ``KeyRow.NAMED`` the name of the key is a parameter. With ``KeyRow.OF_ATTEMPT`` the attempt is joined before.
    """
    quote = connections[using].ops.quote_name
    controls, of_attempt = quote(CallControl._meta.db_table), f"{ATTEMPT}.{quote('key_name')}"
    names = {name: f"'{name}'" for name in CONTROL_ROWS}
    if key_of != KeyRow.DEFAULT:
        key_name = {KeyRow.NAMED: "%s", KeyRow.OF_ATTEMPT: of_attempt, KeyRow.NONE: "NULL"}
        names[CallControl.DEFAULT_KEY] = key_name[key_of]
    return "".join(
        f" LEFT JOIN {controls} {quote(row)} ON {quote(row)}.{quote('name')} = {names[name]}"
        for name, row in CONTROL_ROWS.items()
    )


LONG_AGO = datetime.min.replace(tzinfo=UTC)


def join_every_destination(*, using: str) -> str:
    """Return the join of all blocks, one row for each. It is for encrypted numbers: see ``longest_block``."""
    return f" LEFT JOIN {connections[using].ops.quote_name(BlockedDestination._meta.db_table)} {BLOCK} ON 1 = 1"


def longest_block(number: str, region: str, blocks: Iterable[BlockedDestination | None]) -> BlockedDestination | None:
    """Return the block of the number's region, or of one of its prefixes: the one that lasts longest, None without any.

    The database cannot compare a prefix with an encrypted number, so all of the few blocks are read.
    """
    found = [
        block
        for block in blocks
        if block and (number.startswith(block.destination) if block.is_prefix else region == block.destination)
    ]
    endless = next((block for block in found if block.until is None), None)
    return endless or max(found, key=lambda block: block.until or LONG_AGO, default=None)


def with_one_block(rows: list[list[Any]], phone: Phone | None) -> list[Any]:
    """Return the first row, with the block that applies to the number and lasts longest in the place of its block."""
    first = rows[0]
    place = next((place for place, value in enumerate(first) if isinstance(value, BlockedDestination)), None)
    if place is None:
        return first
    of = phone or next((value for value in first if isinstance(value, PhoneNumber)), None)
    first[place] = longest_block(of.number, of.region, [row[place] for row in rows]) if of else None
    return first


def join_destination(number: str, region: str, *, using: str) -> str:
    """Return the join of the block of the number's region, or of one of its prefixes: the one that lasts longest.

    The table has a few rows at most. A range by ``until`` is not needed: if the longest block is over, all are.
    """
    quote = connections[using].ops.quote_name
    blocks, destination, until = (quote(each) for each in (BlockedDestination._meta.db_table, "destination", "until"))
    is_prefix = f"each_block.{destination} = SUBSTR({number}, 1, LENGTH(each_block.{destination}))"
    longest = (
        f"SELECT each_block.{destination} FROM {blocks} each_block"
        f" WHERE each_block.{destination} = {region} OR {is_prefix}"
        f" ORDER BY CASE WHEN each_block.{until} IS NULL THEN 0 ELSE 1 END, each_block.{until} DESC LIMIT 1"
    )
    return f" LEFT JOIN {blocks} {BLOCK} ON {BLOCK}.{destination} = ({longest})"


def join_wrong_codes(user_id: str, *, using: str) -> str:
    """Return the join of the wrong codes of a user. ``user_id``: the SQL of the user's key."""
    quote = connections[using].ops.quote_name
    codes, user = (quote(each) for each in (UserWrongCodes._meta.db_table, "user_id"))
    return f" LEFT JOIN {codes} {CODES} ON {CODES}.{user} = {user_id}"
