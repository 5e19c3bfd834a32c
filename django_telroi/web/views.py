"""The pages. A GET returns a card. A POST returns a redirect, and the next page shows the result.

You may subclass the views. Use the URL names of ``django_telroi.urls`` in the namespace ``telroi``, so that all links
and forms find your views.
"""

from __future__ import annotations

from django_telroi.web.add_number import AddNumberView
from django_telroi.web.call_views import CallAgainView, ChangeNumberView
from django_telroi.web.code_page import CodeView, DoneView, StatusView
from django_telroi.web.pages import PhonePage
from django_telroi.web.start_page import StartView

__all__ = [
    "AddNumberView",
    "CallAgainView",
    "ChangeNumberView",
    "CodeView",
    "DoneView",
    "PhonePage",
    "StartView",
    "StatusView",
]
