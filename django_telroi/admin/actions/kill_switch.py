"""The kill switch: the pages on which staff stop and resume all calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext, pgettext_lazy

from django_telroi import services
from django_telroi.admin.actions.action_views import (
    APP,
    QUESTION_PAGE,
    StaffActionViews,
    actor_of,
    require_permissions,
    staff_view,
)
from django_telroi.admin.actions.number_actions import ReasonForm
from django_telroi.admin.shared.chips import isolated, moment_in_sentence, moment_words
from django_telroi.errors import Unavailable
from django_telroi.models import AttemptEvent, CallControl, EventKind
from django_telroi.services.requester import plain

REQUEST_ATTRIBUTE = "telroi_control"
STOPPING = pgettext_lazy(
    "help",
    "No calls are placed until staff resume them. A person who asks for a call reads that calls are switched off. The "
    "codes of calls that were already placed can still be typed.",
)
RESUMING = pgettext_lazy("help", "All calls are stopped. After you resume them, calls are placed again at once.")


def read_control(request: HttpRequest) -> CallControl:
    """Return the ``CallControl`` of the site. It is read once for each request."""
    # The banner of every page reads it, and the page of the switch too. It is not cached longer: staff who stop all
    # calls must see that they are stopped.
    cached = vars(request)
    if REQUEST_ATTRIBUTE not in cached:
        cached[REQUEST_ATTRIBUTE] = services.call_control()
    control: CallControl = cached[REQUEST_ATTRIBUTE]
    return control


def stopped_words(control: CallControl) -> str:
    """Return the message for staff who stop calls that are stopped already."""
    if control.stopped_at is None:
        return pgettext("message", "Calls were stopped and resumed by others at the same moment.")
    when = moment_in_sentence(control.stopped_at, now=timezone.now())
    words = {"who": isolated(control.stopped_by), "when": when, "reason": isolated(control.stopped_reason)}
    return pgettext("message", "%(who)s stopped all calls already, %(when)s: %(reason)s") % words


def resumed_words() -> str:
    """Return the message for staff who resume calls that are not stopped: who was faster, and when."""
    event = AttemptEvent.objects.filter(kind=EventKind.CALLS_RESUMED).order_by("-at").first()
    if event is None:
        return _("Calls are not stopped.")
    when = moment_in_sentence(event.at, now=timezone.now())
    words = pgettext("message", "Calls are not stopped. %(who)s resumed them, %(when)s.")
    return words % {"who": isolated(event.actor), "when": when}


class KillSwitch(StaffActionViews):
    """The views of the kill switch. Each AdminSite with the admin of numbers has them."""

    def get_urls(self) -> list[URLPattern]:
        stop = staff_view(self.admin_site.admin_view(self.stop_view))
        resume = staff_view(self.admin_site.admin_view(self.resume_view))
        # Before Django's own URLs, whose last one takes any path as the id of a number.
        return [
            path("stop-calls/", stop, name=f"{APP}_stop_calls"),
            path("resume-calls/", resume, name=f"{APP}_resume_calls"),
            *super().get_urls(),
        ]

    def stop_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a reason (GET), or stop all calls (POST). If they are stopped already, redirect to the other page."""
        self.require_switch_permissions(request)
        control = read_control(request)
        # A second stop would replace the reason and the name of the first.
        if control.stopped_at:
            messages.warning(request, stopped_words(control))
            return HttpResponseRedirect(self.switch_url("resume"))
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            reason = form.cleaned_data["reason"]
            match self.switch(request, partial(services.stop_calls, reason=reason, actor=actor_of(request))):
                case True:
                    self.log_switch(request, _("Stopped all calls: %(reason)s") % {"reason": reason})
                    messages.success(request, _("All calls are stopped."))
                case False:  # another member of staff was faster; the banner says who
                    messages.warning(request, stopped_words(services.call_control()))
            return HttpResponseRedirect(self.number_url("changelist"))
        stopping = {"form": form, "consequence": STOPPING, "is_final": True}
        return self.switch_page(request, _("Stop all calls"), stopping)

    def resume_view(self, request: HttpRequest) -> HttpResponse:
        """Show who stopped the calls, when and why (GET), or resume calls (POST)."""
        self.require_switch_permissions(request)
        control = read_control(request)
        if control.stopped_at is None:
            messages.warning(request, resumed_words())
            return HttpResponseRedirect(self.number_url("changelist"))
        if request.method == "POST":
            match self.switch(request, partial(services.resume_calls, actor=actor_of(request))):
                case True:
                    self.log_switch(request, _("Resumed calls"))
                    messages.success(request, _("Calls are placed again."))
                case False:
                    messages.warning(request, resumed_words())
            return HttpResponseRedirect(self.number_url("changelist"))
        facts = [
            (_("Stopped"), moment_words(control.stopped_at, now=timezone.now())),
            (_("By"), plain(control.stopped_by)),
            (_("Reason"), plain(control.stopped_reason)),
        ]
        return self.switch_page(request, _("Resume calls"), {"facts": facts, "consequence": RESUMING})

    def switch(self, request: HttpRequest, act: Callable[[], bool]) -> bool | None:
        """Call ``act`` and return its result. If the database fails, add an error message and return None."""
        try:
            return act()
        except Unavailable:
            words = _("The database failed. It is unknown whether the action was done. Check it before you try again.")
            messages.error(request, words)
            return None

    def require_switch_permissions(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied
        require_permissions(request, "stop_calls")

    def switch_page(self, request: HttpRequest, verb: str, context: dict[str, object]) -> HttpResponse:
        named = {"title": verb, "button": verb, "back": self.number_url("changelist")}
        return self.page(request, QUESTION_PAGE, {**named, **context})

    def switch_url(self, verb: str) -> str:
        return reverse(f"admin:{APP}_{verb}_calls", current_app=self.admin_site.name)

    def log_switch(self, request: HttpRequest, message: str) -> None:
        self.log_change(request, services.call_control(), message)
