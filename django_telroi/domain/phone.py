"""From what a person types to the one canonical number, and whether it is ever rung."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate, islice

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from django_telroi.domain.typed_text import clean_typed
from django_telroi.errors import InvalidNumber, NotCallable, RegionNotAllowed
from django_telroi.redaction import Secret


class LineType(StrEnum):
    """What kind of line a number belongs to, as far as its digits tell."""

    MOBILE = "mobile"
    FIXED_LINE = "fixed_line"
    EITHER = "either"
    VOIP = "voip"
    PERSONAL = "personal"
    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    TOLL_FREE = "toll_free"
    PAGER = "pager"
    UAN = "uan"
    VOICEMAIL = "voicemail"
    UNKNOWN = "unknown"


CALLABLE_LINE_TYPES = frozenset(
    {LineType.MOBILE, LineType.FIXED_LINE, LineType.EITHER, LineType.VOIP, LineType.PERSONAL}
)
"""What is rung where the site does not say otherwise."""

_NEVER_CALLABLE_LINE_TYPES = frozenset({LineType.PREMIUM, LineType.SHARED_COST})

# Satellites, networks of no country and worldwide services (ITU-T E.164.1): some cost tens of dollars a minute, and the
# library calls +870 an ordinary mobile. Country codes are prefix-free, so none of these begins another number.
_NEVER_CALLABLE_PREFIXES = ("+870", "+878", "+881", "+882", "+883", "+888", "+979", "+808", "+800")

_LINE_TYPES = {
    PhoneNumberType.MOBILE: LineType.MOBILE,
    PhoneNumberType.FIXED_LINE: LineType.FIXED_LINE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: LineType.EITHER,
    PhoneNumberType.VOIP: LineType.VOIP,
    PhoneNumberType.PERSONAL_NUMBER: LineType.PERSONAL,
    PhoneNumberType.PREMIUM_RATE: LineType.PREMIUM,
    PhoneNumberType.SHARED_COST: LineType.SHARED_COST,
    PhoneNumberType.TOLL_FREE: LineType.TOLL_FREE,
    PhoneNumberType.PAGER: LineType.PAGER,
    PhoneNumberType.UAN: LineType.UAN,
    PhoneNumberType.VOICEMAIL: LineType.VOICEMAIL,
}

_LONGEST_INPUT = 64
# Stricter than the library, which also reads letters as a vanity number, an extension, the parameters of a tel: URI and
# digits of mixed scripts. A whole match of these few characters leaves it only plain spellings to understand.
_SPELLING = re.compile(r"[ (]*\+?[0-9 ()./-]+")
_TEL_SCHEME = re.compile(
    "^ *tel: *", re.IGNORECASE | re.ASCII
)  # RFC 3966; what follows has no parameters, or is refused
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_ABROAD = re.compile(r"^[ (]*00")  # how most of the world dials +; no country code begins with 0
_HIDDEN_DIGITS = 3
_SHOWN_DIGITS = 4


@dataclass(frozen=True)
class Phone:
    """A valid number. ``region`` is an ISO 3166 code, or ``""`` for a number that belongs to no region."""

    number: str = field(repr=False)
    region: str
    line_type: LineType

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def masked(self) -> str:
        return mask(self.number)


@dataclass(frozen=True)
class CallingRules:
    """Which numbers the site rings. ``allowed_regions`` None means all that are not blocked.

    Regions may come in any case, prefixes with or without ``+`` and spaces. An empty prefix is left out: read from an
    empty environment variable, it would silently bar every number.
    """

    allowed_regions: frozenset[str] | None = None
    blocked_regions: frozenset[str] = frozenset()
    blocked_prefixes: tuple[str, ...] = ()
    allowed_line_types: frozenset[LineType] = CALLABLE_LINE_TYPES

    def __post_init__(self) -> None:
        if self.allowed_regions is not None:
            object.__setattr__(self, "allowed_regions", _upper(self.allowed_regions))
        object.__setattr__(self, "blocked_regions", _upper(self.blocked_regions))
        prefixes = (re.sub("[^0-9]", "", clean_typed(prefix)) for prefix in self.blocked_prefixes)
        object.__setattr__(self, "blocked_prefixes", tuple("+" + prefix for prefix in prefixes if prefix))


def _upper(regions: frozenset[str]) -> frozenset[str]:
    return frozenset(region.strip().upper() for region in regions)


def parse_phone(text: str, *, default_region: str | None = None) -> Phone:
    """The number that is meant, however it is spelled; ``default_region`` is for numbers typed without ``+``.

    Invisible characters, spaces, dashes, full-width signs, the digits of any one script and a leading ``tel:`` are
    understood (``clean_typed``). Without a default region a leading ``00`` is a ``+``; with one it is whatever that
    region dials to go abroad.

    Raises InvalidNumber for all that is no valid number of some country or network: unassigned ranges, emergency and
    other short numbers, and what is longer than the 15 digits of E.164, as some German numbers are.
    """
    parsed = _parsed(text, default_region)
    kind = phonenumbers.number_type(parsed)  # known exactly if the number is valid: one look-up answers both
    if kind not in _LINE_TYPES:
        raise InvalidNumber
    region = phonenumbers.region_code_for_number(parsed)
    number = Secret(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))
    if not _E164.fullmatch(number):  # no network has to carry it, and the column has no place for it
        raise InvalidNumber
    return Phone(number, "" if region in (None, "001") else region, _LINE_TYPES[kind])


def _parsed(text: str, default_region: str | None) -> phonenumbers.PhoneNumber:
    spelling = _spelling_in(text)
    try:
        if default_region:
            return phonenumbers.parse(spelling, default_region.strip().upper())
        return phonenumbers.parse(_ABROAD.sub("+", spelling))
    except phonenumbers.NumberParseException:
        raise InvalidNumber from None


def _spelling_in(text: str) -> str:
    """What was typed, as plain digits and their punctuation. Raises InvalidNumber where it is anything else."""
    if len(text) > _LONGEST_INPUT:
        raise InvalidNumber
    spelling = Secret(_TEL_SCHEME.sub("", clean_typed(text)))
    if not _SPELLING.fullmatch(spelling):
        raise InvalidNumber
    return spelling


def written_e164(text: str) -> str | None:
    """The number that a text spells in E.164, valid or not; None for any other text.

    For numbers that have rows: what was valid once, or is only valid in another edition of the numbering plans.
    """
    try:
        number = Secret(re.sub("[ ()./-]", "", _spelling_in(text)))
    except InvalidNumber:
        return None
    return number if _E164.fullmatch(number) else None


def refuse_uncallable(phone: Phone, rules: CallingRules) -> None:
    """Raise NotCallable or RegionNotAllowed where this number is not rung.

    What is never callable comes first and no setting opens it.
    """
    if phone.number.startswith(_NEVER_CALLABLE_PREFIXES) or phone.line_type in _NEVER_CALLABLE_LINE_TYPES:
        raise NotCallable
    if phone.line_type not in rules.allowed_line_types or phone.number.startswith(rules.blocked_prefixes):
        raise NotCallable
    if phone.region in rules.blocked_regions:
        raise RegionNotAllowed
    if rules.allowed_regions is not None and phone.region not in rules.allowed_regions:
        raise RegionNotAllowed


def mask(number: str) -> str:
    """A number as it may be shown: ``+234 803 ••• 4567``. Takes any text and never raises.

    Country code, first group and up to four last digits stay; at least three digits do not, so of a short number less
    stays. Of what is no E.164 number only last digits are left.
    """
    shown, groups = _groups(number)
    return " ".join((*shown, *_hidden(groups)))


def _groups(number: str) -> tuple[list[str], list[str]]:
    """The groups to show as they are, and those to mask."""
    country_code, *groups = _spelled(number)
    if len("".join(groups)) <= _HIDDEN_DIGITS:
        digits = re.sub("[^0-9]", "", number[-_LONGEST_INPUT:])[-_HIDDEN_DIGITS - _SHOWN_DIGITS :]
        return [], [digits.rjust(_HIDDEN_DIGITS, "0")]
    shown = 1 if len("".join(groups[1:])) >= _HIDDEN_DIGITS + 2 else 0
    return ["+" + country_code, *groups[:shown]], groups[shown:]


def _spelled(number: str) -> list[str]:
    """Country code and groups of digits as the number's own country writes them; ``[""]`` for what is no number."""
    try:
        parsed = phonenumbers.parse(number if _E164.fullmatch(number) else "")
    except phonenumbers.NumberParseException:
        return [""]
    return re.findall("[0-9]+", phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL))


def _hidden(groups: list[str]) -> list[str]:
    digits = "".join(groups)
    tail = _tail_length(groups)
    masked = iter("•" * (len(digits) - tail) + digits[len(digits) - tail :])
    words = ("".join(islice(masked, len(group))) for group in groups)
    return [re.sub("•(?=[0-9])", "• ", word) for word in words]


def _tail_length(groups: list[str]) -> int:
    """How many last digits stay: whole groups where the last one fits, else as many as may be shown."""
    most = max(0, min(_SHOWN_DIGITS, len("".join(groups)) - _HIDDEN_DIGITS))
    ends = accumulate(len(group) for group in reversed(groups))
    return max((end for end in ends if end <= most), default=most)
