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
from django.utils.formats import number_format
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

if TYPE_CHECKING:
    from django.contrib.admin.sites import AdminSite
    from django.contrib.admin.views.main import ChangeList

register = template.Library()


@register.inclusion_tag("admin/django_telroi/calls_stopped.html", takes_context=True)
def telroi_calls_stopped(context: Context) -> dict[str, Any]:
    """Render the banner of the kill switch, or nothing while calls are allowed. Runs one query per page.

    A project may add it to its own ``admin/base_site.html``, so that pages of other apps have it too. It is rendered
    once on each page, and only for staff who may view numbers or attempts.
    """
    from django_telroi.admin.actions.kill_switch import read_control
    from django_telroi.admin.shared.chips import moment_in_sentence

    request: HttpRequest = context["request"]
    if BANNER in context.render_context or not _may_view_this_app(request):
        return {"stopped": None}
    context.render_context[BANNER] = True
    control = read_control(request)
    if control.stopped_at is None:
        return {"stopped": None}
    # The page of the switch needs both permissions. A link to a page with 403 would be a trap.
    may_resume = request.user.has_perms(["django_telroi.stop_calls", "django_telroi.view_phonenumber"])
    when = moment_in_sentence(control.stopped_at, now=now())
    url = _url(request, "django_telroi_resume_calls") if may_resume else ""
    return {
        "stopped": {"by": control.stopped_by, "reason": control.stopped_reason, "when": when, "url": url},
    }


BANNER = "telroi_calls_stopped"


def _may_view_this_app(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    views = ("view_phonenumber", "view_verificationattempt", "view_verifiedphone", "view_overview")
    return user is not None and user.is_staff and any(user.has_perm(f"django_telroi.{view}") for view in views)


@register.simple_tag(takes_context=True)
def telroi_stop_url(context: Context) -> str:
    """Return the URL of the page that stops all calls, ``""`` if they are stopped or the user may not stop them."""
    from django_telroi.admin.actions.kill_switch import read_control

    request: HttpRequest = context["request"]
    if not request.user.has_perms(["django_telroi.stop_calls", "django_telroi.view_phonenumber"]):
        return ""
    return "" if read_control(request).stopped_at else _url(request, "django_telroi_stop_calls")


@register.inclusion_tag("admin/django_telroi/first_page.html", takes_context=True)
def telroi_first_page(context: Context) -> dict[str, Any]:
    """Render the links to the overview and the blocked destinations, notices of toll fraud and "Stop all calls".

    Runs one small query if there is no alert.
    """
    from django.contrib import admin

    from django_telroi.admin.overview.attacks import attack_now, destination_tools
    from django_telroi.admin.shared.lists import overview_tools

    request: HttpRequest = context["request"]
    site = _current_site(request) or admin.site
    links = [*overview_tools(request, site=site.name), *destination_tools(request, site)]
    return {"attacks": attack_now(request, site), "stop_url": telroi_stop_url(context), "links": links}


def _current_site(request: HttpRequest) -> AdminSite | None:
    from django.contrib.admin.sites import all_sites

    name = getattr(request, "current_app", None)
    return next((site for site in all_sites if site.name == name), None)


@register.inclusion_tag("admin/django_telroi/crumbs.html", takes_context=True)
def telroi_crumbs(context: Context, *, ends_with_object: bool = False) -> dict[str, Any]:
    """Render the breadcrumbs: home, app, list, object if there is one, this page. From Django 6.1 they are a list.

    ``ends_with_object``: this page is the object's own one.
    """
    crumbs = list(_crumbs(context))
    if ends_with_object:
        crumbs = [*crumbs[:-2], {**crumbs[-2], "url": ""}]
    return {"crumbs": crumbs, "is_list": django.VERSION >= (6, 1)}


def _crumbs(context: Context) -> Iterator[dict[str, str]]:
    from django_telroi.admin.shared.chips import left_to_right

    request, opts, original = context["request"], context["opts"], context.get("original")
    yield {
        "label": str(opts.app_config.verbose_name),
        "url": _url(request, "app_list", kwargs={"app_label": opts.app_label}),
    }
    name = f"{opts.app_label}_{opts.model_name}"
    yield {"label": str(opts.verbose_name_plural), "url": _url(request, f"{name}_changelist")}
    if original:
        yield {"label": left_to_right(str(original)), "url": _url(request, f"{name}_change", args=(original.pk,))}
    yield {"label": str(context["title"]), "url": ""}


@register.simple_tag
def telroi_row_count(cl: ChangeList) -> str:
    """Return ``2 phone numbers``, or ``more than 100 phone numbers`` if there is a next page. Runs no COUNT query."""
    names = {"names": cl.opts.verbose_name if cl.result_count == 1 else cl.opts.verbose_name_plural}
    figures = {"count": str(number_format(cl.result_count, use_l10n=True, force_grouping=True)), **names}
    if getattr(cl, "has_more", False):
        return _("more than %(count)s %(names)s") % figures
    return _("%(count)s %(names)s") % figures


@register.inclusion_tag("admin/django_telroi/filter_forms.html")
def telroi_filter_forms(cl: ChangeList) -> dict[str, Any]:
    """Render the forms of the filters with a field. The fields refer to them by their ids."""
    from django_telroi.admin.shared.filters import FormFilter

    forms = [(spec.form_id, spec.kept(cl)) for spec in cl.filter_specs if isinstance(spec, FormFilter)]
    return {"forms": forms}


@register.simple_tag
def telroi_zone() -> str:
    """Return ``Times: Africa/Lagos (WAT)``. A page says it once, so its times need no zone."""
    from django_telroi.admin.shared.chips import zone_words

    return pgettext("time zone of a page", "Times: %(zone)s") % {"zone": zone_words()}


def _url(request: HttpRequest, name: str, **arguments: Any) -> str:
    """Return the URL of the page on the current admin site, ``""`` if that site does not have the page."""
    try:
        return reverse(f"admin:{name}", current_app=getattr(request, "current_app", None), **arguments)
    except NoReverseMatch:
        return ""
