"""The page "Do not call me": the owner of a number blocks it with a signed link, without a login."""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.generic import View

from django_telroi import services
from django_telroi.domain.phone import mask
from django_telroi.errors import ChangedMeanwhile, InvalidNumber, Unavailable
from django_telroi.services.requester import hide_what_was_posted
from django_telroi.services.shared.transactions import DATABASE_LOST, close_lost_connections
from django_telroi.services.staff.support import number_of_link
from django_telroi.web import card_texts
from django_telroi.web.card_problems import unavailable_page
from django_telroi.web.card_texts import shown_number
from django_telroi.web.page_guards import csrf_protect_with_card

DONE = "done"
"""Query parameter of the page after the block."""


@sensitive_variables()
def number_of_path(token: str) -> str | None:
    """Return the number of the link, None if it is invalid. Mail programs add the mark after a link to it."""
    return number_of_link(token.rstrip(".,;:!)>"))


@method_decorator([never_cache, hide_what_was_posted], name="dispatch")
class DoNotCallView(View):
    """GET asks for confirmation and reads no row, because programs open links too. POST blocks the number."""

    login_required = False
    """For ``LoginRequiredMiddleware``: the owner of the number may have no account."""

    http_method_names = ["get", "head", "post", "options"]

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view outside of ``ATOMIC_REQUESTS``, with a CSRF check that shows this page again."""
        view = csrf_protect_with_card(super().as_view(**initkwargs), card=cls(**initkwargs).rejected_form)
        view.login_required = False  # type: ignore[attr-defined]
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    @sensitive_variables()
    def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        return self.page(request, number_of_path(token))

    @sensitive_variables()
    def post(self, request: HttpRequest, token: str) -> HttpResponseBase:
        number = number_of_path(token)
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
    def rejected_form(self, request: HttpRequest, has_cookie: bool) -> HttpResponse:  # noqa: FBT001 - as it is called
        """Return the page with status 403 for a form that the CSRF check rejected, with the button to send it again."""
        reason = card_texts.outdated_form() if has_cookie else card_texts.no_cookie()
        page = self.page(request, number_of_path(request.resolver_match.kwargs["token"]), reason=reason)  # type: ignore[union-attr]
        page.status_code = 403
        return page

    @sensitive_variables()
    def page(self, request: HttpRequest, number: str | None, *, reason: str = "") -> HttpResponse:
        """Return the page of the number, or with status 404 the page of an invalid link."""
        is_done = DONE in request.GET and not reason
        context = {"masked": shown_number(mask(number)) if number else "", "is_done": is_done, "reason": reason}
        response = render(request, "telroi/do_not_call.html", context, status=200 if number else 404)
        # The path is the secret of the owner. ``no-referrer`` would make browsers send the form without an origin.
        response["Referrer-Policy"] = "same-origin"
        return response
