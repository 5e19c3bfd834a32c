"""This module is a block of the page about django-tenants."""

from tests.bridges.tenants.page import execute

execute("mysite/keys.py", globals())
