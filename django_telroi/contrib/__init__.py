"""Optional apps: the login by phone, and bridges to other packages.

Each bridge imports the package it is for. The rest of django-telroi imports a sub-package only if a setting or
INSTALLED_APPS names it.
"""
