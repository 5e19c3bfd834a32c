"""The packages that only parts of django-telroi need, and the error if such a part is used without its package.

``pip install django-telroi`` installs all that are no extra. A site that does not use a part also works without the
package: it may be left out (``pip install --no-deps``), and is not imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec

__all__ = [
    "ALLAUTH",
    "CELERY",
    "DJANGO_OTP",
    "DJANGO_RATELIMIT",
    "REQUESTS",
    "REST_FRAMEWORK",
    "TWO_FACTOR",
    "Package",
]


@dataclass(frozen=True)
class Package:
    """A package that a part of django-telroi needs.

    ``module`` is its top-level module, ``title`` its name in sentences, ``requirement`` what pip installs.
    """

    module: str
    title: str
    requirement: str

    @property
    def is_installed(self) -> bool:
        """Whether Python finds the package. It is not imported. The answer is kept for the process."""
        return _is_found(self.module)

    @property
    def install_command(self) -> str:
        """The command that installs it."""
        return f'python -m pip install "{self.requirement}"'

    def missing_for(self, part: str) -> str:
        """Return the sentence that ``part``, such as "The API", needs this package."""
        return f"{part} needs {self.title}, which is not installed."

    @contextmanager
    def needed_for(self, part: str) -> Iterator[None]:
        """Import the package in the block. If it is not installed, ModuleNotFoundError says what ``part`` needs."""
        try:
            yield
        except ModuleNotFoundError as error:
            # Another module may be missing: one of the package itself, if its installation is broken.
            if (error.name or "").partition(".")[0] != self.module:
                raise
            message = f"{self.missing_for(part)} Install it: {self.install_command}"
            raise ModuleNotFoundError(message, name=self.module) from None


@lru_cache
def _is_found(module: str) -> bool:
    return find_spec(module) is not None


REST_FRAMEWORK = Package("rest_framework", "Django REST framework", "djangorestframework>=3.16")
CELERY = Package("celery", "Celery", "celery>=5.5")
DJANGO_RATELIMIT = Package("django_ratelimit", "django-ratelimit", "django-ratelimit>=4.1")
REQUESTS = Package("requests", "requests", "requests>=2.32.2")
ALLAUTH = Package("allauth", "django-allauth", "django-telroi[allauth]")
DJANGO_OTP = Package("django_otp", "django-otp", "django-telroi[otp]")
TWO_FACTOR = Package("two_factor", "django-two-factor-auth", "django-telroi[two-factor]")
