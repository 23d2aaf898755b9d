"""The scalar values seen at one place of captures, and the column type that they fit."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

from mlbsdk.mapping.fitting import fits
from mlbsdk.mapping.types import ColumnType

_DATE = ColumnType("DATE")
_MOMENT = ColumnType("TIMESTAMPTZ")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_ISO_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?P<zone>Z|[+-]\d{2}:\d{2})?\Z")
_DIGITS = re.compile(r"(?:0|[1-9]\d{0,17})\Z")
_NUMBER = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+)\Z")
#: Texts that stand where a number or a date is not known.
_NOTHING = re.compile(r"[-.*/: ]{0,8}\Z|(?:n/a|null|none)\Z", re.IGNORECASE)
_MOST_NOTHINGS = 5
#: Whole numbers at least this far from zero get a BIGINT: the next capture may hold a larger one.
_LARGE = 1_000_000_000
_LENGTHS = (20, 50, 100, 200, 500)
_MOST_SCALE = 4
_MOST_DIGITS = 38

Scalar = bool | int | Decimal | str


@dataclass
class Scalars:
    """What all scalars of one place have in common."""

    truths: int = 0
    whole: int = 0
    decimals: int = 0
    texts: int = 0
    largest: int = 0
    """The whole number farthest from zero, without its sign."""
    digits: int = 0
    """Most digits before a decimal point."""
    scale: int = 0
    """Most digits after one, as written."""
    fractions: int = 0
    """Numbers with a fraction other than zero."""
    is_exact: bool = True
    """Whether all numbers are finite and written without an exponent."""
    longest: int = 0
    shortest: int | None = None
    dates: int = 0
    moments: int = 0
    zoned: int = 0
    digit_texts: int = 0
    number_texts: int = 0
    nothings: dict[str, int] = field(default_factory=dict)
    """Texts that say that there is no value, such as ``-.--``."""

    @property
    def count(self) -> int:
        """How many values were seen."""
        return self.truths + self.whole + self.decimals + self.texts

    def add(self, value: Scalar) -> None:
        """Count one value."""
        if isinstance(value, bool):
            self.truths += 1
        elif isinstance(value, int):
            self.whole += 1
            self.largest = max(self.largest, abs(value))
            self.digits = max(self.digits, len(str(abs(value))))
        elif isinstance(value, Decimal):
            self._add_decimal(value)
        else:
            self._add_text(value)

    def _add_decimal(self, value: Decimal) -> None:
        self.decimals += 1
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int) or exponent > 0 or exponent < -_MOST_DIGITS:
            self.is_exact = False
            return
        self.scale = max(self.scale, -exponent)
        self.digits = max(self.digits, value.adjusted() + 1, 1)
        self.fractions += value != value.to_integral_value()

    def _add_text(self, value: str) -> None:
        self.texts += 1
        self.longest = max(self.longest, len(value))
        self.shortest = len(value) if self.shortest is None else min(self.shortest, len(value))
        if _NOTHING.match(value):
            self.nothings[value] = self.nothings.get(value, 0) + 1
        elif _ISO_DATE.match(value):
            self.dates += fits(value, _DATE)
        elif (moment := _ISO_MOMENT.match(value)) is not None:
            is_moment = fits(value, _MOMENT)
            self.moments += is_moment
            self.zoned += is_moment and moment["zone"] is not None
        elif _DIGITS.match(value):
            self.digit_texts += 1
        elif _NUMBER.match(value):
            self.number_texts += 1

    def merged(self, other: Scalars) -> Scalars:
        """Return what both have in common."""
        shortest = [length for length in (self.shortest, other.shortest) if length is not None]
        nothings = dict(self.nothings)
        for text, count in other.nothings.items():
            nothings[text] = nothings.get(text, 0) + count
        sums = ("truths", "whole", "decimals", "texts", "fractions", "dates", "moments", "zoned", "digit_texts")
        most = ("largest", "digits", "scale", "longest")
        return Scalars(
            **{name: getattr(self, name) + getattr(other, name) for name in (*sums, "number_texts")},
            **{name: max(getattr(self, name), getattr(other, name)) for name in most},
            is_exact=self.is_exact and other.is_exact,
            shortest=min(shortest, default=None),
            nothings=nothings,
        )


@dataclass(frozen=True)
class Typed:
    """The type that values suggest."""

    type: str
    null_values: tuple[str, ...] = ()
    doubt: str = ""
    """What a person should look at; empty where nothing is odd."""
    remark: str = ""
    """What is worth knowing, and likely right."""


def type_of(seen: Scalars) -> Typed:
    """Return the type of a column that takes all values seen, with room for larger ones of their kind."""
    numbers, nothing = seen.whole + seen.decimals, sum(seen.nothings.values())
    if not seen.count:
        return Typed("TEXT", doubt="never a value in these captures")
    if seen.truths == seen.count:
        return Typed("BOOLEAN")
    if seen.texts == seen.count:
        return _text_type(seen, nothing)
    nothings = tuple(seen.nothings) if seen.texts == nothing and len(seen.nothings) <= _MOST_NOTHINGS else None
    if numbers and not seen.truths and nothings is not None:
        found = _number_type(seen)
        doubt = "; ".join(filter(None, [found.doubt, "some texts are read as null" if nothings else ""]))
        return Typed(found.type, nothings, doubt, found.remark)
    kinds = {"truths": seen.truths, "numbers": numbers, "texts": seen.texts}
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    return Typed("TEXT", doubt=f"values of several kinds: {told}")


def _number_type(seen: Scalars) -> Typed:
    if not seen.decimals:
        return _whole_type(seen)
    if not seen.is_exact or seen.scale > _MOST_SCALE:
        return Typed("DOUBLE")
    # One more digit before the point, and two after it, as the next capture may have them.
    scale = max(2, seen.scale)
    precision = max(3, seen.digits + 1) + scale
    # A feed that passed through JavaScript writes 95 for 95.0: one decimal tells that all are.
    remark = "" if seen.fractions else "whole numbers, some written as decimals (95.0)"
    return Typed(f"NUMERIC({precision},{scale})" if precision <= _MOST_DIGITS else "DOUBLE", remark=remark)


def _whole_type(seen: Scalars) -> Typed:
    if max(seen.largest, 10 ** max(0, seen.digits - 1)) < _LARGE:
        return Typed("INT")
    if seen.digits <= 18:
        return Typed("BIGINT")
    if seen.digits <= _MOST_DIGITS:
        return Typed(f"NUMERIC({_MOST_DIGITS},0)", doubt="numbers too large for BIGINT")
    return Typed("TEXT", doubt=f"numbers of {seen.digits} digits")


def _text_type(seen: Scalars, nothing: int) -> Typed:
    rest = seen.texts - nothing
    if rest and len(seen.nothings) <= _MOST_NOTHINGS:
        doubt = "some texts are read as null" if nothing else ""
        if seen.dates == rest:
            return Typed("DATE", tuple(seen.nothings), doubt)
        if seen.moments == rest and seen.zoned in (0, rest):
            return Typed("TIMESTAMPTZ" if seen.zoned else "TIMESTAMP", tuple(seen.nothings), doubt)
    length = next((length for length in _LENGTHS if length >= 2 * seen.longest), None)
    type = f"VARCHAR({length})" if length else "TEXT"
    if rest and seen.digit_texts == rest:
        return Typed(type, remark="texts of digits")
    if rest and seen.number_texts + seen.digit_texts == rest:
        return Typed(type, remark="texts of numbers")
    if seen.dates + seen.moments and seen.dates + seen.moments == rest:
        return Typed(type, doubt="dates and times, some with a time zone")
    return Typed(type)
