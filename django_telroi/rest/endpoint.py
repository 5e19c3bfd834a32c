"""The base class of all endpoints: guards, validation of the body, the user, and the error handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections, transaction
from django.http import Http404, HttpResponseBase
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import NotAcceptable, ParseError, UnsupportedMediaType
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer
from rest_framework.views import APIView

from django_telroi.errors import AttemptNotFound, Unavailable, UserNotFound
from django_telroi.redaction import as_secret
from django_telroi.rest.django_request import django_request
from django_telroi.rest.ids import read_uuid
from django_telroi.rest.problems import BodyTooLarge, NotNow, UserGone, answer_problem
from django_telroi.services.requester import hide_what_was_posted, is_cut_off
from django_telroi.services.sentences import sentence
from django_telroi.services.shared.transactions import DATABASE_LOST, close_lost_connections

MAX_BODY_BYTES = 64 * 1024
"""Bytes. The longest valid body has a few lines."""

ProblemHandler = Callable[[Exception, dict[str, Any]], Response | None]


class PhoneEndpoint(APIView):
    """Base class of the endpoints. The project's DRF settings decide on authentication, permissions and throttling."""

    parser_classes = (JSONParser, FormParser, MultiPartParser)
    serializer_class: type[BaseSerializer[Any]] = Serializer
    """Validates the body. The browsable form is made from it."""
    versioning_class = None
    body_serializer: BaseSerializer[Any] | None = None
    """The serializer of this request's body. None until the body is read."""
    unavailable: type[NotNow] | None = NotNow
    """The error that replaces ``Unavailable``. None keeps ``Unavailable``, whose text is about placing a call."""
    refusal_sentence = staticmethod(sentence)
    """Returns the text of a refused start."""
    _ignore_model_permissions = True
    """DRF's flag for a view without a queryset. Without it a default of ``DjangoModelPermissions`` raises an error."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:  # type: ignore[override]
        """Return the view with its guards. They are added here, so a subclass cannot lose them by overriding a method.

        ``ATOMIC_REQUESTS`` is off for the view on every database: a rollback must not undo a call that was placed or a
        code that was checked.
        """
        view = never_cache(hide_what_was_posted(super().as_view(**initkwargs)))
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before authentication, which may read the body of a form.
        if _content_length(request) > MAX_BODY_BYTES:
            raise BodyTooLarge
        refuse_other_charsets(request)
        super().initial(request, *args, **kwargs)

    def perform_content_negotiation(self, *args: Any, **options: Any) -> tuple[BaseRenderer, str]:
        try:
            return super().perform_content_negotiation(*args, **options)
        except Http404:
            # For ``?format=xml`` DRF raises 404, though the URL exists. The header ``Accept`` gets 406.
            raise NotAcceptable from None

    def get_exception_handler(self) -> ProblemHandler:
        # Not the project's handler: all endpoints have the documented body, also for the errors of DRF.
        return answer_problem

    def handle_exception(self, exc: Exception) -> Response:
        """Return the response for ``exc``.

        A database that fails outside a service, for example while the user is read, gives the same response as one
        that fails inside a service. The text of ``Unavailable`` is about placing a call, so the endpoints that place
        no call replace it with ``unavailable``.
        """
        if isinstance(exc, DATABASE_LOST):
            close_lost_connections(exc)
            exc = Unavailable()
        if isinstance(exc, UserNotFound):
            exc = UserGone()
        if not isinstance(exc, Unavailable):
            return super().handle_exception(exc)
        self._replace_browsable_page()
        return super().handle_exception(self.unavailable() if self.unavailable else exc)

    def _replace_browsable_page(self) -> None:
        """Choose the renderer of the page's content instead of the page, which reads the user and permissions again."""
        chosen = getattr(self.request, "accepted_renderer", None)
        if not isinstance(chosen, BrowsableAPIRenderer):
            return
        # None if the page is the view's only renderer.
        renderer = chosen.get_default_renderer(self) or JSONRenderer()
        self.request.accepted_renderer = renderer
        self.request.accepted_media_type = renderer.media_type

    def get_serializer(self, *args: Any, **options: Any) -> BaseSerializer[Any]:
        options.setdefault("context", {"request": self.request, "view": self})
        return self.serializer_class(*args, **options)

    def uses_body(self) -> bool:
        """Return whether a field of the body has an effect."""
        return True

    @sensitive_variables()
    def validated_body(self, request: Request) -> dict[str, Any]:
        """Return the validated fields of the body. Every text is a ``Secret``. Raises ValidationError, ParseError."""
        # Some clients send an empty form in chunks too.
        if self.uses_body():
            if _is_without_length(request):
                raise ParseError(WITHOUT_CHUNKS)
            if is_cut_off(django_request(request)):
                raise ParseError(CUT_OFF)
        self.body_serializer = self.get_serializer(data=request.data)
        self.body_serializer.is_valid(raise_exception=True)
        return {name: as_secret(value) for name, value in self.body_serializer.validated_data.items()}

    @property
    def user(self) -> AbstractBaseUser | None:
        """The user who is logged in, or None."""
        user: Any = self.request.user  # None if the project sets UNAUTHENTICATED_USER to None
        return user if user is not None and user.is_authenticated else None

    @property
    def attempt_uuid(self) -> UUID:
        """The id in the URL. Raises AttemptNotFound if it is not a UUID."""
        uuid = read_uuid(self.kwargs["uuid"])
        if uuid is None:
            raise AttemptNotFound
        return uuid


def _content_length(request: Request) -> int:
    # Django and DRF treat an invalid length as 0 too, and read no body.
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _is_without_length(request: Request) -> bool:
    """Return whether the body comes in chunks. Django reads none without a length, so every field would be missing."""
    coding = request.META.get("HTTP_TRANSFER_ENCODING", "")
    return "chunked" in coding.lower() and not request.META.get("CONTENT_LENGTH")


UTF_8 = frozenset({"utf-8", "utf8"})
FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
UTF_8_ONLY = gettext_lazy("Send this request in UTF-8.")
WITHOUT_CHUNKS = gettext_lazy("Send this request with its length, not in chunks.")
CUT_OFF = gettext_lazy("Send this request again. It did not arrive completely.")


def refuse_other_charsets(request: Request) -> None:
    """Raise UnsupportedMediaType, or ParseError for a form, if ``Content-Type`` names a charset that is not UTF-8.

    A GET is not refused, because its body has no effect. An authentication of the project may read it, in UTF-8.

    Call it before anything reads the body or the query. Python accepts codec names that are not charsets: with
    ``charset=bz2``, DRF 3.16 decompresses 300 bytes of JSON to hundreds of megabytes. Other names raise errors that
    DRF does not expect. ParseError gives status 400, which Django itself returns for a form that is not in UTF-8.
    """
    charset = request.content_params.get("charset") if request.content_params else None
    if charset is None or charset.strip().lower() in UTF_8:
        return
    if request.method in SAFE_METHODS:
        # Django decodes the query, and DRF the body.
        django_request(request).encoding = "utf-8"
        request.parser_context["encoding"] = "utf-8"
        return
    if django_request(request).content_type in FORMS:
        raise ParseError(UTF_8_ONLY)
    raise UnsupportedMediaType(request.content_type or "", detail=str(UTF_8_ONLY))
