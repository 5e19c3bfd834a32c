"""A site with Wagtail, as its documentation adds it to a project, and the page types of the docs."""

from __future__ import annotations

from tests.docs_blocks import blocks_of_page
from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, TEMPLATES

INSTALLED_APPS = [
    "tests.bridges.wagtail.home",
    "wagtail.users",
    "wagtail.images",
    "wagtail.documents",
    "wagtail.admin",
    "wagtail",
    "taggit",
    *INSTALLED_APPS,
]
PAGES = {
    block.file.removeprefix("home/templates/"): block.body
    for block in blocks_of_page("integrations/wagtail.rst")
    if block.kind == "django"
}
LOADERS = [
    ("django.template.loaders.locmem.Loader", PAGES),
    "django.template.loaders.app_directories.Loader",
]
TEMPLATES = [{**TEMPLATES[0], "APP_DIRS": False, "OPTIONS": {**TEMPLATES[0]["OPTIONS"], "loaders": LOADERS}}]
ROOT_URLCONF = "tests.bridges.wagtail.urls"
LOGIN_URL = "/django-admin/login/"
WAGTAIL_SITE_NAME = "A site with Wagtail"
WAGTAILADMIN_BASE_URL = "http://testserver"
