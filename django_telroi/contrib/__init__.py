"""Bridges to other packages.

Each sub-package imports the package it is for. The rest of django-telroi imports a bridge only if a setting or
INSTALLED_APPS names it.
"""
