"""The charset of a request body. Only UTF-8 is accepted."""

from __future__ import annotations

from django.utils.translation import gettext_lazy
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.request import Request

from django_telroi.rest.django_request import django_request

UTF_8 = frozenset({"utf-8", "utf8"})
FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
UTF_8_ONLY = gettext_lazy("Send this request in UTF-8.")


def refuse_other_charsets(request: Request) -> None:
    """Raise UnsupportedMediaType, or ParseError for a form, if ``Content-Type`` names a charset that is not UTF-8.

    Call it before anything reads the body or the query. Python accepts codec names that are not charsets: with
    ``charset=bz2``, DRF 3.16 decompresses 300 bytes of JSON to hundreds of megabytes. Other names raise errors that
    DRF does not expect. ParseError gives status 400, which Django itself returns for a form that is not in UTF-8.
    """
    charset = request.content_params.get("charset") if request.content_params else None
    if charset is None or charset.strip().lower() in UTF_8:
        return
    if django_request(request).content_type in FORMS:
        raise ParseError(UTF_8_ONLY)
    raise UnsupportedMediaType(request.content_type or "", detail=str(UTF_8_ONLY))
