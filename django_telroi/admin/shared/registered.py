"""The pages that an admin site has for a model. A site may have registered its own admin for a model, or none."""

from __future__ import annotations

from django.contrib.admin.sites import AdminSite
from django.db.models import Model
from django.http import HttpRequest


def may_view(model: type[Model], request: HttpRequest, site: AdminSite) -> bool:
    """Return whether the model is registered on ``site`` and the user may view it."""
    return site.is_registered(model) and site.get_model_admin(model).has_view_permission(request)
