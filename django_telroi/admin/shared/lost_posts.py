"""What a URL answers that performs something by POST only, when it is opened by GET.

If a session ends while a page is open, its buttons lead to the login, and the login redirects to their URL by GET.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.translation import pgettext


def back_to_the_button(request: HttpRequest, address: str) -> HttpResponseRedirect:
    """Return a redirect to the page with the button, at ``address``, and a message that nothing was done."""
    words = pgettext("message", "Nothing was done. If you had to log in first, do it again on this page.")
    messages.warning(request, words)
    return HttpResponseRedirect(address)
