"""The shop's pages, and what the handset asks."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from django_telroi import conf
from django_telroi.models import VerificationAttempt
from django_telroi.web.session import read_flow
from example.handset import Call, call_for


@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """The drop-in form beside the handset."""
    return render(request, "example/home.html")


@never_cache
def handset_call(request: HttpRequest) -> JsonResponse:
    """What rings for this visitor: ``{"call": {"id", "code", "language", "age"} | null}``, the age in seconds."""
    call = heard_by(request)
    leave_cookie_alone(request)
    return JsonResponse({"call": call and as_json(call)})


@never_cache
def handset_transcript(request: HttpRequest) -> HttpResponse:
    """What the handset would say, for a browser without JavaScript."""
    return render(request, "example/transcript.html", {"call": heard_by(request)})


def heard_by(request: HttpRequest) -> Call | None:
    """The call that this visitor's handset hears; without a simulator there is no handset."""
    if not settings.SIMULATOR_URL:
        raise Http404
    asked_for = [read_flow(request, purpose).attempt for purpose in conf.purposes()]
    return call_for(VerificationAttempt.objects.filter(uuid__in=filter(None, asked_for)).order_by("-pk").first())


def leave_cookie_alone(request: HttpRequest) -> None:
    """Answer without a word about the session.

    A right code gives the session a new key. A handset that asked a moment before still has the old one, finds no
    session, and Django would tell the browser to delete the cookie, which by then is the new one.
    """
    del request.session


def as_json(call: Call) -> dict[str, object]:
    age = (timezone.now() - call.at).total_seconds()
    return {"id": call.id, "code": call.code, "language": call.language, "age": age}
