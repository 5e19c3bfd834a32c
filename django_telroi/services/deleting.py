"""Deleting many rows without loading them."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db.models import Model, QuerySet
from django.db.models.deletion import get_candidate_relations_to_delete


def delete_rows(rows: QuerySet[Any]) -> int:
    """One DELETE; what points at the rows must be gone. Sends no signals. Returns how many rows it were.

    Where models of the site point at them, Django loads the rows and does with the site's own what their ``on_delete``
    says.
    """
    if is_pointed_at_by_others(rows.model):
        return rows.delete()[1].get(rows.model._meta.label, 0)
    return rows._raw_delete(rows.db) or 0  # None where no row can match


def is_pointed_at_by_others(model: type[Model]) -> bool:
    ours = set(apps.get_app_config("django_telroi").get_models())
    return any(relation.related_model not in ours for relation in get_candidate_relations_to_delete(model._meta))
