"""The page of one attempt: its status, an explanation, its facts and its timeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.admin.sites import AdminSite
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from django_telroi import conf
from django_telroi.admin.actions.action_views import StaffActionViews
from django_telroi.admin.actions.user_wrong_codes import words_for_user
from django_telroi.admin.attempts.timeline import Entry, Neighbours, distance, timeline
from django_telroi.admin.numbers.next_call import another_call_sentence, status_now
from django_telroi.admin.shared import marks
from django_telroi.admin.shared.chips import linked, masked_mark, moment_words, page_address, region_mark
from django_telroi.admin.shared.meanings import Meaning, error_name, meaning_of
from django_telroi.admin.shared.ring import ring_words
from django_telroi.models import AttemptEvent, EventKind, PhoneNumber, SupportNote, VerificationAttempt
from django_telroi.services.requester import plain, user_name

# An attempt has few events of its own. A number or the switch may have many during a long attempt.
MAX_EVENTS = 500
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
    """The data for the template. ``number`` links to the page of the number if the user may open it."""

    number: SafeString
    actions: list[dict[str, Any]]
    reveal_url: str
    ring: str
    chip: SafeString
    error: str
    meaning: Meaning
    do: str
    facts: list[tuple[str | Promise, str]]
    lines: list[TimelineLine]


def story_of(attempt: VerificationAttempt, *, site: AdminSite, request: HttpRequest) -> Story:
    """Return the data for the page. Links that the user may not open are omitted."""
    requester = user_name(attempt.user, number=attempt.number)
    entries = timeline(
        attempt, _events(attempt), notes=_notes(attempt), requester=requester, neighbours=_neighbours(attempt)
    )
    number_page = _number_page(site, request)
    # The number's own row: the attempt's query does not read its limits.
    phone, meaning = PhoneNumber.objects.get(pk=attempt.phone_id), meaning_of(attempt)
    next_call = another_call_sentence(status_now(phone, request=request, now=timezone.now()))
    return Story(
        number=linked(
            masked_mark(attempt.number), page_address(PhoneNumber, attempt.phone_id, site=site, request=request)
        ),
        actions=number_page.offered_actions(request, phone) if number_page else [],
        reveal_url=number_page.reveal_url(request, attempt.phone) if number_page else "",
        ring=ring_words(attempt),
        chip=marks.status_chip(attempt),
        error=plain(error_name(attempt.error_code)),
        meaning=meaning,
        do=_what_to_do(meaning, next_call),
        facts=[(label, value) for label, value in _facts(attempt, requester, site, request) if value],
        lines=[_line(entry, site, request) for entry in entries],
    )


def _what_to_do(meaning: Meaning, next_call: str) -> str:
    parts = (str(meaning.do), next_call if meaning.asks_again else "")
    return " ".join(filter(None, parts)) or pgettext("what to do", "Nothing.")


def _number_page(site: AdminSite, request: HttpRequest) -> StaffActionViews | None:
    """Return the admin of numbers, for its actions. None if ``site`` has none, or the user may not view numbers."""
    page = site.get_model_admin(PhoneNumber) if site.is_registered(PhoneNumber) else None
    return page if isinstance(page, StaffActionViews) and page.has_view_permission(request) else None


def _events(attempt: VerificationAttempt) -> list[AttemptEvent]:
    """Return the attempt's events, and the staff actions on its number and on all calls until it was closed or its
    proof was used, whichever is later."""
    during = _during(attempt, "at")
    of_number = Q(phone=attempt.phone_id, attempt=None) & during
    # Three queries instead of one with OR, because each then uses its own index.
    events = AttemptEvent.objects.all()
    found = (
        events.filter(attempt=attempt),
        events.filter(of_number),
        events.filter(during, kind__in=SWITCH, attempt=None, phone=None),
    )
    return [event for rows in found for event in rows.order_by("id")[:MAX_EVENTS]]


def _during(attempt: VerificationAttempt, column: str) -> Q:
    """Return the condition that the time in ``column`` is between the request and the end of the attempt.

    An attempt without an end has no upper bound, because the clock of the database may be ahead of this process.
    """
    since = Q((f"{column}__gte", attempt.created_at))
    # A proof may be redeemed after the attempt was closed, so the timeline goes on until then.
    ends = [end for end in (attempt.closed_at, attempt.proof_spent_at) if end]
    return since & Q((f"{column}__lte", max(ends))) if ends else since


def _notes(attempt: VerificationAttempt) -> list[SupportNote]:
    """Return the notes on the attempt, and those on its number until it was closed or its proof was used, whichever is
    later."""
    of_number = Q(attempt=None) & _during(attempt, "created_at")
    # By the number, so that one index serves both. An attempt has the number of its notes.
    notes = SupportNote.objects.filter(Q(attempt=attempt.pk) | of_number, phone=attempt.phone_id)
    return list(notes.order_by("created_at")[:MAX_EVENTS])


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
    user = page_address(get_user_model(), attempt.user_id, site=site, request=request)
    yield (
        _("region"),
        linked(region_mark(attempt.region), _same_value_url(attempt, "region", site)) if attempt.region else "",
    )
    yield _("user"), linked(requester, user) if requester else _deleted_user(attempt)
    yield _("wrong codes of the user"), words_for_user(attempt.user_id)
    yield _("requester's IP address"), plain(attempt.requester_ip or "")
    yield (
        _("purpose"),
        linked(plain(attempt.purpose), _same_value_url(attempt, "purpose", site)) if attempt.purpose else "",
    )
    yield _("tries"), marks.tries(attempt)
    yield _("dispatch"), str(attempt.get_dispatch_display())
    yield _("live or test"), str(MODES[attempt.livemode])
    yield _("key"), _key(attempt, site)
    yield _("codes checked by"), str(attempt.get_judge_display())
    yield _("language"), plain(attempt.language)
    yield _("code valid until"), _moment(attempt.expires_at)
    yield from _consent(attempt)
    yield _("provider's id"), _id(attempt.telroi_id or "")
    yield _("public id"), _id(str(attempt.uuid))


def _deleted_user(attempt: VerificationAttempt) -> str:
    """Return that an account requested the attempt and was deleted since, ``""`` if no account did."""
    return pgettext("of an attempt", "an account that is deleted") if attempt.had_user else ""


def _key(attempt: VerificationAttempt, site: AdminSite) -> SafeString | str:
    """Return the name of the key. ``""`` for a site with one key."""
    try:
        is_removed = conf.is_key_removed(attempt.key_name)
    except Exception:  # noqa: BLE001 - a function of the site may raise anything
        is_removed = False
    name = linked(plain(attempt.key_name), _same_value_url(attempt, "key_name", site))
    if is_removed:
        return format_html(_("{} (not in the settings any more)"), name)
    return name if conf.has_named_keys() else ""


def _consent(attempt: VerificationAttempt) -> Iterator[tuple[str | Promise, str]]:
    """Yield what the person agreed to, for an attempt of a site that records it."""
    if attempt.consent and attempt.consented_at:
        version, moment = plain(attempt.consent.version_name), _moment(attempt.consented_at)
        words = pgettext("consent to a call", "version %(version)s, %(moment)s")
        yield pgettext_lazy("of an attempt", "consent"), words % {"version": version, "moment": moment}
        yield pgettext_lazy("of an attempt", "text of the consent"), plain(attempt.consent.text)


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
    return f"{moment_words(moment, now=timezone.now())}:{timezone.localtime(moment):%S}"
