"""What all endpoints share: how they are guarded, what they take, and whom they answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections, transaction
from django.http import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer
from rest_framework.views import APIView

from django_telroi.errors import AttemptNotFound, Unavailable, UserNotFound
from django_telroi.redaction import as_secret
from django_telroi.rest.charsets import refuse_other_charsets
from django_telroi.rest.ids import read_uuid
from django_telroi.rest.problems import BodyTooLarge, NotNow, UserGone, answer_problem
from django_telroi.services.requester import hide_what_was_posted
from django_telroi.services.shared.transactions import DATABASE_LOST, note_lost_database

LONGEST_BODY = 64 * 1024
"""Bytes. Nothing that is asked here is longer than a few lines."""

ProblemHandler = Callable[[Exception, dict[str, Any]], Response | None]


class PhoneEndpoint(APIView):
    """An endpoint of a verification. Who may ask, how they show who they are and how often is the project's to say."""

    parser_classes = (JSONParser, FormParser, MultiPartParser)
    serializer_class: type[BaseSerializer[Any]] = Serializer
    """What is asked for; the browsable form is made from it."""
    versioning_class = None
    asked_with: BaseSerializer[Any] | None = None
    unavailable: type[NotNow] | None = NotNow
    _ignore_model_permissions = True
    """DRF's word for a view without a queryset: a project's default may be ``DjangoModelPermissions``."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:  # type: ignore[override]
        """Guards belong to the view as it is served: no subclass can lose them by overriding a method.

        No request runs in a transaction of its own, on any database: a rollback must not undo a call that was placed or
        a guess that was judged.
        """
        view = never_cache(hide_what_was_posted(super().as_view(**initkwargs)))
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if _content_length(request) > LONGEST_BODY:
            raise BodyTooLarge
        refuse_other_charsets(request)
        super().initial(request, *args, **kwargs)

    def get_exception_handler(self) -> ProblemHandler:
        return answer_problem

    def handle_exception(self, exc: Exception) -> Response:
        """A database that fails while the user is looked up, say, is answered like one that fails in a service.

        The words for a call that cannot be placed fit no other endpoint.
        """
        if isinstance(exc, DATABASE_LOST):
            note_lost_database(exc)
            exc = Unavailable()
        if isinstance(exc, UserNotFound):
            exc = UserGone()
        if not isinstance(exc, Unavailable):
            return super().handle_exception(exc)
        # Not the browsable page: it looks up the user and their permissions once more.
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return super().handle_exception(self.unavailable() if self.unavailable else exc)

    def get_serializer(self, *args: Any, **options: Any) -> BaseSerializer[Any]:
        options.setdefault("context", {"request": self.request, "view": self})
        return self.serializer_class(*args, **options)

    @sensitive_variables()
    def asked(self, request: Request) -> dict[str, Any]:
        """What the request says. Raises ValidationError."""
        self.asked_with = self.get_serializer(data=request.data)
        self.asked_with.is_valid(raise_exception=True)
        return {name: as_secret(value) for name, value in self.asked_with.validated_data.items()}

    @property
    def user(self) -> AbstractBaseUser | None:
        user: Any = self.request.user  # None where the project's UNAUTHENTICATED_USER is
        return user if user is not None and user.is_authenticated else None

    @property
    def attempt_uuid(self) -> UUID:
        """The id in the address. Raises AttemptNotFound for what cannot be one."""
        uuid = read_uuid(self.kwargs["uuid"])
        if uuid is None:
            raise AttemptNotFound
        return uuid


def _content_length(request: Request) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
