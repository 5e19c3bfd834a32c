"""Rows to be looked at: masked, and read-only, for they are evidence."""

from __future__ import annotations

from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from django_telroi.domain.phone import mask


def on_one_line(number: str) -> str:
    """The masked number, which no narrow column breaks."""
    return mask(number).replace(" ", "\N{NO-BREAK SPACE}")


def masked_mark(number: str) -> SafeString:
    """The masked number on one line, which reads from left to right in every language."""
    return format_html('<bdi class="telroi-number" dir="ltr">{}</bdi>', on_one_line(number))


class ReadOnly:
    """Nobody adds, changes or deletes here, whatever their permissions: only services write.

    ``linked_lookups`` are look-ups that no filter offers but a link of ours uses, spelled out, by id.
    """

    linked_lookups: tuple[str, ...] = ()

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the filters offer: with any look-up at all a number could be guessed digit by digit."""
        filters = getattr(self, "list_filter", ())
        if lookup in self.linked_lookups or lookup in {getattr(each, "parameter_name", None) for each in filters}:
            return True
        offered = {each if isinstance(each, str) else each[0] for each in filters if not isinstance(each, type)}
        return lookup.partition("__")[0] in offered

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Rows go by their id alone: a list that went by number would show it."""
        return to_field == "id"
