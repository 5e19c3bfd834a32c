"""How the documentation is built. A warning is an error."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import django
from django.conf import settings

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

# The reference imports every public module, so Django must be set up, with the apps that define models.
settings.configure(
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "rest_framework",
        "phone_verify",
        "allauth",
        "allauth.account",
        "django_otp",
        "two_factor",
        "two_factor.plugins.phonenumber",
        "django_telroi",
        "django_telroi.contrib.allauth",
        "django_telroi.contrib.login",
        "django_telroi.contrib.otp",
        "django_telroi.contrib.phone_verify",
    ],
    MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"],
    PHONE_VERIFICATION={"BACKEND": "phone_verify.backends.base.BaseBackend", "OPTIONS": {}},
    SECRET_KEY="the documentation signs nothing",
    USE_TZ=True,
)
django.setup()

project = "django-telroi"
author = "django-telroi contributors"
copyright = "django-telroi contributors"  # noqa: A001 -- the name that Sphinx reads
_package = (HERE.parent / "django_telroi" / "__init__.py").read_text()
release = re.findall('^__version__ = "(.+)"$', _package, re.MULTILINE)[0]

extensions = ["sphinx.ext.autodoc", "myst_parser", "accessible_pages", "telroi_reference"]
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"django-telroi {release}"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5eff", "color-brand-content": "#1f5eff"},
    "dark_css_variables": {"color-brand-primary": "#7ea2ff", "color-brand-content": "#7ea2ff"},
}
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_copy_source = False
exclude_patterns = ["_build"]
nitpicky = True
# Names of annotations that are imported for type checkers only.
nitpick_ignore = [("py:class", name) for name in ("APIView", "PhoneDevice", "Request", "collections.abc.Callable[[]")]
