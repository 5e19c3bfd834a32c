"""Rows to be looked at: masked, and read-only, for they are evidence."""

from __future__ import annotations

from django.db.models import Model
from django.http import HttpRequest

from django_telroi.domain.phone import mask


def on_one_line(number: str) -> str:
    """The masked number, which no narrow column breaks."""
    return mask(number).replace(" ", "\N{NO-BREAK SPACE}")


class ReadOnly:
    """Nobody adds, changes or deletes here, whatever their permissions: only services write."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the filters offer: with any look-up at all a number could be guessed digit by digit."""
        offered = {each if isinstance(each, str) else each[0] for each in getattr(self, "list_filter", ())}
        return lookup.partition("__")[0] in offered

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Rows go by their id alone: a list that went by number would show it."""
        return to_field == "id"
