"""Permissions: one for users with a verified phone, and a project-wide default that leaves the endpoints open.

A project may name these in ``DEFAULT_PERMISSION_CLASSES``. ``rest_framework.views`` imports that list while it is being
imported itself, so this module imports views only inside its methods.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext_lazy

from django_telroi.errors import Unavailable
from django_telroi.packages import REST_FRAMEWORK
from django_telroi.services.accounts.phones import known_phone_record
from django_telroi.services.shared.arguments import ANY_NUMBER, stored_number

with REST_FRAMEWORK.needed_for("django_telroi.rest.permissions"):
    from rest_framework.permissions import BasePermission, IsAuthenticated

    from django_telroi.rest.django_request import django_request
    from django_telroi.rest.problems import NotNow

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

__all__ = ["ANY_NUMBER", "IsAuthenticatedOrVerifying", "IsPhoneVerified"]


class IsAuthenticatedOrVerifying(IsAuthenticated):
    """``IsAuthenticated`` for all views except the endpoints of a verification, which need no login.

    Use it as a default on sites where people verify a phone before they have an account. The list of a user's numbers
    still requires a login.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        from django_telroi.rest.endpoint import PhoneEndpoint

        return isinstance(view, PhoneEndpoint) or super().has_permission(request, view)


class IsPhoneVerified(BasePermission):
    """Allows users who verified a phone.

    ``purpose``: the phone must be verified for this purpose. None means any.
    ``max_age``: the verification must not be older, as a timedelta or in seconds. None means no limit.

    Override ``get_number`` to require one number.

    A person who is not logged in gets the status that DRF uses for that, 401 or 403. A user without such a phone gets
    403 with the code ``phone_not_verified``. If the database does not answer, the status is 503 with the code
    ``unavailable``.
    """

    purpose: ClassVar[str | None] = None
    max_age: ClassVar[timedelta | float | None] = None
    code = "phone_not_verified"
    # A dict, because DRF's own handler leaves the code of a plain text out of the body.
    message: ClassVar[dict[str, Any]] = {
        "code": code,
        "detail": gettext_lazy("Verify your phone first."),
    }

    @classmethod
    def for_(cls, *, purpose: str | None = None, max_age: timedelta | float | None = None) -> type[IsPhoneVerified]:
        """Return a subclass with these values, for a view's ``permission_classes``."""
        return type(cls.__name__, (cls,), {"purpose": purpose, "max_age": max_age})

    def get_number(self, request: Request, view: APIView) -> object:
        """Return the number that must be verified, such as ``request.user.phone``. It is called after the login.

        A user with an empty or invalid number is rejected. ANY_NUMBER, the default, means that every verified number
        counts.
        """
        return ANY_NUMBER

    def has_permission(self, request: Request, view: APIView) -> bool:
        user: Any = request.user  # None if the project sets UNAUTHENTICATED_USER to None
        if user is None or not user.is_authenticated:
            return False
        age = timedelta(seconds=self.max_age) if isinstance(self.max_age, int | float) else self.max_age
        value = self.get_number(request, view)
        stored = None if value is ANY_NUMBER else stored_number(value)
        if stored and stored.problem:
            return False
        try:
            record = known_phone_record(user, request=django_request(request))
        except Unavailable:
            # As a dict, because the project's own handler makes this response, and DRF's leaves out the code of a text.
            raise NotNow({"code": NotNow.default_code, "detail": NotNow.default_detail}) from None
        return record.has_phone(purpose=self.purpose, max_age=age, number=stored.number if stored else None)
