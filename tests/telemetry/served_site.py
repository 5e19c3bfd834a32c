"""The measured site for gunicorn. As a program: create its tables."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application

from tests.telemetry.measured_site import configure_site

configure_site(telemetry=["prometheus"])
application = get_wsgi_application()

if __name__ == "__main__":
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
