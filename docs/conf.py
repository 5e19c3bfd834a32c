"""How the documentation is built. A warning is an error."""

from __future__ import annotations

import re
from pathlib import Path

project = "django-telroi"
author = "django-telroi contributors"
copyright = "django-telroi contributors"  # noqa: A001 -- the name that Sphinx reads
_package = Path(__file__).parents[1].joinpath("django_telroi", "__init__.py").read_text()
release = re.findall('^__version__ = "(.+)"$', _package, re.MULTILINE)[0]

html_theme = "furo"
html_title = f"django-telroi {release}"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5eff", "color-brand-content": "#1f5eff"},
    "dark_css_variables": {"color-brand-primary": "#7ea2ff", "color-brand-content": "#7ea2ff"},
}
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
exclude_patterns = ["_build"]
nitpicky = True
