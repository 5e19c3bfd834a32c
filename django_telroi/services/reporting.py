"""What Django's own error reports may show of a request that brings a number or a code."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.views.debug import get_default_exception_reporter_filter
from django.views.decorators.debug import sensitive_post_parameters

View = Callable[..., HttpResponseBase]


def hide_what_was_posted(view: View) -> View:
    """Keep what was posted out of error reports, and out of the page that ``DEBUG`` shows instead of one as well.

    Django hides nothing on that page. Otherwise the site's own filter does what it always does.
    """

    @wraps(view)
    def hiding(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        sites_own = type(get_default_exception_reporter_filter())
        always = type("AlwaysHiding", (sites_own,), {"is_active": lambda self, request: True})
        request.exception_reporter_filter = always()
        return view(request, *args, **kwargs)

    return sensitive_post_parameters()(hiding)
