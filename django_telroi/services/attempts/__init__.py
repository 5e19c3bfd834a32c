"""Attempts: look-up, transitions, typed codes, and the status that the pages, the API and the admin show."""
