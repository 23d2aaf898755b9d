"""Single values: out of nested JSON, and into the type that a column has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Row = dict[str, Any]
#: What StatsAPI prints for a rate with nothing to divide by.
NO_RATE = {"-.--", ".---", "-", "*", "*.**", "INF", ""}


@dataclass(frozen=True)
class Json:
    """An object or array that a column keeps as JSON text."""

    value: Any


def at(item: Any, *path: str | int) -> Any:
    """Return what is there, or None where the way ends early."""
    for step in path:
        if isinstance(step, int):
            item = item[step] if isinstance(item, list) and step < len(item) else None
        else:
            item = item.get(step) if isinstance(item, dict) else None
    return item


def listed(item: Any, *path: str | int) -> list[tuple[int, Any]]:
    """Return (position, element) of an array's elements that are not null."""
    found = at(item, *path)
    return [(number, element) for number, element in enumerate(found or []) if element is not None]


def mapped(item: Any, *path: str | int) -> list[Any]:
    """Return the values of an object used as a map that are not null."""
    return [value for value in (at(item, *path) or {}).values() if value is not None]


def sides(item: Any, *path: str | int) -> Iterator[tuple[str, Any]]:
    """Return (side, what it holds) for the sides that are there."""
    found = at(item, *path)
    return ((side, at(found, side)) for side in ("away", "home") if at(found, side) is not None)


def whole(value: Any) -> int | None:
    if value is None:
        return None
    number = Decimal(str(value))
    assert number == number.to_integral_value(), f"{value} is not whole"
    return int(number)


def real(value: Any) -> float | None:
    return None if value is None else float(value)


def exact(value: Any, places: int) -> Decimal | None:
    if value is None or value in NO_RATE:
        return None
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def flag(value: Any) -> bool | None:
    return None if value is None else {"true": True, "false": False}[str(value).lower()]


def day(value: Any) -> date | None:
    return None if value is None else date.fromisoformat(value)


def moment(value: Any) -> datetime | None:
    if value is None:
        return None
    found = datetime.fromisoformat(value.replace("Z", "+00:00"))
    assert found.tzinfo is not None, f"{value} has no time zone"
    return found


def packed(value: Any) -> Json | None:
    return None if value is None else Json(value)


def named(prefix: str, person: Any) -> Row:
    """Return the id and name of a person."""
    return {f"{prefix}_id": whole(at(person, "id")), f"{prefix}_name": text(at(person, "fullName"))}


def snake(name: str) -> str:
    """Return the column name of a camelCase statistic: homeRunsPer9 is home_runs_per_9."""
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", name).lower()
