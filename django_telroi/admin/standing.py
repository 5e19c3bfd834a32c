"""How a number stands now: whether it may be called, and if not, why and until when. Computed from its row alone.

The row keeps the calls that count, the hold and the block, and the rules are the site's settings of this moment: a
setting that was changed a second ago shows at once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, CharField, F, Q, QuerySet, TextField, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from django_telroi.admin.chips import chip, clock, moment_words
from django_telroi.domain.policy import DAY, HOUR, Policy, Rule, limit_at, seconds_to_wait, used_in
from django_telroi.models import PhoneNumber

FREE, BLOCKED = "free", "blocked"
TONES = {
    FREE: "good",
    BLOCKED: "quiet",
    Rule.COOLDOWN: "wait",
    Rule.HELD: "info",
    Rule.HOURLY_LIMIT: "bad",
    Rule.DAILY_LIMIT: "bad",
}


@dataclass(frozen=True)
class NumberStanding:
    """``rule`` is what bars the number longest, ``free`` or ``blocked``; ``until`` is None for those two."""

    rule: str
    until: datetime | None
    reason: str
    used_of_hour: int
    used_of_day: int
    policy: Policy
    now: datetime

    @property
    def is_free(self) -> bool:
        return self.rule == FREE

    @property
    def chip(self) -> str:
        return chip(self.words, TONES[self.rule])

    @property
    def words(self) -> str:
        """What the chip says."""
        if self.rule == FREE:
            return _("free")
        if self.until is None:
            return _("blocked: %(reason)s") % {"reason": self.reason} if self.reason else _("blocked")
        if self.rule == Rule.COOLDOWN:
            return _("cooling down %(clock)s") % {"clock": clock(seconds_to_wait(self.until, self.now))}
        return self._sentences()[self.rule] % {"when": moment_words(self.until, now=self.now)}

    @staticmethod
    def _sentences() -> dict[str, str]:
        return {
            Rule.HELD: _("held by Telroi until %(when)s"),
            Rule.HOURLY_LIMIT: _("hour full until %(when)s"),
            Rule.DAILY_LIMIT: _("day full until %(when)s"),
        }


def standing_of(phone: PhoneNumber, *, policy: Policy, now: datetime) -> NumberStanding:
    moments = phone.moments
    limit = limit_at(policy, moments, now=now, held_until=phone.held_until)
    rule, until = (limit.rule, limit.until) if limit else (FREE, None)
    if phone.blocked_at:
        rule, until = BLOCKED, None
    return NumberStanding(
        rule=rule,
        until=until,
        reason=phone.blocked_reason,
        used_of_hour=used_in(moments, now=now, window=HOUR),
        used_of_day=used_in(moments, now=now, window=DAY),
        policy=policy,
        now=now,
    )


def barred_by(
    phones: QuerySet[PhoneNumber], rules: Collection[str], *, policy: Policy, now: datetime
) -> QuerySet[PhoneNumber]:
    """The numbers of which ``standing_of`` says one of ``rules``, found by the database.

    The calls are ISO 8601 in UTC, so that text compares as the moments do. Where several rules bar a number, the one
    that bars it longest is what the row keeps; only if a setting was changed since may it be the most severe instead.
    """
    bars = _bars(policy, now)
    named = [When(bars[rule] & Q(limited_by=rule), then=Value(rule.value)) for rule in Rule]
    severest_first = [When(bars[rule], then=Value(rule.value)) for rule in reversed(Rule)]
    blocked = When(blocked_at__isnull=False, then=Value(BLOCKED))
    rule_now = Case(blocked, *named, *severest_first, default=Value(FREE), output_field=CharField())
    positions = {0, policy.per_hour - 1, policy.per_day - 1}
    calls = {f"call_{position}": _call_at(position) for position in positions}
    return phones.alias(**calls).alias(rule_now=rule_now).filter(Q(("rule_now__in", list(rules))))


def may_be_limited(rules: Collection[Rule], *, policy: Policy, now: datetime) -> Q:
    """By indexes, all the numbers that one of ``rules`` may bar now, and no more others than must be.

    The newest call decides how far back a rule can reach; no number is held for longer than it must wait.
    """
    reach = {Rule.COOLDOWN: policy.cooldown, Rule.HOURLY_LIMIT: HOUR, Rule.DAILY_LIMIT: DAY}
    farthest = max((reach[rule] for rule in rules if rule in reach), default=None)
    was_called = Q(last_call_at__gt=now - farthest) if farthest is not None else Q(pk__in=())
    return was_called | Q(next_call_at__gt=now) if Rule.HELD in rules else was_called


def _call_at(position: int) -> Coalesce:
    """One of the calls as text; "" where there are fewer. Bare, it would be compared as JSON."""
    return Coalesce(KeyTextTransform(position, F("calls")), Value(""), output_field=TextField())


def _bars(policy: Policy, now: datetime) -> dict[Rule, Q]:
    return {
        Rule.COOLDOWN: Q(call_0__gt=_text(now - policy.cooldown)),
        Rule.HELD: Q(held_until__gt=now),
        Rule.HOURLY_LIMIT: Q(**{f"call_{policy.per_hour - 1}__gt": _text(now - HOUR)}),
        Rule.DAILY_LIMIT: Q(**{f"call_{policy.per_day - 1}__gt": _text(now - DAY)}),
    }


def _text(moment: datetime) -> str:
    phone = PhoneNumber()
    phone.moments = [moment]
    return str(phone.calls[0])
