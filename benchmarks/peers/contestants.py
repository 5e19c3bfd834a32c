"""The packages that are compared, and what each needs. Standard library only: the program runs without any of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DRIVERS = ("psycopg[binary]", "gunicorn", "requests")
"""Installed into each environment: the driver of PostgreSQL, the server, and the client of the provider."""


@dataclass(frozen=True)
class Contestant:
    """``site``: its module in the folder ``sites``. ``package``: what is named with its version in the output.

    ``tables``: contestants with the same name share one environment and one database. Empty for none. ``options``:
    environment variables of its processes. ``limits_calls``: it refuses a call if the number or the visitor had too
    many. ``is_served``: also measured behind gunicorn.
    """

    name: str
    title: str
    site: str
    tables: str
    package: str
    requirements: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()
    limits_calls: bool = True
    is_served: bool = False

    @property
    def has_tables(self) -> bool:
        return self.tables != ""

    @property
    def is_peer(self) -> bool:
        return self.package in ("django-allauth", "django-phone-verify", "django-two-factor-auth")


ALLAUTH = ("django-allauth[headless]",)
TELROI = (str(ROOT),)


def _telroi(face: str, codes: str, *, is_served: bool) -> Contestant:
    return Contestant(
        name=f"{face}-{codes}",
        title=f"django-telroi, {'REST' if face == 'rest' else 'page'}, CODES={codes}",
        site=f"telroi_{face}",
        tables="telroi",
        package="django-telroi",
        requirements=TELROI,
        options=(("PEERS_CODES", codes),),
        is_served=is_served,
    )


BARE = Contestant("bare", "one POST to the provider", "bare", "", "requests", ("Django",))
CONTESTANTS = (
    Contestant(
        "floor", "hand-written floor, with a limit", "floor_view", "floor", "Django", ("Django",), is_served=True
    ),
    Contestant(
        "drf",
        "the floor behind one plain DRF view",
        "floor_drf",
        "floor_drf",
        "djangorestframework",
        ("Django", "djangorestframework"),
    ),
    Contestant(
        "phone-verify",
        "django-phone-verify (no limits)",
        "phone_verify_api",
        "phone_verify",
        "django-phone-verify",
        ("django-phone-verify",),
        limits_calls=False,
        is_served=True,
    ),
    Contestant(
        "allauth",
        "django-allauth headless, sign-up",
        "allauth_signup",
        "allauth",
        "django-allauth",
        ALLAUTH,
        is_served=True,
    ),
    Contestant(
        "allauth-login",
        "django-allauth headless, login by code",
        "allauth_login",
        "allauth",
        "django-allauth",
        ALLAUTH,
        is_served=True,
    ),
    Contestant(
        "two-factor",
        "django-two-factor-auth, call set-up",
        "two_factor_setup",
        "two_factor",
        "django-two-factor-auth",
        ("django-two-factor-auth[phonenumbers]",),
        limits_calls=False,
        is_served=True,
    ),
    _telroi("rest", "site", is_served=True),
    _telroi("rest", "telroi", is_served=True),
    _telroi("page", "site", is_served=True),
    _telroi("page", "telroi", is_served=False),
)
BY_NAME = {each.name: each for each in (BARE, *CONTESTANTS)}
