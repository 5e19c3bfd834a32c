"""Upkeep: what is due (``sweep``) and what is too old to keep (``purge``)."""
