"""The joins of the SELECT that reads the state of a number: see ``number_state``."""

from __future__ import annotations

from django.db import connections

from django_telroi.models import BlockedDestination, UserWrongCodes


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
    return f" LEFT JOIN {blocks} ON {blocks}.{destination} = ({longest})"


def join_wrong_codes(user_id: str, *, using: str) -> str:
    """Return the join of the wrong codes of a user. ``user_id``: the SQL of the user's key."""
    quote = connections[using].ops.quote_name
    codes, user = (quote(each) for each in (UserWrongCodes._meta.db_table, "user_id"))
    return f" LEFT JOIN {codes} ON {codes}.{user} = {user_id}"
