"""Checking a code: reserve a try, ask Telroi, and write the outcome to the attempt."""
