"""Phone numbers: parsing to E.164, the rules which numbers may be called, and masking."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from itertools import accumulate, islice
from typing import TYPE_CHECKING

from django_telroi.domain.typed_text import clean_typed
from django_telroi.errors import InvalidNumber, NotCallable, RegionNotAllowed
from django_telroi.redaction import Secret

# ``phonenumbers`` is imported by the functions that use it, because every start of the site would wait for it.
if TYPE_CHECKING:
    from phonenumbers import PhoneNumber


class LineType(StrEnum):
    """The type of line of a number, as far as its digits show."""

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
"""The line types that are called by default."""

_NEVER_CALLABLE_LINE_TYPES = frozenset({LineType.PREMIUM, LineType.SHARED_COST})

# Satellite networks, networks without a country and worldwide services (ITU-T E.164.1). Some cost tens of dollars a
# minute, and the library classifies +870 as mobile. Country codes are prefix-free: no other number begins with these.
_NEVER_CALLABLE_PREFIXES = ("+870", "+878", "+881", "+882", "+883", "+888", "+979", "+808", "+800")

MAX_INPUT_LENGTH = 64
"""Greatest number of characters of a typed number."""

# Stricter than the library, which also accepts letters (vanity numbers), extensions, parameters of a tel: URI and
# digits of mixed scripts. With this full match, only plain spellings reach the library.
_SPELLING = re.compile(r"[ (]*\+?[0-9 ()./-]+")
_TEL_SCHEME = re.compile("^ *tel: *", re.IGNORECASE | re.ASCII)  # RFC 3966; a number with parameters is rejected
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_ABROAD = re.compile(r"^[ (]*00")  # most countries dial 00 for +; no country code begins with 0
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
    """Which numbers the site calls. ``allowed_regions=None`` allows all regions that are not blocked.

    Regions may be in any case. Prefixes may have ``+`` and spaces. Empty prefixes are ignored: an empty environment
    variable gives one, and it would block every number.
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
    """Parse the text and return the number.

    ``default_region`` (ISO 3166) is for numbers typed without ``+``. The text may contain invisible characters, spaces,
    dashes, full-width signs, the digits of any one script and a leading ``tel:`` (``clean_typed``). Without a default
    region, a leading ``00`` means ``+``. With one, the international prefix of that region means ``+``.

    Raises InvalidNumber if the text is not a valid number of a country or network. Unassigned ranges, emergency and
    other short numbers are invalid. So are numbers longer than the 15 digits of E.164, such as some German numbers.
    """
    import phonenumbers

    parsed = _parse(text, default_region)
    line_type = _line_types().get(phonenumbers.number_type(parsed))
    if line_type is None:  # only valid numbers have a type, so this look-up also validates
        raise InvalidNumber
    region = phonenumbers.region_code_for_number(parsed)
    number = Secret(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
    if not _E164.fullmatch(number):  # networks need not route longer numbers, and the column does not fit them
        raise InvalidNumber
    return Phone(number, "" if region in (None, "001") else region, line_type)


def supported_regions() -> frozenset[str]:
    """Return the regions that have phone numbers, as ISO 3166 codes."""
    import phonenumbers

    return frozenset(phonenumbers.SUPPORTED_REGIONS)


@cache
def _line_types() -> dict[int, LineType]:
    from phonenumbers import PhoneNumberType

    return {
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


def _parse(text: str, default_region: str | None) -> PhoneNumber:
    import phonenumbers

    spelling = spelling_in(text)
    try:
        if default_region:
            return phonenumbers.parse(spelling, default_region.strip().upper())
        return phonenumbers.parse(_ABROAD.sub("+", spelling))
    except phonenumbers.NumberParseException:
        raise InvalidNumber from None


def spelling_in(text: str) -> str:
    """Return the text as plain digits and punctuation. Raises InvalidNumber if it contains anything else."""
    if len(text) > MAX_INPUT_LENGTH:
        raise InvalidNumber
    spelling = Secret(_TEL_SCHEME.sub("", clean_typed(text)))
    if not _SPELLING.fullmatch(spelling):
        raise InvalidNumber
    return spelling


def written_e164(text: str) -> str | None:
    """Return the number that the text spells in E.164, valid or not. None if the text is no E.164 number.

    It finds rows of numbers that were valid once, or are valid only in another edition of the numbering plans.
    """
    try:
        number = Secret(re.sub("[ ()./-]", "", spelling_in(text)))
    except InvalidNumber:
        return None
    return number if _E164.fullmatch(number) else None


def refuse_uncallable(phone: Phone, rules: CallingRules) -> None:
    """Raise NotCallable or RegionNotAllowed if the number is not called.

    Numbers that are never callable come first. No setting allows them.
    """
    if phone.number.startswith(_NEVER_CALLABLE_PREFIXES) or phone.line_type in _NEVER_CALLABLE_LINE_TYPES:
        raise NotCallable
    if phone.line_type not in rules.allowed_line_types or phone.number.startswith(rules.blocked_prefixes):
        raise NotCallable
    if phone.region in rules.blocked_regions:
        raise RegionNotAllowed
    if rules.allowed_regions is not None and phone.region not in rules.allowed_regions:
        raise RegionNotAllowed


def has_country_code(spelling: str) -> bool:
    """Return whether a text of ``spelling_in`` begins with ``+`` or with ``00``."""
    return spelling.lstrip(" (").startswith("+") or _ABROAD.match(spelling) is not None


FIRST_DIGITS = 7
"""The digits of a number by which attempts are grouped."""


def prefix_of(number: str) -> str:
    """Return ``+`` and the first seven digits of a number (E.164), by which attempts are grouped."""
    return number[: FIRST_DIGITS + 1]


def grouped(number: str) -> str:
    """Return a number (E.164) in the groups of its country: ``+234 803 123 4567``. Any other text is unchanged."""
    country_code, *groups = _format_groups(number)
    return " ".join((f"+{country_code}", *groups)) if country_code else number


def mask(number: str) -> str:
    """Return the number with most digits masked: ``+234 803 ••• 4567``. Accepts any text and never raises.

    The country code, the first group and up to four last digits stay visible. At least three digits are masked, so a
    short number shows less. A text that is no E.164 number shows only its last digits.
    """
    shown, groups = _groups(number)
    return " ".join((*shown, *_hide_digits(groups)))


_SEPARATORS = " ()./-"
"""What a typed number may have between its digits, after ``clean_typed``."""
_DIGITS_IN_TEXT = re.compile(rf"\+?[0-9](?:[{_SEPARATORS}]*[0-9]){{6,}}")
_DATE = re.compile(r"(?:19|20)\d\d([-/.]?)[01]\d\1[0-3]\d|[0-3]?\d([-/.])[01]?\d\2(?:19|20)\d\d")


def mask_digits_in(text: str, *, shows_ends: bool = True) -> str:
    """Return free text in which each run of seven or more digits is masked.

    The run may have every spelling that ``parse_phone`` accepts: any script, any space and dash, invisible characters.
    ``shows_ends``: False if the first and last digits must not stay visible, because the text is stored beside
    encrypted numbers.

    A national number has no mark of its own, so an order number is masked too, and keeps its last digits. A date such
    as ``2026-11-23`` stays.
    """

    def masked(found: str) -> str:
        if not shows_ends:
            return "•••"
        digits = re.sub("[^0-9]", "", found)
        return mask(f"+{digits}" if found.startswith("+") else digits)

    outline = "".join(map(_outlined, text))  # one character for each, so that its runs have the places of the text
    parts, end = [], 0
    for run in _DIGITS_IN_TEXT.finditer(outline):
        if not _DATE.fullmatch(run[0]):
            parts += [text[end : run.start()], masked(run[0])]
            end = run.end()
    return "".join([*parts, text[end:]])


def _outlined(sign: str) -> str:
    """Return a character of free text as it counts in a typed number; ``x`` if a number cannot contain it."""
    plain = sign if sign.isascii() else clean_typed(sign) or " "  # an invisible character keeps its place
    return plain if plain in "+0123456789" or plain in _SEPARATORS else "x"


def _groups(number: str) -> tuple[list[str], list[str]]:
    """Return the groups to show, and the groups to mask."""
    country_code, *groups = _format_groups(number)
    if len("".join(groups)) <= _HIDDEN_DIGITS:
        digits = re.sub("[^0-9]", "", number[-MAX_INPUT_LENGTH:])[-_HIDDEN_DIGITS - _SHOWN_DIGITS :]
        return [], [digits.rjust(_HIDDEN_DIGITS, "0")]
    shown = 1 if len("".join(groups[1:])) >= _HIDDEN_DIGITS + 2 else 0
    return ["+" + country_code, *groups[:shown]], groups[shown:]


def _format_groups(number: str) -> list[str]:
    """Return the country code and the groups of digits in the format of the country. ``[""]`` if it is no number."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number if _E164.fullmatch(number) else "")
    except phonenumbers.NumberParseException:
        return [""]
    return re.findall("[0-9]+", phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL))


def _hide_digits(groups: list[str]) -> list[str]:
    digits = "".join(groups)
    # Whole groups stay visible if the last group fits, else as many digits as allowed.
    most = max(0, min(_SHOWN_DIGITS, len(digits) - _HIDDEN_DIGITS))
    ends = accumulate(len(group) for group in reversed(groups))
    tail = max((end for end in ends if end <= most), default=most)
    masked = iter("•" * (len(digits) - tail) + digits[len(digits) - tail :])
    words = ("".join(islice(masked, len(group))) for group in groups)
    return [re.sub("•(?=[0-9])", "• ", word) for word in words]
