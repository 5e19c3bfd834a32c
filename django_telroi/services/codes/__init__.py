"""Checking a code: ``check`` is the entry, ``site_judge`` and ``telroi_judge`` are the two ways to judge it."""
