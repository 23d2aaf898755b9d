"""What schedules and live feeds say of a game's state. Unknown shapes say nothing, and are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

#: codedGameState: F final, Q and R forfeited. O is over, but its record may still be written.
_FINAL = ("F", "Q", "R")
_POSTPONED, _CANCELLED = "D", "C"
#: Suspended: it goes on another day.
_SUSPENDED = ("T", "U")
#: By then all games of a date have ended, on the west coast too.
_DAY_ENDS = timedelta(days=1, hours=15)


@dataclass(frozen=True)
class State:
    """A game's status, as schedules and live feeds give it."""

    abstract: str
    coded: str
    detailed: str

    @classmethod
    def of(cls, status: Any) -> State:
        """Read a ``status`` object."""
        known = status if isinstance(status, dict) else {}
        return cls(*(str(known.get(key) or "") for key in ("abstractGameState", "codedGameState", "detailedState")))

    @property
    def is_final(self) -> bool:
        """Whether the game was played to its end, and that is official."""
        return self.coded in _FINAL

    @property
    def is_called_off(self) -> bool:
        """Whether it is postponed or cancelled: under this date nothing was played."""
        return self.coded in (_POSTPONED, _CANCELLED)

    @property
    def is_suspended(self) -> bool:
        """Whether it was begun and goes on another day."""
        return self.coded in _SUSPENDED

    @property
    def has_begun(self) -> bool:
        """Whether there is something of it to capture."""
        return self.abstract != "Preview" and not self.is_called_off

    def meets(self, until: str) -> bool:
        """Whether this is the state to wait for; ``Final`` waits until the result is official."""
        wanted = until.strip().lower()
        return self.is_final if wanted == "final" else wanted in (self.detailed.lower(), self.abstract.lower())


@dataclass(frozen=True)
class ListedGame:
    """A game as a schedule lists it under a date."""

    game_pk: int
    state: State
    has_other_date: bool
    """Whether the listing says when else the game is, or was, played."""


def listed(schedule: Any) -> list[ListedGame]:
    """Return the games of a schedule in its order."""
    dates = schedule.get("dates") if isinstance(schedule, dict) else None
    games = [game for day in _objects(dates) for game in _objects(day.get("games"))]
    return [
        ListedGame(game["gamePk"], State.of(game.get("status")), bool({"rescheduleDate", "resumeDate"} & set(game)))
        for game in games
        if isinstance(game.get("gamePk"), int)
    ]


def is_settled(schedule: Any, day: date, captured_at: datetime) -> bool:
    """Whether a date's schedule will not change any more: the day is over, and so is each game, or has another date."""
    over = datetime.combine(day, time(), timezone.utc) + _DAY_ENDS
    games = listed(schedule)
    return captured_at >= over and all(
        game.state.is_final or game.state.coded == _CANCELLED or game.has_other_date for game in games
    )


def feed_state(feed: Any) -> State:
    """Return the state that a live feed tells."""
    data = feed.get("gameData") if isinstance(feed, dict) else None
    return State.of(data.get("status") if isinstance(data, dict) else None)


def season_dates(seasons: Any) -> tuple[date, date] | None:
    """Return the first and last date with games of the season in a response of /seasons/{seasonId}."""
    found = seasons.get("seasons") if isinstance(seasons, dict) else None
    season = next(_objects(found), {})
    first = _date(season.get("regularSeasonStartDate") or season.get("seasonStartDate"))
    last = _date(season.get("postSeasonEndDate") or season.get("regularSeasonEndDate") or season.get("seasonEndDate"))
    return (first, last) if first and last else None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    return iter([one for one in value if isinstance(one, dict)] if isinstance(value, list) else [])


def _date(text: Any) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
