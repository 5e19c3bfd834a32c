"""The catalogue of everything that can go wrong on the way, by name."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django_telroi.simulator.answers import Answer, Refusal
from django_telroi.simulator.delivery import DELIVERIES, Delivery, as_it_is
from django_telroi.simulator.garbage import BODIES, FIELDS, REWRITES, Rewrite, fields, login
from django_telroi.simulator.refusals import REFUSALS
from django_telroi.simulator.wire import Line


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    ``acts`` says whether the request is carried out all the same: a phone may ring although the answer is lost. Of the
    rest one is set: ``leaves_unread`` (a reset before a byte is read), ``begin`` (a wait before the request is carried
    out), ``holds`` (silence until released), ``refuse`` (instead of carrying it out), ``rewrite`` (another answer) or
    ``deliver`` (the answer in another way).
    """

    about: str
    acts: bool = True
    leaves_unread: bool = False
    begin: Callable[..., None] | None = None
    holds: bool = False
    refuse: Callable[..., Refusal] | None = None
    rewrite: Callable[..., Answer] | None = None
    deliver: Callable[..., bool] | None = None

    def tuned(self, *, acts: bool | None = None, **options: Any) -> Fault:
        """The same with its options set. Raises ValueError for one that it does not have."""
        chosen = replace(self, acts=self.acts if acts is None else acts)
        if not options:
            return chosen
        if self.begin:
            return replace(chosen, begin=with_options(self.begin, options))
        if self.refuse:
            return replace(chosen, refuse=with_options(self.refuse, options))
        if self.rewrite:
            return replace(chosen, rewrite=with_options(self.rewrite, options))
        return replace(chosen, deliver=with_options(self.deliver or as_it_is, options))


def begins_late(line: Line, released: threading.Event, *, seconds: float | None = 6) -> None:
    """Carried out only after so many seconds, or once released; None waits for that alone. Then the right answer."""
    line.linger(seconds, until=released)


def with_options(way: Callable[..., Any], options: Mapping[str, Any]) -> Callable[..., Any]:
    """The function with these keywords set. Raises ValueError for one that it does not take."""
    known = {
        name for name, each in inspect.signature(way).parameters.items() if each.kind is inspect.Parameter.KEYWORD_ONLY
    }
    if unknown := options.keys() - known:
        raise ValueError(f"no such option: {', '.join(sorted(unknown))}")
    return partial(way, **options)


def _about(way: Callable[..., Any]) -> str:
    return (inspect.getdoc(way) or "").partition("\n")[0]


def _delivered(way: Delivery) -> Fault:
    return Fault(_about(way), deliver=way)


def _rewritten(way: Rewrite) -> Fault:
    return Fault(_about(way), rewrite=way)


FAULTS: Mapping[str, Fault] = {
    "reset_unread": Fault("A reset before a byte of the request is read.", acts=False, leaves_unread=True),
    "begins_late": Fault(_about(begins_late), begin=begins_late),
    "hold": Fault("Silence until released, then the right answer.", holds=True),
    **{name: _delivered(way) for name, way in DELIVERIES.items()},
    **{name: _rewritten(way) for name, way in REWRITES.items()},
    "login": Fault(_about(login), acts=False, rewrite=login),
    **{name: Fault(about, rewrite=way) for name, (about, way) in BODIES.items()},
    **{
        name: Fault(f"The right answer, {options}.", rewrite=partial(fields, **options))
        for name, options in FIELDS.items()
    },
    **{name: Fault(_about(way), acts=False, refuse=way) for name, way in REFUSALS.items()},
}
