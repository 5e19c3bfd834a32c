"""When the next call to a number is possible, as sentences of the pages of a number and of an attempt."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.http import HttpRequest
from django.utils.translation import pgettext

from django_telroi import conf, services
from django_telroi.admin.actions.kill_switch import read_control
from django_telroi.admin.numbers.number_status import BLOCKED, WRONG_CODES, NumberStatus, number_status_of
from django_telroi.admin.shared.chips import moment_in_sentence, moment_words, region_name
from django_telroi.models import BlockedDestination, PhoneNumber, VerifiedPhone


def status_now(phone: PhoneNumber, *, request: HttpRequest, now: datetime) -> NumberStatus:
    """Return the status of the number. It includes the kill switch and blocked destinations."""
    is_stopped = read_control(request).stopped_at is not None
    blocks = services.blocked_destinations(now=now)
    return number_status_of(phone, policy=conf.policy(), now=now, is_stopped=is_stopped, blocks=blocks)


def another_call_sentence(status: NumberStatus) -> str:
    """Return whether the person can ask for another call, and from when."""
    if status.is_free:
        return pgettext("attempt page", "The person can ask for another call.")
    is_barred = status.rule == BLOCKED or status.destination or status.is_stopped
    if is_barred or not status.until:
        return next_call_sentence(status)
    when = {"when": moment_in_sentence(status.until, now=status.now)}
    return pgettext("attempt page", "The person can ask for another call from %(when)s on.") % when


def next_call_sentence(status: NumberStatus) -> str:
    """Return when the next call is possible, or why none is."""
    if status.rule == BLOCKED:
        if status.is_blocked_by_staff:
            return pgettext("number page", "No call is possible: staff blocked the number.")
        return pgettext("number page", "No call is possible: its owner asked not to be called.")
    if status.destination:
        return destination_sentence(status.destination, now=status.now)
    if status.is_stopped:
        return pgettext("number page", "No call is possible: all calls are stopped.")
    if status.rule == WRONG_CODES and status.until:
        when = moment_in_sentence(status.until, now=status.now)
        words = pgettext("number page", "Next call without a login possible %(when)s, because of too many wrong codes.")
        return words % {"when": when}
    if status.until:
        when = moment_in_sentence(status.until, now=status.now)
        return pgettext("number page", "Next call possible %(when)s.") % {"when": when}
    return pgettext("number page", "Next call possible now.")


def destination_sentence(block: BlockedDestination, *, now: datetime) -> str:
    """Return the sentence about a number whose prefix or region is blocked. It says where staff can unblock it."""
    name = block.destination if block.is_prefix else region_name(block.destination)
    words = pgettext("number page", "Staff blocked %(name)s.")
    if not block.blocked_by:
        words = pgettext("number page", "The site paused %(name)s by itself.")
    until = pgettext("number page", "No call is possible.")
    if block.until:
        when = moment_in_sentence(block.until, now=now)
        until = pgettext("number page", "No call is possible until %(when)s.") % {"when": when}
    return " ".join((until, words % {"name": name}, pgettext("number page", "See “Blocked prefixes and regions”.")))


def verified_moments(numbers: Iterable[str]) -> dict[str, datetime]:
    """Return when each number was verified last, without those that no user verified."""
    rows = VerifiedPhone.objects.filter(number__in=list(numbers)).order_by("verified_at")
    return dict(rows.values_list("number", "verified_at"))


def verified_sentence(moment: datetime, *, now: datetime) -> str:
    """Return the sentence about a number that was verified, but whose call is not on record."""
    words = pgettext(
        "number that was never called",
        "Verified %(when)s, without a call that is on record here. It was verified elsewhere and imported, or the "
        "record of its call was deleted.",
    )
    return words % {"when": moment_words(moment, now=now)}
