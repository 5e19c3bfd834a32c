"""Rows of numbers in each state, and staff users with given permissions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from django_telroi import conf
from django_telroi.domain.number_limits import current_limit
from django_telroi.models import PhoneNumber, VerifiedPhone

HOLD = timedelta(hours=1)


def number(
    last: str,
    *,
    minutes_ago: Iterable[float] = (),
    held: bool = False,
    blocked: str = "",
    owners_wish: bool = False,
    region: str = "NG",
    owner: str = "",
    wrong_codes: int = 0,
) -> PhoneNumber:
    """Save a number with calls this many minutes ago, and with the limits that result from them.

    ``wrong_codes``: in a row, the last one a second ago.
    """
    now = timezone.now()
    phone = PhoneNumber(number=f"+234803123{last}", last4=last, region=region)
    phone.moments = sorted((now - timedelta(minutes=ago) for ago in minutes_ago), reverse=True)
    phone.last_call_at = phone.moments[0] if phone.calls else None
    if held:
        phone.held_until, phone.held_reason = now + HOLD, "Too many requests"
    if blocked:
        phone.blocked_at, phone.blocked_by, phone.blocked_reason = now, "grace", blocked
    if wrong_codes:
        phone.wrong_codes, phone.last_wrong_code_at = wrong_codes, now - timedelta(seconds=1)
    if owners_wish:
        phone.blocked_at, phone.blocked_by_owner = now, True
    limit = current_limit(conf.policy(), phone.moments, held_until=phone.held_until)
    if limit:
        phone.next_call_at, phone.limited_by = limit.until, limit.rule
    phone.save()
    if owner:
        user, _ = User.objects.get_or_create(username=owner)
        VerifiedPhone.objects.create(user=user, number=phone.number, verified_at=now)
    return phone


def every_state() -> dict[str, PhoneNumber]:
    """Save one number in each state."""
    return {
        "free": number("0001", minutes_ago=[300]),
        "cooldown": number("0002", minutes_ago=[0.2]),
        "hour": number("0003", minutes_ago=[50, 40, 30, 20, 5]),
        "day": number("0004", minutes_ago=[60 * n + 2 for n in range(20)]),
        "held": number("0005", minutes_ago=[10], held=True),
        "blocked": number("0006", minutes_ago=[0.2], blocked="ring-bombing"),
        "wrong_codes": number("0007", minutes_ago=[300], wrong_codes=12),
    }


def client_with(*permissions: str) -> Client:
    """Return a client of a staff user with exactly these permissions."""
    ada, _ = User.objects.get_or_create(username="ada", defaults={"is_staff": True})
    ada.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(ada)
    return client
