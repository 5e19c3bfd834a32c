"""Migration from django-phone-verify: its two endpoints, its serializers, and a command that imports its rows.

Nothing here imports that package, so it can be uninstalled.
"""
