"""Start and check with two statements each. One call per number a minute, three tries, five minutes."""

from __future__ import annotations

import re
from datetime import timedelta

import provider
from django.db import connection
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from floor.models import Number

NUMBER = re.compile(r"\+[1-9][0-9]{7,14}")
COOLDOWN, LIFETIME, TRIES = timedelta(seconds=60), timedelta(minutes=5), 3
# One statement claims the call: two requests at the same moment place one call.
CLAIM = """
INSERT INTO floor_number (number, called_at, expires_at, digest, tries, is_placed)
VALUES (%s, %s, %s, %s, 0, FALSE)
ON CONFLICT (number) DO UPDATE SET
    called_at = excluded.called_at, expires_at = excluded.expires_at, digest = excluded.digest,
    tries = 0, is_placed = FALSE, verified_at = NULL
WHERE floor_number.called_at < %s
RETURNING id
"""


def start(number: str) -> bool:
    """Call the number. Returns False if it was called less than a minute ago."""
    now, code = timezone.now(), provider.new_code()
    adapt = connection.ops.adapt_datetimefield_value
    moments = [adapt(now), adapt(now + LIFETIME)]
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [number, *moments, digest(number, code), adapt(now - COOLDOWN)])
        claimed = cursor.fetchone()
    if claimed is None:
        return False
    provider.call(number, code)
    Number.objects.filter(pk=claimed[0]).update(is_placed=True)
    return True


def check(number: str, code: str) -> bool:
    """Use one try. Returns True once for the right code."""
    now = timezone.now()
    right = digest(number, code)
    is_open = Number.objects.filter(number=number, tries__lt=TRIES, expires_at__gt=now, verified_at=None)
    found = is_open.filter(is_placed=True).values_list("digest", flat=True).first()
    if found is None:
        return False
    # The try is used by the same statement that accepts the code, and both have the limit in their WHERE clause.
    is_right = constant_time_compare(found, right)
    values = {"tries": F("tries") + 1} | ({"verified_at": now} if is_right else {})
    return is_open.filter(digest=found).update(**values) == 1 and is_right


def digest(number: str, code: str) -> str:
    return salted_hmac("floor.code", f"{number} {code}", algorithm="sha256").hexdigest()
