"""The filter of attempts by the name of their key."""

from __future__ import annotations

from django.db.models import Q
from django.utils.translation import gettext_lazy

from django_telroi import conf
from django_telroi.admin.shared.filters import Choice, ChoiceFilter
from django_telroi.services.requester import plain

MAX_KEYS_OFFERED = 50


class KeyFilter(ChoiceFilter):
    """Filter by the names in ``API_KEYS``. The link on an attempt's page selects any other name."""

    title = gettext_lazy("key")
    parameter_name = "key_name__exact"

    def offered(self) -> list[Choice]:
        if not conf.has_named_keys():
            return []
        try:
            names = conf.key_names()
        except Exception:  # noqa: BLE001 - a function of the site may raise anything, and the list is useful without
            return []
        return [(name, plain(name)) for name in names[:MAX_KEYS_OFFERED]]

    def matching(self, value: str) -> Q:
        return Q(key_name=value)
