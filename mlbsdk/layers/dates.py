"""The dates of partitions, and which of them are older than a layer keeps."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone

from mlbsdk.layers.model import KEEP_FOREVER

#: Columns whose value is a year.
YEARS = ("year", "season")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_YEAR = re.compile(r"[0-9]{4}\Z")
_PART = re.compile(r"[0-9]{1,2}\Z")


def today() -> date:
    """Return the date in UTC."""
    return datetime.now(timezone.utc).date()


def oldest_kept(retention_days: int, on: date) -> date | None:
    """Return the oldest day that a layer keeps; None where it keeps all."""
    return None if retention_days == KEEP_FOREVER else on - timedelta(days=retention_days)


def last_day(partition: Mapping[str, str]) -> date | None:
    """Return the last day that a partition may hold; None where its values tell no date.

    A value such as ``2024-07-12`` counts whatever its column is called (the latest, of several), else the columns
    ``year``, ``month`` and ``day``, else ``season``, which ends with its year.
    """
    days = [day for value in partition.values() if _DATE.match(value) and (day := _day(value)) is not None]
    if days:
        return max(days)
    year = next((partition[name] for name in YEARS if _YEAR.match(partition.get(name, ""))), None)
    if year is None or not int(year):
        return None
    if "month" not in partition:
        return date(int(year), 12, 31)
    month = _number(partition["month"])
    if month is None or not 1 <= month <= 12:
        return None
    whole = calendar.monthrange(int(year), month)[1]
    if "day" not in partition:
        return date(int(year), month, whole)
    number = _number(partition["day"])
    return date(int(year), month, number) if number is not None and 1 <= number <= whole else None


def is_expired(partition: Mapping[str, str], oldest: date | None) -> bool:
    """Whether a partition is wholly older than the oldest day that is kept."""
    last = last_day(partition)
    return oldest is not None and last is not None and last < oldest


def _day(value: str) -> date | None:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _number(value: str) -> int | None:
    return int(value) if _PART.match(value) else None
