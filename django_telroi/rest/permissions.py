"""Only with a verified phone, and a default for sites where people without an account verify one.

A project may name these in ``DEFAULT_PERMISSION_CLASSES``. ``rest_framework.views`` imports that list while it is being
imported itself, so this module imports no views before it is asked.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext_lazy
from rest_framework.permissions import BasePermission, IsAuthenticated

from django_telroi.errors import Unavailable
from django_telroi.rest.problems import NotNow
from django_telroi.services.accounts.phones import known_phone_record

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

__all__ = ["IsAuthenticatedOrVerifying", "IsPhoneVerified"]


class IsAuthenticatedOrVerifying(IsAuthenticated):
    """``IsAuthenticated`` for all views but the endpoints of a verification, which are open to everyone.

    The list of a user's numbers asks for a login all the same.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        from django_telroi.rest.endpoint import PhoneEndpoint

        return isinstance(view, PhoneEndpoint) or super().has_permission(request, view)


class IsPhoneVerified(BasePermission):
    """Lets users pass who verified a phone, for ``purpose`` (None means any) and within ``max_age`` (None means ever).

    ``max_age`` is a timedelta or in seconds.

    Somebody who is not logged in is asked to; a user without such a phone gets 403, and the body says
    ``phone_not_verified``. Where the database cannot say, the answer is 503 with the code ``unavailable``.
    """

    purpose: ClassVar[str | None] = None
    max_age: ClassVar[timedelta | float | None] = None
    code = "phone_not_verified"
    # A dict, because DRF's own handler would leave the code out of the body.
    message: ClassVar[dict[str, Any]] = {
        "code": code,
        "detail": gettext_lazy("Verify your phone first."),
    }

    @classmethod
    def for_(cls, *, purpose: str | None = None, max_age: timedelta | float | None = None) -> type[IsPhoneVerified]:
        """The same permission with demands of its own, to stand in a view's ``permission_classes``."""
        return type(cls.__name__, (cls,), {"purpose": purpose, "max_age": max_age})

    def has_permission(self, request: Request, view: APIView) -> bool:
        user: Any = request.user  # None where the project's UNAUTHENTICATED_USER is
        if user is None or not user.is_authenticated:
            return False
        age = timedelta(seconds=self.max_age) if isinstance(self.max_age, int | float) else self.max_age
        try:
            record = known_phone_record(user, request=request._request)
        except Unavailable:
            raise NotNow({"code": NotNow.default_code, "detail": NotNow.default_detail}) from None
        return record.has_phone(purpose=self.purpose, max_age=age)
