"""Template tags of the admin templates.

Django's system check imports every tag library, also if ``django.contrib.admin`` is not installed. Then the admin's
modules cannot be imported. So the tags import them when they run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import django
from django import template
from django.http import HttpRequest
from django.template import Context
from django.urls import NoReverseMatch, reverse
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList

register = template.Library()


@register.inclusion_tag("admin/django_telroi/calls_stopped.html", takes_context=True)
def telroi_calls_stopped(context: Context) -> dict[str, Any]:
    """Render the banner of the kill switch, or nothing while calls are allowed. Runs one query per page."""
    from django_telroi.admin.actions.kill_switch import read_control

    request: HttpRequest = context["request"]
    control = read_control(request)
    if control.stopped_at is None:
        return {"stopped": None}
    may_resume = request.user.has_perms(["django_telroi.stop_calls", "django_telroi.view_phonenumber"])
    when = date_format(localtime(control.stopped_at), "DATETIME_FORMAT")
    url = _url(request, "django_telroi_resume_calls") if may_resume else ""
    return {
        "stopped": {"by": control.stopped_by, "reason": control.stopped_reason, "when": when, "url": url},
    }


@register.inclusion_tag("admin/django_telroi/crumbs.html", takes_context=True)
def telroi_crumbs(context: Context) -> dict[str, Any]:
    """Render the breadcrumbs: home, app, list, object if there is one, this page. From Django 6.1 they are a list."""
    return {"crumbs": list(_crumbs(context)), "is_list": django.VERSION >= (6, 1)}


def _crumbs(context: Context) -> Iterator[dict[str, str]]:
    request, opts, original = context["request"], context["opts"], context.get("original")
    yield {
        "label": str(opts.app_config.verbose_name),
        "url": _url(request, "app_list", kwargs={"app_label": opts.app_label}),
    }
    name = f"{opts.app_label}_{opts.model_name}"
    yield {"label": str(opts.verbose_name_plural), "url": _url(request, f"{name}_changelist")}
    if original:
        yield {"label": str(original), "url": _url(request, f"{name}_change", args=(original.pk,))}
    yield {"label": str(context["title"]), "url": ""}


@register.simple_tag
def telroi_row_count(cl: ChangeList) -> str:
    """Return ``2 phone numbers``, or ``more than 100 phone numbers`` if there is a next page. Runs no COUNT query."""
    names = {"names": cl.opts.verbose_name if cl.result_count == 1 else cl.opts.verbose_name_plural}
    figures = {"count": str(number_format(cl.result_count, use_l10n=True, force_grouping=True)), **names}
    if getattr(cl, "has_more", False):
        return _("more than %(count)s %(names)s") % figures
    return _("%(count)s %(names)s") % figures


def _url(request: HttpRequest, name: str, **arguments: Any) -> str:
    """Return the URL of the page on the current admin site, ``""`` if that site does not have the page."""
    try:
        return reverse(f"admin:{name}", current_app=getattr(request, "current_app", None), **arguments)
    except NoReverseMatch:
        return ""
