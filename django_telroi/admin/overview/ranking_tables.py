"""The rankings of the overview: users, requesters' addresses, prefixes and numbers with most calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from django.contrib.auth import get_user_model
from django.utils.functional import Promise
from django.utils.translation import pgettext, pgettext_lazy

from django_telroi.admin.overview.charts import share_bar
from django_telroi.admin.overview.formats import AttemptLinks, Figure, TableRow, figure, money, percent
from django_telroi.admin.shared.callers import meant_numbers, stored_phones
from django_telroi.admin.shared.chips import on_one_line
from django_telroi.admin.shared.narrow_filters import CountedResult
from django_telroi.models import PhoneNumber
from django_telroi.services.requester import user_name
from django_telroi.services.statistics.periods import Group, Outcome, Ranked, Ranking, Statistics

LEAST_PLACED = 10
"""A share of fewer placed calls may be low by chance."""
FAR_BELOW = 0.5
"""A share stands out if it is below this part of the site's usual share."""


@dataclass(frozen=True)
class RankingTable:
    """A table of the page. ``id`` is unique on the page."""

    id: str
    title: str
    column: str
    lines: list[TableRow]


TITLES: Mapping[Ranking, tuple[str | Promise, str | Promise]] = {
    Ranking.PREFIXES: (
        pgettext_lazy("ranking", "Prefixes with most calls"),
        pgettext_lazy("ranking", "Prefix"),
    ),
    Ranking.USERS: (pgettext_lazy("ranking", "Users with most calls"), pgettext_lazy("ranking", "User")),
    Ranking.ADDRESSES: (
        pgettext_lazy("ranking", "Addresses with most calls"),
        pgettext_lazy("ranking", "Requester's address"),
    ),
    Ranking.NUMBERS: (pgettext_lazy("ranking", "Numbers with most calls"), pgettext_lazy("ranking", "Number")),
}
PARAMETERS = {
    Ranking.USERS: "user",
    Ranking.ADDRESSES: "address",
    Ranking.PREFIXES: "prefix",
    Ranking.NUMBERS: "phone__id__exact",
}


def ranking_tables(figures: Statistics, links: AttemptLinks) -> list[RankingTable]:
    """Return the tables that this user may see.

    Users, addresses and numbers are facts of single attempts. Without the permission to view these, only the prefixes
    are shown.
    """
    return [
        RankingTable(id=f"rank-{kind}", title=str(title), column=str(column), lines=_lines(kind, figures, links))
        for kind in kinds_shown(shows_attempts=bool(links.address))
        for title, column in [TITLES[kind]]
    ]


def kinds_shown(*, shows_attempts: bool) -> list[Ranking]:
    """Return what is ranked for this user, in the order of the page."""
    return [kind for kind in TITLES if shows_attempts or kind is Ranking.PREFIXES]


def _lines(kind: Ranking, figures: Statistics, links: AttemptLinks) -> list[TableRow]:
    return [_line(kind, each, name, figures, links) for each, name in named(kind, figures)]


def named(kind: Ranking, figures: Statistics) -> list[tuple[Ranked, str]]:
    """Return the rows of a ranking, each with the name that the page and the CSV file show."""
    ranked = figures.rankings.get(kind, ())
    names = NAMES[kind]([each.key for each in ranked])
    return [(each, names.get(each.key, each.key)) for each in ranked]


def _line(kind: Ranking, ranked: Ranked, name: str, figures: Statistics, links: AttemptLinks) -> TableRow:
    return table_row(
        ranked,
        name=name,
        before=ranked.calls_before,
        link=partial(links.to, figures.ranked_since, figures.until, **{PARAMETERS[kind]: ranked.key}),
        usual=figures.usual_share,
        is_number=kind in (Ranking.PREFIXES, Ranking.NUMBERS),
    )


def table_row(
    counted: Ranked | Group,
    *,
    name: str,
    before: int | None,
    link: Callable[..., str],
    usual: float | None,
    is_number: bool = False,
) -> TableRow:
    """Return the row of a table of calls. ``link`` returns the URL of its attempts, with the given ``outcome``.

    ``before``: the calls of the time before, None if they are not known.
    """
    return TableRow(
        name=name,
        calls=Figure(figure(counted.calls), link()),
        placed=Figure(figure(counted.placed), link(outcome=CountedResult.PLACED)),
        verified=Figure(figure(counted.verified), link(outcome=Outcome.VERIFIED)),
        share=percent(counted.share),
        bar=share_bar(counted.share),
        cost=money(counted.cost),
        before="–" if before is None else figure(before),
        warning=share_warning(counted, usual=usual),
        is_number=is_number,
    )


def share_warning(calls: Ranked | Group, *, usual: float | None) -> str:
    """Return why the share of verified calls stands out, or ``""``."""
    share = calls.share
    if share is None or not usual or calls.placed < LEAST_PLACED or share >= FAR_BELOW * usual:
        return ""
    return pgettext("share of verified calls", "far below the usual %(share)s") % {"share": percent(usual)}


def _users(keys: list[str]) -> dict[str, str]:
    """Return the names by primary key. A user that was deleted meanwhile is shown by the key.

    Some sites use the phone number as user name. A name that is a stored number is masked, in any spelling.
    """
    users: Any = get_user_model()._default_manager.in_bulk(keys)
    meant = {key: meant_numbers(user.get_username()) for key, user in users.items()}
    stored = {phone.number for phone in stored_phones(chain.from_iterable(meant.values()))}
    numbers = {key: next((each for each in meant[key] if each in stored), "") for key in users}
    return {str(key): user_name(user, number=numbers[key]) for key, user in users.items()}


def _numbers(keys: list[str]) -> dict[str, str]:
    phones = PhoneNumber.objects.in_bulk([int(key) for key in keys])
    return {str(key): on_one_line(phone.number) for key, phone in phones.items()}


def _as_they_are(keys: list[str]) -> dict[str, str]:
    return {key: key for key in keys}


NAMES: Mapping[Ranking, Callable[[list[str]], dict[str, str]]] = {
    Ranking.USERS: _users,
    Ranking.NUMBERS: _numbers,
    Ranking.ADDRESSES: _as_they_are,
    Ranking.PREFIXES: _as_they_are,
}
