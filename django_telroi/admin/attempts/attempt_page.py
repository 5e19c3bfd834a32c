"""The page of one attempt: its status, an explanation, its facts and its timeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.admin.sites import AdminSite
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_telroi.admin.attempts.timeline import Entry, Neighbours, distance, timeline
from django_telroi.admin.shared import marks
from django_telroi.admin.shared.chips import linked, page_address, region_mark
from django_telroi.admin.shared.lists import masked_mark
from django_telroi.admin.shared.meanings import Meaning, error_name, meaning_of
from django_telroi.models import AttemptEvent, EventKind, PhoneNumber, VerificationAttempt
from django_telroi.services.requester import plain, user_name

MOST_EVENTS = 500
SWITCH = (EventKind.CALLS_STOPPED, EventKind.CALLS_RESUMED)
MODES: dict[bool | None, str | Promise] = {True: gettext_lazy("live"), False: gettext_lazy("test key"), None: ""}


@dataclass(frozen=True)
class TimelineLine:
    """An entry of the timeline, formatted for the template."""

    entry: Entry
    time: str
    distance: str
    who: str
    where: str
    quote: str
    note: str
    url: str


@dataclass(frozen=True)
class Story:
    """The data for the template."""

    chip: SafeString
    error: str
    meaning: Meaning
    facts: list[tuple[str | Promise, str]]
    lines: list[TimelineLine]


def story_of(attempt: VerificationAttempt, *, site: AdminSite, request: HttpRequest) -> Story:
    """Return the data for the page. Links that the user may not open are omitted."""
    requester = user_name(attempt.user, number=attempt.number)
    entries = timeline(attempt, _events(attempt), requester=requester, neighbours=_neighbours(attempt))
    return Story(
        chip=marks.status_chip(attempt),
        error=plain(error_name(attempt.error_code)),
        meaning=meaning_of(attempt),
        facts=[(label, value) for label, value in _facts(attempt, requester, site, request) if value],
        lines=[_line(entry, site, request) for entry in entries],
    )


def _events(attempt: VerificationAttempt) -> list[AttemptEvent]:
    """Return the attempt's events, and the staff actions on its number and on all calls until it was closed."""
    end = max(filter(None, (attempt.closed_at, attempt.proof_spent_at)), default=timezone.now())
    meanwhile = Q(at__gte=attempt.created_at, at__lte=end)
    of_number = Q(phone=attempt.phone_id, attempt=None) & meanwhile
    events = AttemptEvent.objects.all()
    found = (
        events.filter(attempt=attempt),
        events.filter(of_number),
        events.filter(meanwhile, kind__in=SWITCH, attempt=None, phone=None),
    )
    return [event for rows in found for event in rows.order_by("id")[:MOST_EVENTS]]


def _neighbours(attempt: VerificationAttempt) -> Neighbours:
    of_number = VerificationAttempt.objects.filter(phone=attempt.phone_id)
    before = of_number.filter(followed_by=attempt.uuid)
    after = of_number.filter(uuid=attempt.followed_by) if attempt.followed_by else of_number.none()
    return Neighbours(before=_newest(before), after=_newest(after))


def _newest(rows: QuerySet[VerificationAttempt]) -> int | None:
    return rows.order_by("-id").values_list("pk", flat=True).first()


def _facts(
    attempt: VerificationAttempt, requester: str, site: AdminSite, request: HttpRequest
) -> Iterator[tuple[str | Promise, str]]:
    number = page_address(PhoneNumber, attempt.phone_id, site=site, request=request)
    user = page_address(get_user_model(), attempt.user_id, site=site, request=request)
    yield _("number"), linked(masked_mark(attempt.number), number)
    yield (
        _("region"),
        linked(region_mark(attempt.region), _same_value_url(attempt, "region", site)) if attempt.region else "",
    )
    yield _("user"), linked(requester, user) if requester else ""
    yield _("requester's IP address"), plain(attempt.requester_ip or "")
    yield (
        _("purpose"),
        linked(plain(attempt.purpose), _same_value_url(attempt, "purpose", site)) if attempt.purpose else "",
    )
    yield _("tries"), marks.tries(attempt)
    yield _("dispatch"), str(attempt.get_dispatch_display())
    yield _("live or test"), str(MODES[attempt.livemode])
    yield _("language"), plain(attempt.language)
    yield _("code valid until"), _moment(attempt.expires_at)
    yield _("Telroi's id"), _id(attempt.telroi_id or "")
    yield _("public id"), _id(str(attempt.uuid))


def _same_value_url(attempt: VerificationAttempt, column: str, site: AdminSite) -> str:
    """Return the URL of the list of attempts with the same value in ``column``."""
    listed = reverse("admin:django_telroi_verificationattempt_changelist", current_app=site.name)
    return f"{listed}?{urlencode({column + '__exact': getattr(attempt, column)})}"


def _id(text: str) -> SafeString | str:
    return format_html('<code class="telroi-id" dir="ltr">{}</code>', plain(text)) if text else ""


def _line(entry: Entry, site: AdminSite, request: HttpRequest) -> TimelineLine:
    other = entry.attempt_id
    return TimelineLine(
        entry=entry,
        time=_moment(entry.at),
        distance=distance(entry.after),
        who=plain(entry.who),
        where=plain(entry.where),
        quote=plain(entry.quote),
        note=plain(entry.note),
        url=page_address(VerificationAttempt, other, site=site, request=request) if other else "",
    )


def _moment(moment: datetime) -> str:
    """Format to the second. With minutes only, the order and distance of events would not be visible."""
    then = timezone.localtime(moment)
    return f"{date_format(then, 'DATE_FORMAT')} {then:%H:%M:%S}"
