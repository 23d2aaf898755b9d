"""A week of a season as the StatsAPI would answer for it: what a replay server serves, and what is true of it.

Fourteen teams, seven games a day. One day is empty, one has a doubleheader, a game is postponed to the next day, which
is a doubleheader then, and another to a day that is not in the week.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.conftest import REPOSITORY
from tests.season import TEAMS, Game, Team, Venue, capture
from tests.statsapi import FINAL, POSTPONED, save, save_day

FIRST_DAY = date(2024, 7, 1)
SEASON = "2024"
#: After all of it.
_CAPTURED = datetime(2024, 7, 9, tzinfo=timezone.utc)
_SAMPLES = REPOSITORY / "plugins"
_SCHEDULE = "mlbsdk-plugin-schedule/mlbsdk_plugin_schedule/samples/schedule_2024-10-25.json.gz"
_SEASONS = "mlbsdk-plugin-schedule/mlbsdk_plugin_schedule/samples/all_seasons.json.gz"
_TEAMS = "mlbsdk-plugin-team/mlbsdk_plugin_team/samples/teams_2024.json.gz"

LEAGUE = (
    *TEAMS,
    Team(114, "Cleveland Guardians", "CLE", Venue(5, "Progressive Field", 41.495861, -81.685255, "America/New_York")),
    Team(117, "Houston Astros", "HOU", Venue(2392, "Minute Maid Park", 29.756967, -95.355509, "America/Chicago")),
    Team(
        143, "Philadelphia Phillies", "PHI", Venue(2681, "Citizens Bank Park", 39.90539, -75.16717, "America/New_York")
    ),
    Team(137, "San Francisco Giants", "SF", Venue(2395, "Oracle Park", 37.778383, -122.389448, "America/Los_Angeles")),
    Team(138, "St. Louis Cardinals", "STL", Venue(2889, "Busch Stadium", 38.62256667, -90.19286667, "America/Chicago")),
    Team(144, "Atlanta Braves", "ATL", Venue(4705, "Truist Park", 33.890672, -84.467641, "America/New_York")),
)
#: What happens on which day, from 0, and to which of its games.
_EMPTY, _DOUBLEHEADER, _RAIN, _MADE_UP, _GONE = 3, (1, 0), (4, 3), (5, 3), (6, 2)


@dataclass(frozen=True)
class Week:
    """What is true of the week."""

    played: tuple[Game, ...]
    """Each game that was played, on the day on which it was."""
    listings: int
    """Entries of the days' schedules: a postponed game has one on either day."""
    postponed: frozenset[int]
    """Games that were put off to a day after the week."""
    days: int = 7

    @property
    def start(self) -> date:
        """The first day."""
        return FIRST_DAY

    @property
    def end(self) -> date:
        """The last day."""
        return FIRST_DAY + timedelta(days=self.days - 1)

    @property
    def documents(self) -> int:
        """What there is to fetch: the season's dates, its teams, a schedule a day, and the games."""
        return 2 + self.days + len(self.played)


def write_week(folder: Path) -> Week:
    """Write the week's captures to a folder, for ``mlbsdk.testing.ReplayServer``; the same ones every time."""
    played: list[Game] = []
    put_off: set[int] = set()
    listings = 0
    moved: Game | None = None
    for offset in range(7):
        day = FIRST_DAY + timedelta(days=offset)
        listed: list[dict[str, Any]] = []
        for place, (home, away) in enumerate([] if offset == _EMPTY else _pairs(offset)):
            game = Game(100 * offset + place, day, _utc(day, 13 + place, home), home, away, home.venue)
            games = [game]
            if (offset, place) == _RAIN:
                next_day = day + timedelta(days=1)
                listed.append(_listing(game, POSTPONED, rescheduleDate=next_day.isoformat()))
                start = _utc(next_day, 20, home)
                moved = replace(game, day=next_day, start=start, double_header="Y", game_number=2)
                games = []
            elif (offset, place) == _GONE:
                listed.append(_listing(game, POSTPONED, rescheduleDate="2024-08-20"))
                put_off.add(game.game_pk)
                games = []
            elif (offset, place) == _DOUBLEHEADER:
                later = game.start + timedelta(hours=5)
                first = replace(game, double_header="S")
                games = [first, replace(first, number=game.number + 50, start=later, game_number=2)]
            elif (offset, place) == _MADE_UP and moved is not None:
                games = [replace(game, double_header="Y"), moved]
            former = {"rescheduledFrom": (day - timedelta(days=1)).isoformat()}
            listed += [_listing(one, FINAL, **(former if one is moved else {})) for one in games]
            played += games
        save_day(folder, day, listed, _CAPTURED)
        listings += len(listed)
    for game in played:
        document = json.loads(capture(game))
        save(folder, f"/api/v1.1/game/{game.game_pk}/feed/live", document["response"], _CAPTURED)
    save(folder, f"/api/v1/seasons/{SEASON}?sportId=1", {"seasons": [_season()]}, _CAPTURED)
    save(folder, f"/api/v1/teams?season={SEASON}&sportId=1", _sample(_TEAMS), _CAPTURED)
    return Week(tuple(played), listings, frozenset(put_off))


def _pairs(offset: int) -> list[tuple[Team, Team]]:
    """Return who plays whom (home, away): a round robin that turns every other day."""
    fixed, *others = LEAGUE
    turn = offset // 2
    ring = [fixed, *others[turn:], *others[:turn]]
    half = len(ring) // 2
    pairs = list(zip(ring[:half], reversed(ring[half:]), strict=True))
    return [pair if (turn + place) % 2 else (pair[1], pair[0]) for place, pair in enumerate(pairs)]


def _utc(day: date, hour: int, home: Team) -> datetime:
    zone = ZoneInfo(home.venue.time_zone)
    return datetime(day.year, day.month, day.day, hour, 5, tzinfo=zone).astimezone(timezone.utc)


def _listing(game: Game, state: dict[str, str], **more: Any) -> dict[str, Any]:
    """Return a game as a schedule lists it: the real listing with this game's facts."""
    found: dict[str, Any] = json.loads(json.dumps(_sample(_SCHEDULE)["dates"][0]["games"][0]))
    day = game.day.isoformat()
    found |= {
        "gamePk": game.game_pk,
        "gameGuid": f"fb97fd78-be7e-4439-b30c-{game.game_pk:012d}",
        "link": f"/api/v1.1/game/{game.game_pk}/feed/live",
        "gameType": game.game_type,
        "gameDate": game.start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "officialDate": day,
        "doubleHeader": game.double_header,
        "gameNumber": game.game_number,
        "calendarEventID": f"14-{game.game_pk}-{day}",
        "description": "",
        "seriesDescription": "Regular Season",
        "venue": {
            "id": game.venue.venue_id,
            "name": game.venue.name,
            "link": f"/api/v1/venues/{game.venue.venue_id}",
        },
    }
    found["status"] |= state
    for side, team in (("home", game.home), ("away", game.away)):
        link = f"/api/v1/teams/{team.team_id}"
        found["teams"][side]["team"] = {"id": team.team_id, "name": team.name, "link": link}
    return found | more


def _season() -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in _sample(_SEASONS)["seasons"] if one["seasonId"] == SEASON)
    return found


@cache
def _sample(name: str) -> dict[str, Any]:
    with gzip.open(_SAMPLES / name, "rt", encoding="utf-8") as stream:
        found: dict[str, Any] = json.load(stream)["response"]
    return found
