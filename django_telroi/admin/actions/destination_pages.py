"""Blocked prefixes and regions: their list, and the pages on which staff block and unblock one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext, pgettext, pgettext_lazy

from django_telroi import services
from django_telroi.admin.actions.action_views import APP, QUESTION_PAGE, actor_of, require_permissions, staff_view
from django_telroi.admin.actions.coverage import coverage_of, title_of
from django_telroi.admin.actions.kill_switch import KillSwitch
from django_telroi.admin.actions.number_actions import ReasonForm
from django_telroi.admin.overview.attacks import block_words
from django_telroi.admin.overview.formats import site_url
from django_telroi.admin.shared.chips import isolated, moment_in_sentence, moment_words, time_mark
from django_telroi.admin.shared.number_lookups import may_view_full_numbers
from django_telroi.domain.destinations import read_destination
from django_telroi.domain.phone import FIRST_DIGITS
from django_telroi.errors import AlreadyBlocked, ChangedMeanwhile
from django_telroi.models import AttemptEvent, BlockedDestination, EventKind
from django_telroi.services.requester import plain

LIST_PAGE = "admin/django_telroi/destinations.html"
BLOCKING = pgettext_lazy(
    "help",
    "No number that begins with the prefix, or that belongs to the region, is called until the block ends. Calls that "
    "wait in the queue are not placed. A person with such a number reads that it cannot be called, and when it can if "
    "the block has an end. The codes of calls that were already placed can still be typed.",
)
UNBLOCKING = pgettext_lazy(
    "help",
    "Its numbers can be called again at once, within their limits. The site does not pause it again because of the "
    "calls so far.",
)
SEVERAL_COUNTRIES = pgettext_lazy("blocked prefix", "Numbers of several countries begin with this prefix.")
MAX_EVENTS = 20
NO_END = "0"
HOURS: tuple[tuple[str, str | Promise], ...] = (
    ("1", pgettext_lazy("length of a block", "one hour")),
    ("24", pgettext_lazy("length of a block", "one day")),
    ("168", pgettext_lazy("length of a block", "one week")),
    (NO_END, pgettext_lazy("length of a block", "until it is unblocked")),
)


class DestinationForm(ReasonForm):
    """Asks for a prefix or region, how long it is blocked, and the reason."""

    destination = forms.CharField(
        label=pgettext_lazy("form field", "Prefix or region"),
        max_length=20,
        help_text=pgettext_lazy(
            "form field", "The first digits of the numbers with the country code, such as +2348031, or a region: NG."
        ),
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "dir": "ltr"}),
    )
    hours = forms.ChoiceField(label=pgettext_lazy("form field", "For how long"), choices=HOURS, initial="1")
    field_order = ("destination", "hours", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A link suggests the destination. Then the reason is what is left to type.
        self.focused = "reason" if (kwargs.get("initial") or {}).get("destination") else "destination"
        super().__init__(*args, **kwargs)

    def clean_destination(self) -> str:
        try:
            return read_destination(self.cleaned_data["destination"])
        except ValueError:
            words = pgettext(
                "form error",
                "This is neither a region nor the beginning of phone numbers with their country code. To block one "
                "number, block it on its own page.",
            )
            raise forms.ValidationError(words, code="no_destination") from None

    @property
    def length(self) -> timedelta | None:
        hours = int(self.cleaned_data["hours"])
        return timedelta(hours=hours) if hours else None


@dataclass(frozen=True)
class BlockRow:
    """A row of the list of blocked destinations."""

    name: str
    block: str
    since: str
    by: str
    reason: str
    unblock_url: str


class DestinationPages(KillSwitch):
    """The views of blocked destinations. Each AdminSite with the admin of numbers has them."""

    def get_urls(self) -> list[URLPattern]:
        views = {
            "destinations": ("destinations/", self.destinations_view),
            "block_destination": ("destinations/block/", self.block_destination_view),
            "unblock_destination": ("destinations/unblock/", self.unblock_destination_view),
        }
        ours = [
            path(route, staff_view(self.admin_site.admin_view(view)), name=f"{APP}_{name}")
            for name, (route, view) in views.items()
        ]
        return [*ours, *super().get_urls()]

    def destinations_view(self, request: HttpRequest) -> HttpResponse:
        """Show what is blocked now, and what was blocked and unblocked before."""
        self.require_destination_permissions(request)
        now = timezone.now()
        kinds = (EventKind.DESTINATION_BLOCKED, EventKind.DESTINATION_UNBLOCKED)
        events = AttemptEvent.objects.filter(kind__in=kinds).order_by("-at")[:MAX_EVENTS]
        context = {
            "title": pgettext("title of a page", "Blocked prefixes and regions"),
            "rows": [self.block_row(each, now=now) for each in services.blocked_destinations(now=now)],
            "block_url": site_url(self.admin_site, "block_destination"),
            "events": [
                {
                    "at": time_mark(each.at, now=now),
                    "kind": each.get_kind_display(),
                    "actor": by_words(each.actor),
                    "detail": plain(each.detail),
                }
                for each in events
            ],
        }
        return self.page(request, LIST_PAGE, context)

    def block_row(self, block: BlockedDestination, *, now: datetime) -> BlockRow:
        unblock, query = site_url(self.admin_site, "unblock_destination"), urlencode({"destination": block.destination})
        return BlockRow(
            name=block.destination,
            block=block_words(block, now=now),
            since=moment_words(block.blocked_at, now=now),
            by=by_words(block.blocked_by),
            reason=plain(block.reason),
            unblock_url=f"{unblock}?{query}",
        )

    def block_destination_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for the destination, the time and a reason (GET), or block it (POST)."""
        self.require_destination_permissions(request)
        # A link has the destination and the hours. Anything else in the URL is only a suggestion in the form.
        given = {name: request.GET[name].replace("\0", "") for name in ("destination", "hours") if name in request.GET}
        form = DestinationForm(request.POST) if request.method == "POST" else DestinationForm(initial=given)
        is_valid = request.method == "POST" and form.is_valid()
        # Only what the page has told the consequences of. Two digits may be half the world.
        if is_valid and request.POST.get("confirmed") == form.cleaned_data["destination"]:
            return self.block(request, form)
        context: dict[str, object] = {
            "title": pgettext("title of a page", "Block a prefix or region"),
            "button": pgettext("button", "Show what it covers"),
            "consequence": BLOCKING,
            "form": form,
            "back": site_url(self.admin_site, "destinations"),
        }
        if destination := form.cleaned_data["destination"] if is_valid else suggested(given):
            context |= self.covered(request, destination)
        return self.page(request, QUESTION_PAGE, context)

    def covered(self, request: HttpRequest, destination: str) -> dict[str, object]:
        """Return what the page says of a destination before it is blocked."""
        now = timezone.now()
        # The count of a longer prefix would confirm the digits of one number, and a GET is not recorded.
        shows_calls = len(destination) <= len("+") + FIRST_DIGITS or may_view_full_numbers(request)
        coverage = coverage_of(destination, now=now)
        already = [self.block_row(each, now=now) for each in coverage.blocks]
        return {
            "title": title_of(destination),
            "button": pgettext("button", "Block it"),
            "is_final": True,
            "hidden": [("confirmed", destination)],
            "warning": SEVERAL_COUNTRIES if coverage.is_wide else "",
            "facts": [
                (pgettext("blocked prefix", "Countries"), coverage.countries),
                *([(pgettext("blocked prefix", "Calls"), coverage.calls_sentence)] if shows_calls else []),
                *((pgettext("blocked prefix", "Already"), f"{row.name}: {row.block} ({row.by})") for row in already),
            ],
        }

    def block(self, request: HttpRequest, form: DestinationForm) -> HttpResponse:
        destination, reason = form.cleaned_data["destination"], form.cleaned_data["reason"]
        actor = actor_of(request)
        try:
            is_done = self.switch(
                request,
                lambda: bool(services.block_destination(destination, reason=reason, actor=actor, length=form.length)),
            )
        except (AlreadyBlocked, ChangedMeanwhile) as error:
            messages.warning(request, blocked_words(destination, error))
            return HttpResponseRedirect(site_url(self.admin_site, "destinations"))
        if is_done:
            lasts = dict(HOURS)[form.cleaned_data["hours"]]
            words = {"name": destination, "length": lasts, "reason": reason}
            message = pgettext("admin log", "Blocked %(name)s (%(length)s): %(reason)s") % words
            self.log_destination(request, destination, message)
            done = pgettext("message", "%(name)s is blocked: %(length)s.") % words
            messages.success(request, done)
        return HttpResponseRedirect(site_url(self.admin_site, "destinations"))

    def unblock_destination_view(self, request: HttpRequest) -> HttpResponse:
        """Show the block (GET), or end it (POST)."""
        self.require_destination_permissions(request)
        name = (request.POST if request.method == "POST" else request.GET).get("destination", "")
        back, now = site_url(self.admin_site, "destinations"), timezone.now()
        block = next((each for each in services.blocked_destinations(now=now) if each.destination == name), None)
        # The page may be old: the pause is over, or another member of staff was faster.
        if block is None:
            messages.warning(request, unblocked_words(name))
            return HttpResponseRedirect(back)
        if request.method == "POST":
            match self.switch(
                request, partial(services.unblock_destination, block.destination, actor=actor_of(request))
            ):
                case True:
                    words = {"name": block.destination}
                    message = pgettext("admin log", "Unblocked %(name)s") % words
                    self.log_destination(request, block.destination, message)
                    messages.success(request, pgettext("message", "The block of %(name)s has ended.") % words)
                case False:
                    messages.warning(request, unblocked_words(name))
            return HttpResponseRedirect(back)
        title = pgettext("title of a page", "Unblock %(name)s?") % {"name": block.destination}
        row = self.block_row(block, now=now)
        facts = [
            (pgettext("blocked prefix", "State"), row.block),
            (pgettext("blocked prefix", "By"), row.by),
            (pgettext("blocked prefix", "Reason"), row.reason),
        ]
        context = {
            "title": title,
            "button": pgettext("button", "Unblock it"),
            "consequence": UNBLOCKING,
            "facts": facts,
            "hidden": [("destination", row.name)],
            "back": back,
        }
        return self.page(request, QUESTION_PAGE, context)

    def require_destination_permissions(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied
        require_permissions(request, "block_destination")

    def log_destination(self, request: HttpRequest, destination: str, message: str) -> None:
        row = BlockedDestination.objects.get(pk=destination)
        self.log_change(request, row, message)


def suggested(given: Mapping[str, str]) -> str:
    """Return the destination of a link, ``""`` if it has none that can be blocked."""
    try:
        return read_destination(given.get("destination", ""))
    except ValueError:
        return ""


def blocked_words(destination: str, error: AlreadyBlocked | ChangedMeanwhile) -> str:
    """Return the message for staff who block a destination that another staff member has blocked."""
    if isinstance(error, ChangedMeanwhile) or error.at is None:
        words = pgettext("message", "%(name)s was changed at the same moment. Nothing was done. Try again.")
        return words % {"name": destination}
    now = timezone.now()
    block = BlockedDestination(destination=destination, until=error.until, blocked_by=error.by)
    words = pgettext("message", "%(who)s has blocked %(name)s already, %(when)s. %(block)s. Nothing was changed.")
    who, when = isolated(error.by or capfirst(by_words(""))), moment_in_sentence(error.at, now=now)
    return words % {"who": who, "name": destination, "when": when, "block": block_words(block, now=now)}


def unblocked_words(name: str) -> str:
    """Return the message for staff who unblock a destination without a block: who was faster, or when it ended."""
    try:
        row = BlockedDestination.objects.filter(pk=read_destination(name), until__lte=timezone.now()).first()
    except ValueError:
        row = None
    if row is None or row.until is None:
        return pgettext("message", "This prefix or region is not blocked.")
    when = {"name": row.destination, "when": moment_in_sentence(row.until, now=timezone.now())}
    ended = AttemptEvent.objects.filter(
        kind=EventKind.DESTINATION_UNBLOCKED, at=row.until, detail=row.destination
    ).first()
    if ended is None:
        return pgettext("message", "The block of %(name)s has ended already, %(when)s.") % when
    words = pgettext("message", "%(who)s has unblocked %(name)s already, %(when)s.")
    return words % {"who": isolated(ended.actor), **when}


def by_words(actor: str) -> str:
    """Return who blocked or unblocked a destination. Only the site itself has no name."""
    return plain(actor) or gettext("this site")
