"""The REST API: translates between JSON and the services. The rules are in the services.

``rest_framework`` must be in ``INSTALLED_APPS`` only for its browsable pages.
"""
