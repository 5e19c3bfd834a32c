"""Upkeep: overdue transitions (``sweep``) and deletion of old rows (``purge``)."""
