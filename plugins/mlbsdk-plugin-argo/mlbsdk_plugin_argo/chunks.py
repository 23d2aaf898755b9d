"""A season's days in chunks: each is fetched and transformed as one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from mlbsdk.plugin import ConfigurationError

#: Longest span of days: a season with its spring training and its postseason is some 250.
LONGEST = 400


@dataclass(frozen=True)
class Chunk:
    """Consecutive days."""

    start: date
    days: int

    @property
    def end(self) -> date:
        """The last day."""
        return self.start + timedelta(days=self.days - 1)

    def to_json(self) -> dict[str, str]:
        """Return the chunk as a workflow's item: texts, since parameters are texts."""
        return {
            "id": f"{self.start.isoformat()}-{self.days}d",
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "days": str(self.days),
        }


def chunks(start: date, end: date, chunk_days: int, max_chunks: int) -> list[Chunk]:
    """Return the days from ``start`` to ``end``, both included, in chunks.

    A chunk has ``chunk_days`` days, or more where there would be more than ``max_chunks`` otherwise: each chunk is a
    few nodes in the status of an Argo workflow, which has to fit into one object of 1 MB.

    Raises:
        ConfigurationError: the end is before the start, or the span is longer than any season.
    """
    total = (end - start).days + 1
    if total < 1:
        raise ConfigurationError(f"the end, {end}, is before the start, {start}")
    if total > LONGEST:
        raise ConfigurationError(f"from {start} to {end} are {total} days", fix=f"A season has at most {LONGEST}.")
    size = max(chunk_days, -(-total // max_chunks))
    return [Chunk(start + timedelta(days=first), min(size, total - first)) for first in range(0, total, size)]


def day(text: str, what: str) -> date:
    """Return a date written as 2024-07-01.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ConfigurationError(f"{what} is a date such as 2024-07-01, not '{text}'")


def season_of(text: str) -> str:
    """Return a season, a year.

    Raises:
        ConfigurationError: it is none.
    """
    if len(text) == 4 and text.isdecimal() and text >= "1876":
        return text
    raise ConfigurationError(f"--season is a year such as 2024, not '{text}'")
