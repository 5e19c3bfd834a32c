"""The kill switch: the pages on which staff stop and resume all calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from django_telroi import services
from django_telroi.admin.actions.action_views import APP, StaffActionViews, actor_of, require_permissions, staff_view
from django_telroi.admin.actions.number_actions import ReasonForm
from django_telroi.admin.shared.lists import Tool
from django_telroi.errors import Unavailable
from django_telroi.models import CallControl

REQUEST_ATTRIBUTE = "telroi_control"
STOP_PAGE = "admin/django_telroi/stop_calls.html"


def read_control(request: HttpRequest) -> CallControl:
    """Return the ``CallControl`` of the site. It is read once for each request."""
    cached = vars(request)
    if REQUEST_ATTRIBUTE not in cached:
        cached[REQUEST_ATTRIBUTE] = services.call_control()
    control: CallControl = cached[REQUEST_ATTRIBUTE]
    return control


class KillSwitch(StaffActionViews):
    """The views of the kill switch. They belong to the admin of numbers, so each site with numbers has them."""

    def get_urls(self) -> list[URLPattern]:
        stop = staff_view(self.admin_site.admin_view(self.stop_view))
        resume = staff_view(self.admin_site.admin_view(self.resume_view))
        return [
            path("stop-calls/", stop, name=f"{APP}_stop_calls"),
            path("resume-calls/", resume, name=f"{APP}_resume_calls"),
            *super().get_urls(),
        ]

    def switch_tools(self, request: HttpRequest) -> list[Tool]:
        """Return the link to stop or resume calls, or no link without the permission."""
        if not request.user.has_perm(f"{APP}.stop_calls"):
            return []
        if read_control(request).stopped_at:
            return [Tool(self.switch_url("resume"), _("Resume calls"))]
        return [Tool(self.switch_url("stop"), _("Stop all calls"), "stop")]

    def stop_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a reason (GET), or stop all calls (POST). If they are stopped already, redirect to the other page."""
        self.require_switch_permissions(request)
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
        """Show who stopped the calls, when and why (GET), or resume calls (POST)."""
        self.require_switch_permissions(request)
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
        """Call ``act`` and return True. If the database fails, add an error message and return False."""
        try:
            act()
        except Unavailable:
            words = _("The database failed. It is unknown whether the action was done. Check it before you try again.")
            messages.error(request, words)
            return False
        return True

    def require_switch_permissions(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied
        require_permissions(request, "stop_calls")

    def switch_page(self, request: HttpRequest, context: dict[str, object]) -> HttpResponse:
        return self.page(request, STOP_PAGE, {"back": self.number_url("changelist"), **context})

    def switch_url(self, verb: str) -> str:
        return reverse(f"admin:{APP}_{verb}_calls", current_app=self.admin_site.name)

    def log_switch(self, request: HttpRequest, message: str) -> None:
        self.log_change(request, services.call_control(), message)
