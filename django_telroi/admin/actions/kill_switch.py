"""The kill switch: the pages on which staff stop all calls, and let them be placed again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from django_telroi import services
from django_telroi.admin.actions.action_views import APP, StaffActionViews, actor_of, refuse_without, staff_view
from django_telroi.admin.actions.number_actions import ReasonForm
from django_telroi.admin.shared.lists import Tool
from django_telroi.errors import Unavailable
from django_telroi.models import CallControl

KEPT_AS = "telroi_control"
STOP_PAGE = "admin/django_telroi/stop_calls.html"


def read_control(request: HttpRequest) -> CallControl:
    """The site's control, read once for all of a page."""
    kept = vars(request)
    if KEPT_AS not in kept:
        kept[KEPT_AS] = services.call_control()
    control: CallControl = kept[KEPT_AS]
    return control


class KillSwitch(StaffActionViews):
    """Hung on the numbers' admin, so that every admin site has it that has numbers."""

    def get_urls(self) -> list[URLPattern]:
        stop = staff_view(self.admin_site.admin_view(self.stop_view))
        resume = staff_view(self.admin_site.admin_view(self.resume_view))
        return [
            path("stop-calls/", stop, name=f"{APP}_stop_calls"),
            path("resume-calls/", resume, name=f"{APP}_resume_calls"),
            *super().get_urls(),
        ]

    def switch_tools(self, request: HttpRequest) -> list[Tool]:
        """The link to the switch, for those who may use it."""
        if not request.user.has_perm(f"{APP}.stop_calls"):
            return []
        if read_control(request).stopped_at:
            return [Tool(self.switch_url("resume"), _("Resume calls"))]
        return [Tool(self.switch_url("stop"), _("Stop all calls"), "stop")]

    def stop_view(self, request: HttpRequest) -> HttpResponse:
        """Ask why, and stop. Once stopped, the page says since when, by whom and why."""
        self.refuse_strangers(request)
        control = read_control(request)
        if control.stopped_at:
            return HttpResponseRedirect(self.switch_url("resume"))
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            reason = form.cleaned_data["reason"]
            if not self.switch(request, partial(services.stop_calls, reason=reason, actor=actor_of(request))):
                return HttpResponseRedirect(self.number_url("changelist"))
            self.log_switch(request, _("Stopped all calls: %(reason)s") % {"reason": reason})
            messages.success(request, _("All calls are stopped."))
            return HttpResponseRedirect(self.number_url("changelist"))
        return self.switch_page(request, {"title": _("Stop all calls"), "form": form, "control": control})

    def resume_view(self, request: HttpRequest) -> HttpResponse:
        """Show since when, by whom and why calls are stopped; by POST, let them be placed again."""
        self.refuse_strangers(request)
        control = read_control(request)
        if control.stopped_at is None:
            messages.warning(request, _("Calls are not stopped."))
            return HttpResponseRedirect(self.number_url("changelist"))
        if request.method == "POST":
            if not self.switch(request, partial(services.resume_calls, actor=actor_of(request))):
                return HttpResponseRedirect(self.number_url("changelist"))
            self.log_switch(request, _("Resumed calls"))
            messages.success(request, _("Calls are placed again."))
            return HttpResponseRedirect(self.number_url("changelist"))
        return self.switch_page(request, {"title": _("Resume calls"), "control": control})

    def switch(self, request: HttpRequest, act: Callable[[], None]) -> bool:
        """Do it; where the database fails, say so."""
        try:
            act()
        except Unavailable:
            words = _("The database failed, and it is not certain that this was done. Look before you try again.")
            messages.error(request, words)
            return False
        return True

    def refuse_strangers(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied
        refuse_without(request, "stop_calls")

    def switch_page(self, request: HttpRequest, context: dict[str, object]) -> HttpResponse:
        return self.page(request, STOP_PAGE, {"back": self.number_url("changelist"), **context})

    def switch_url(self, verb: str) -> str:
        return reverse(f"admin:{APP}_{verb}_calls", current_app=self.admin_site.name)

    def log_switch(self, request: HttpRequest, message: str) -> None:
        self.log_change(request, services.call_control(), message)
