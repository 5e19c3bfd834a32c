"""Invented customers of the shop: names, and numbers of several countries, from a seeded random generator."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from django.contrib.auth.models import User
from django.utils.text import slugify

from django_telroi.models import PhoneNumber

# Numbers that a country reserves for fiction, else numbers of a mobile range (Nigeria, Ghana, Kenya).
# Each # is a random digit. The weight is the share of the shop's customers.
PLANS: dict[str, tuple[int, tuple[str, ...]]] = {
    "NG": (38, ("+234803#######", "+234806#######", "+234703#######", "+234813#######")),
    "GH": (13, ("+23324#######", "+23354#######", "+23320#######")),
    "KE": (11, ("+254712######", "+254722######")),
    "US": (14, ("+120155501##", "+131255501##", "+141555501##", "+164655501##", "+171355501##")),
    "GB": (12, ("+441134960###", "+441314960###", "+441614960###", "+441514960###")),
    "FR": (6, ("+33465710###", "+33353010###", "+33261910###")),
    "DE": (6, ("+493023125###",)),
}

FIRST_NAMES = """
Adaeze Amara Chidi Emeka Folake Ifeoma Kelechi Ngozi Obinna Tunde Yemi Zainab Abena Akosua Kofi Kwame
Yaw Achieng Kamau Njeri Otieno Wanjiru Ashley Daniel Emily James Olivia Sarah Alice George Harriet
Oliver Camille Julien Léa Anna Felix Jonas
""".split()  # noqa: SIM905 - a list would be a page of quotation marks
LAST_NAMES = """
Adeyemi Balogun Eze Ibrahim Mbah Nwosu Okafor Okonkwo Olawale Sule Asante Boateng Mensah Owusu Kariuki
Mwangi Odhiambo Wambui Brown Davis Johnson Miller Clarke Evans Hughes Walker Bernard Dubois Moreau Bauer
Schmidt Wagner
""".split()  # noqa: SIM905 - a list would be a page of quotation marks


@dataclass(frozen=True)
class Person:
    """A customer. ``phone``: the unsaved row of the number. ``user``: None without an account."""

    number: str
    region: str
    phone: PhoneNumber
    address: str
    user: User | None


def make_users(rng: Random, count: int) -> list[User]:
    """Return unsaved users with different names. They have no password, so they cannot log in."""
    # Twice as many as needed, because some are the same. Sorted, because the order of a set differs from run to run.
    names = {f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}" for _ in range(count * 2)}
    return [_user(name) for name in sorted(names)[:count]]


def make_people(rng: Random, users: list[User], *, count: int) -> list[Person]:
    """Return ``count`` people with different numbers. The first ones are the users."""
    numbers: dict[str, str] = {}
    while len(numbers) < count:
        number, region = _number(rng)
        numbers[number] = region
    owners = [*users, *[None] * (count - len(users))]
    return [
        Person(number, region, PhoneNumber(number=number, last4=number[-4:], region=region), _address(rng), owner)
        for (number, region), owner in zip(numbers.items(), owners, strict=True)
    ]


def _user(name: str) -> User:
    first, last = name.split(" ")
    username = slugify(name).replace("-", ".")
    user = User(username=username, first_name=first, last_name=last, email=f"{username}@example.com")
    user.set_unusable_password()
    return user


def _number(rng: Random) -> tuple[str, str]:
    weights = [weight for weight, _ in PLANS.values()]
    region = rng.choices(list(PLANS), weights)[0]
    pattern = rng.choice(PLANS[region][1])
    return "".join(str(rng.randrange(10)) if place == "#" else place for place in pattern), region


def _address(rng: Random) -> str:
    """Return an IP address of the blocks that are reserved for documentation (RFC 5737)."""
    return f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randrange(1, 255)}"
