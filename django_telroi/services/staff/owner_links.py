"""The link with which the owner of a number blocks calls to it. Its page is ``web.do_not_call``."""

from __future__ import annotations

from datetime import timedelta

from django.core import signing
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.phone import parse_phone
from django_telroi.redaction import redact_arguments
from django_telroi.services.shared.arguments import typed_arguments
from django_telroi.services.shared.encryption import seal, unseal

LINK_LIFETIME = timedelta(days=30)
"""How long a link is valid. Long enough for a mail that is read after a holiday."""

SALT = "django_telroi.web.do_not_call"


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
def do_not_call_path(number: str) -> str:
    """Return the path of the page on which the owner of ``number`` can block it, valid for ``LINK_LIFETIME``.

    The number in it is encrypted. A person who has the link can block the number, so send it to the owner only. Raises
    InvalidNumber.
    """
    phone = parse_phone(number, default_region=conf.default_region())
    sealed = seal(phone.number, owner="", salt=SALT)
    return reverse("telroi:do-not-call", args=[signing.TimestampSigner(salt=SALT).sign(sealed)])


@sensitive_variables()
def number_of_link(token: str) -> str | None:
    """Return the number of a link. None if the link was changed or is too old."""
    try:
        sealed = signing.TimestampSigner(salt=SALT).unsign(token, max_age=LINK_LIFETIME)
    except signing.BadSignature:
        return None
    return unseal(sealed, owner="", salt=SALT)
