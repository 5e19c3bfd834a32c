"""Judging a code: the try, Telroi's answer, and what becomes of the attempt."""
