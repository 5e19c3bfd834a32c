"""The page "Do not call me": the owner of a number blocks it with a signed link, without a login."""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_variables
from django.views.generic import View

from django_telroi import services
from django_telroi.domain.phone import mask
from django_telroi.errors import ChangedMeanwhile, InvalidNumber, Unavailable
from django_telroi.services.requester import hide_what_was_posted
from django_telroi.services.shared.transactions import DATABASE_LOST, close_lost_connections
from django_telroi.services.staff.support import number_of_link
from django_telroi.web.card_problems import unavailable_page
from django_telroi.web.card_texts import shown_number

DONE = "done"
"""Query parameter of the page after the block."""


@method_decorator([never_cache, hide_what_was_posted, csrf_protect], name="dispatch")
class DoNotCallView(View):
    """GET asks for confirmation and reads no row, because programs open links too. POST blocks the number."""

    login_required = False
    """For ``LoginRequiredMiddleware``: the owner of the number may have no account."""

    http_method_names = ["get", "head", "post", "options"]

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view outside of ``ATOMIC_REQUESTS``."""
        view = super().as_view(**initkwargs)
        view.login_required = False  # type: ignore[attr-defined]
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    @sensitive_variables()
    def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        return self.page(request, number_of_link(token))

    @sensitive_variables()
    def post(self, request: HttpRequest, token: str) -> HttpResponseBase:
        number = number_of_link(token)
        if number is None:
            return self.page(request, None)
        try:
            services.block_for_owner(number)
        except InvalidNumber:  # the rules for numbers have changed since the link was made
            return self.page(request, None)
        except (ChangedMeanwhile, Unavailable):
            return unavailable_page(request)
        except DATABASE_LOST as error:
            close_lost_connections(error)
            return unavailable_page(request)
        return HttpResponseRedirect(f"{request.path}?{DONE}=1")

    @sensitive_variables()
    def page(self, request: HttpRequest, number: str | None) -> HttpResponse:
        """Return the page of the number, or with status 404 the page of an invalid link."""
        context = {"masked": shown_number(mask(number)) if number else "", "is_done": DONE in request.GET}
        response = render(request, "telroi/do_not_call.html", context, status=200 if number else 404)
        # The path is the secret of the owner. ``no-referrer`` would make browsers send the form without an origin.
        response["Referrer-Policy"] = "same-origin"
        return response
