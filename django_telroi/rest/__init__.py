"""The API: it translates between JSON and the services, and decides nothing.

Needs ``rest_framework`` in ``INSTALLED_APPS`` only for its browsable pages.
"""
