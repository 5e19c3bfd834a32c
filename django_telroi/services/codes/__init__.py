"""Checking a code: ``check`` is the entry and judges codes of this site, ``telroi_judge`` asks Telroi."""
