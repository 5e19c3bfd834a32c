"""The URLs of the API on a site where Django REST framework is not installed. They raise, and the other URLs work.

So ``manage.py check`` can report the missing package (``telroi.E039``). If the include itself raised, no URL of the
site would work, and the check would end in a traceback.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from django_telroi.packages import REST_FRAMEWORK

__all__ = ["missing_framework", "urls_without_framework"]


@csrf_exempt
def missing_framework(request: HttpRequest, **kwargs: Any) -> NoReturn:
    """Raise ImproperlyConfigured, with the command that installs Django REST framework."""
    raise ImproperlyConfigured(f"{REST_FRAMEWORK.missing_for('The API')} Install it: {REST_FRAMEWORK.install_command}")


def urls_without_framework(name: str, *beginnings: str) -> list[URLPattern]:
    """Return patterns for all paths that start with one of ``beginnings``.

    ``name``: the name of the URL that the system check looks for.
    """
    return [re_path(f"^{beginning}", missing_framework, name=name) for beginning in beginnings]
