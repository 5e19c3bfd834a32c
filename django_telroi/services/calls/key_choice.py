"""The choice of a call's key: the function in ``API_KEY`` names one of ``API_KEYS``."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, NoReturn

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from django_telroi import conf
from django_telroi.conf import values
from django_telroi.errors import Misconfigured, Unavailable, VerificationRefused
from django_telroi.redaction import kind_of
from django_telroi.services.shared.transactions import write_alias

logger = logging.getLogger("django_telroi")


@dataclass(frozen=True)
class KeyFacts:
    """The call whose key is chosen.

    ``user``: None if the visitor is not logged in. ``region``: of the number, such as ``NG``. ``tenant``: the tenant
    that django-tenants set for this request (``connection.tenant``), None without django-tenants.
    """

    user: AbstractBaseUser | None
    purpose: str
    region: str
    tenant: Any = None


def current_tenant() -> Any:
    """Return the tenant of the database connection, which django-tenants sets for each request. None without it."""
    return getattr(connections[write_alias()], "tenant", None)


def choose_key(user: AbstractBaseUser | None, purpose: str, region: str) -> str:
    """Return the name of the key with which a call is placed. Calls the function in ``API_KEY``, if it is one.

    A VerificationRefused that the function raises is passed on unchanged. Raises Unavailable if it raises another
    exception, and Misconfigured if it cannot be imported or does not return a name of ``API_KEYS``. A call is never
    placed with the key of another name instead.
    """
    try:
        function = conf.key_function()
    except ImproperlyConfigured as error:
        _refuse(kind_of(error), Misconfigured())
    if function is None:
        return conf.DEFAULT_KEY
    facts = KeyFacts(user, purpose, region, current_tenant())
    try:
        choose = values.load_function(function)
    except Exception as error:  # noqa: BLE001 - a module of the site may raise anything
        _refuse(kind_of(error), Misconfigured())
    try:
        name: object = choose(facts)
        # ``str`` of a member of an Enum would be the name of the member.
        name = str.__str__(name) if isinstance(name, str) else name
        # A function in ``API_KEYS`` may return any names, and ``*`` is a row of CallControl that belongs to no key.
        is_known = isinstance(name, str) and conf.is_key_name(name) and bool(conf.keys_named(name))
    except VerificationRefused:
        raise
    except Exception as error:  # noqa: BLE001 - the site's own code may raise anything
        _refuse(kind_of(error), Unavailable())
    if not is_known:
        _refuse("no such key" if isinstance(name, str) else f"returned {type(name).__name__}", Misconfigured())
    return str(name)


def _refuse(reason: str, refusal: VerificationRefused) -> NoReturn:
    logger.error('key_not_chosen error="%s"', reason)
    raise refusal from None
