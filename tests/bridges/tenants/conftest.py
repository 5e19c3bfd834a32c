"""Two tenants with their own schemas, domains, workspaces and keys. A third one has no key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project_settings
from django.db import connection

from django_telroi.conf import TELROI_BACKEND
from django_telroi.simulator import Simulator
from tests.calling_site import simulator  # noqa: F401
from tests.conftest import celery_app  # noqa: F401

KEYS = {"acme": "tlr_live_acme", "globex": "tlr_live_globex"}
SECRETS = {"acme": "whsec_acme", "globex": "whsec_globex"}
OF_PAGE = dict(project_settings.TELROI)


@pytest.fixture(scope="session")
def tenants(django_db_setup: None, django_db_blocker: Any) -> None:
    """Create the schemas. They stay in the database of the tests, because a schema takes a second."""
    from customers.models import Client, Domain

    with django_db_blocker.unblock():
        for name in ("public", *KEYS, "initech"):
            tenant = Client(schema_name=name, name=name.title())
            tenant.save(verbosity=0)
            host = "example.com" if name == "public" else f"{name}.example.com"
            Domain.objects.create(tenant=tenant, domain=host, is_primary=True)


@dataclass
class Stored:
    """The file with the keys of the tenants."""

    path: Path
    tenants: dict[str, Any] = field(default_factory=dict)

    def write(self, **keys: str | list[str]) -> None:
        """Replace the file, as an operator does while the site runs."""
        self.tenants = {
            name: {"keys": key, "webhook_secrets": [SECRETS.get(name, f"whsec_{name}")]} for name, key in keys.items()
        }
        self.path.write_text(json.dumps(self.tenants))


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stored:
    stored = Stored(tmp_path / "telroi.json")
    monkeypatch.setenv("TELROI_KEYS_FILE", str(stored.path))
    stored.write(**KEYS)
    return stored


@pytest.fixture
def telroi(simulator: Simulator, settings: Any, stored: Stored, tenants: None, db: None) -> Iterator[Simulator]:  # noqa: F811
    """A simulator with a workspace for each tenant, and the site of the page that calls it."""
    simulator.reset()
    simulator.add_key(KEYS["acme"])
    simulator.add_key(KEYS["globex"], workspace="sandbox")
    settings.TELROI = {
        **OF_PAGE,
        "BACKEND": TELROI_BACKEND,
        "BASE_URL": simulator.base_url,
        "KEY_REQUESTS_PER_MINUTE": 10**6,
    }
    yield simulator
    connection.set_schema_to_public()
    simulator.reset()


@pytest.fixture
def keys_used(telroi: Simulator) -> Callable[[], list[str]]:
    """Return the keys of the calls that Telroi got, oldest first."""
    return lambda: [seen.key for seen in telroi.requests if seen.path == "/v1/otp"]
