"""Whether a JSON value fits a column type, as Spark's casts decide it, without Spark.

Tools that look at captures use it; a run lets Spark cast, and sees what did not fit in the same pass.
"""

from __future__ import annotations

import json
import re
from datetime import date, time
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from mlbsdk.mapping.types import ColumnType

_BITS = {"SMALLINT": 16, "INT": 32, "BIGINT": 64}
_WHOLE = re.compile(r"[+-]?\d+(?:\.0*)?\Z")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z")
_NO_NUMBER = ("nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
_YES_OR_NO = ("t", "true", "y", "yes", "1", "f", "false", "n", "no", "0")
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?P<clock>[ T].*)?\Z", re.DOTALL)
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{1,2}))?(?::(\d{1,2})(?:\.\d*)?)?\Z")
_ZONE = re.compile(r"(?:Z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?)\Z")


def text_of(value: Any) -> str | None:
    """Return a JSON value as the text that parsing gives: an object or array as JSON, null as None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def fits(text: str, type: ColumnType) -> bool:
    """Whether a text becomes a value of the type with nothing lost."""
    if type.length is not None:
        return len(text) <= type.length
    if type.is_text:
        return True
    trimmed = text.strip()
    if type.is_integer:
        limit = 2 ** (_BITS[type.name] - 1)
        return bool(_WHOLE.match(trimmed)) and -limit <= Decimal(trimmed.rstrip(".")) < limit
    if type.name == "NUMERIC":
        return _fits_numeric(trimmed, type)
    if type.name in ("REAL", "DOUBLE"):
        return bool(_NUMBER.match(trimmed)) or trimmed.lower() in _NO_NUMBER
    if type.name == "BOOLEAN":
        return trimmed.lower() in _YES_OR_NO
    return _is_date(text) if type.name == "DATE" else _is_moment(text)


def _fits_numeric(text: str, type: ColumnType) -> bool:
    try:
        number = Decimal(text)
        rounded = number.quantize(Decimal(1).scaleb(-(type.scale or 0)), ROUND_HALF_UP)
    except InvalidOperation:
        return False
    return rounded.is_finite() and abs(rounded) < Decimal(10) ** ((type.precision or 0) - (type.scale or 0))


def _is_date(text: str) -> bool:
    match = _DATE.match(text)
    try:
        # Spark has a year 0, a leap year, and Python has none.
        return match is not None and bool(date(int(match[1]) or 4, int(match[2]), int(match[3])))
    except ValueError:
        return False


def _is_moment(text: str) -> bool:
    match = _DATE.match(text)
    if match is None or not _is_date(text):
        return False
    clock = (match["clock"] or " ").rstrip()
    if not clock:
        return True
    without_zone = _ZONE.sub("", clock)
    found = _CLOCK.match(without_zone[1:].strip())
    if found is None or (without_zone != clock and found[3] is None):
        return False
    try:
        return bool(time(int(found[1]), int(found[2] or 0), int(found[3] or 0)))
    except ValueError:
        return False
