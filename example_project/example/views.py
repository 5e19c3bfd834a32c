"""The home page, and the endpoints of the handset."""

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
    """Return the page with the form and the handset."""
    return render(request, "example/home.html")


@never_cache
def handset_call(request: HttpRequest) -> JsonResponse:
    """Return this visitor's call: ``{"call": {"id", "code", "language", "says", "age"} | null}``, the age in seconds.

    ``says``: the words before the code, the first and the second time. ``language``: the language of these words.
    """
    call = visitors_call(request)
    keep_session_cookie(request)
    return JsonResponse({"call": call and as_json(call)})


@never_cache
def handset_transcript(request: HttpRequest) -> HttpResponse:
    """Return the text of the call, for a browser without JavaScript."""
    return render(request, "example/transcript.html", {"call": visitors_call(request)})


def visitors_call(request: HttpRequest) -> Call | None:
    """Return the call of this visitor. Raises Http404 without a simulator, because there is no handset then."""
    if not settings.SIMULATOR_URL:
        raise Http404
    attempts = [read_flow(request, purpose).attempt for purpose in (*conf.purposes(), conf.LOGIN_PURPOSE)]
    return call_for(VerificationAttempt.objects.filter(uuid__in=filter(None, attempts)).order_by("-pk").first())


def keep_session_cookie(request: HttpRequest) -> None:
    """Prevent a response that deletes the session cookie.

    A right code gives the session a new key. A request that the handset sent just before has the old key, so it finds
    no session. Django would then delete the cookie in the browser, which has the new key by now.
    """
    del request.session


def as_json(call: Call) -> dict[str, object]:
    age = (timezone.now() - call.at).total_seconds()
    return {"id": call.id, "code": call.code, "language": call.spoken_language, "says": call.says, "age": age}
