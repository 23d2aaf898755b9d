"""A made week of the StatsAPI for fetching: small documents of the real shapes, as captures in envelopes."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from mlbsdk_plugin_statsapi.clock import Clock

FIRST_DAY = date(2024, 7, 1)
FINAL = {"abstractGameState": "Final", "codedGameState": "F", "detailedState": "Final"}
OVER = {"abstractGameState": "Final", "codedGameState": "O", "detailedState": "Game Over"}
LIVE = {"abstractGameState": "Live", "codedGameState": "I", "detailedState": "In Progress"}
PREVIEW = {"abstractGameState": "Preview", "codedGameState": "S", "detailedState": "Scheduled"}
POSTPONED = {"abstractGameState": "Final", "codedGameState": "D", "detailedState": "Postponed"}
SUSPENDED = {"abstractGameState": "Live", "codedGameState": "U", "detailedState": "Suspended: Rain"}
_HOST = "https://statsapi.mlb.com"


class TestClock(Clock):
    """A clock that stands still but for sleeping, which takes no time; each later one begins some days later."""

    __test__ = False
    _made = 0

    def __init__(self, now: datetime | None = None) -> None:
        TestClock._made += 1
        self.begin = now or datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(days=TestClock._made)
        self.passed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        # Two answers never come in the same microsecond.
        self.passed += 1e-6
        return self.begin + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds


def save(folder: Path, path: str, response: Any, captured_at: datetime | None = None, name: str | None = None) -> Path:
    """Write a capture in an envelope; its address is all that a replay needs."""
    envelope: dict[str, Any] = {"url": _HOST + path, "status_code": 200}
    if captured_at is not None:
        envelope["captured_at"] = captured_at.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name or len(list(folder.iterdir()))}.json"
    file.write_text(json.dumps(envelope | {"response": response}), encoding="utf-8")
    return file


def feed(game_pk: int, state: dict[str, str], plays: int = 3, stamp: str = "20240701_200000") -> dict[str, Any]:
    """Return a live feed."""
    return {
        "copyright": "Copyright 2024 MLB Advanced Media, L.P.",
        "gamePk": game_pk,
        "metaData": {"wait": 10, "timeStamp": stamp},
        "gameData": {"game": {"pk": game_pk}, "status": state},
        "liveData": {"plays": {"allPlays": [{"atBatIndex": n, "about": {"w": 95.0}} for n in range(plays)]}},
    }


def listing(game_pk: int, state: dict[str, str], **more: Any) -> dict[str, Any]:
    """Return a game as a schedule lists it."""
    return {"gamePk": game_pk, "status": state, **more}


def schedule(day: date, games: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a day's schedule."""
    dates = [{"date": day.isoformat(), "totalGames": len(games), "games": games}] if games else []
    return {"copyright": "c", "totalGames": len(games), "dates": dates}


def save_day(folder: Path, day: date, games: list[dict[str, Any]], captured_at: datetime | None = None) -> Path:
    """Write a day's schedule."""
    return save(folder, f"/api/v1/schedule?sportId=1&date={day}", schedule(day, games), captured_at)


def save_game(folder: Path, game_pk: int, response: Any, captured_at: datetime | None = None) -> Path:
    """Write a live feed."""
    return save(folder, f"/api/v1.1/game/{game_pk}/feed/live", response, captured_at)


def save_week(folder: Path, games_a_day: int = 7) -> set[int]:
    """Write a season of one week, all over: a doubleheader, a game postponed to a later day, a day without games.

    Returns:
        The games that were played.
    """
    played: set[int] = set()
    for number in range(7):
        day = FIRST_DAY + timedelta(days=number)
        pks = [] if number == 3 else [1000 * (number + 1) + place for place in range(games_a_day)]
        games = [listing(pk, FINAL) for pk in pks]
        if number == 1:
            games[1] |= {"doubleHeader": "Y", "gameNumber": 2}
            games.append(listing(9999, POSTPONED, rescheduleDate="2024-07-05"))
        if number == 4:
            games.append(listing(9999, FINAL, rescheduledFrom="2024-07-02"))
            pks.append(9999)
        save_day(folder, day, games)
        for pk in pks:
            save_game(folder, pk, feed(pk, FINAL, plays=5))
        played |= set(pks)
    seasons = [{"seasonId": "2024", "regularSeasonStartDate": "2024-07-01", "regularSeasonEndDate": "2024-07-07"}]
    save(folder, "/api/v1/seasons/2024?sportId=1", {"copyright": "c", "seasons": seasons})
    save(folder, "/api/v1/teams?season=2024&sportId=1", {"copyright": "c", "teams": [{"id": 147, "venue": {"id": 1}}]})
    return played
