"""A small season of live games with real shapes, the same one every time: teams that travel, series, a doubleheader.

Every game takes the course of a real one (747175), with its own teams, ballpark, players, dates and times. A team has
the same players at home and away; who of them bats where changes from game to game, so that lines and totals differ.
What the boxscore says of a game agrees with its plays; its season totals are the real game's and agree with nothing.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

TEMPLATE = (
    Path(__file__).resolve().parents[1]
    / "plugins/mlbsdk-plugin-game/mlbsdk_plugin_game/samples/live_game_747175.json.gz"
)
FIRST_DAY = date(2024, 6, 3)
FIRST_GAME_PK = 800_001
_SIDES = ("away", "home")
_TEMPLATE_PK = 747175
_TEMPLATE_START = datetime(2024, 7, 13, 1, 40, tzinfo=timezone.utc)
_UTC = "%Y-%m-%dT%H:%M:%S"


@dataclass(frozen=True)
class Venue:
    """A ballpark. Degrees north and east; both None: the feed has no coordinates."""

    venue_id: int
    name: str
    latitude: float | None
    longitude: float | None
    time_zone: str


@dataclass(frozen=True)
class Team:
    """A team and its ballpark."""

    team_id: int
    name: str
    abbreviation: str
    venue: Venue


TEAMS = (
    Team(109, "Arizona Diamondbacks", "AZ", Venue(15, "Chase Field", 33.445302, -112.066687, "America/Phoenix")),
    Team(111, "Boston Red Sox", "BOS", Venue(3, "Fenway Park", 42.346456, -71.097441, "America/New_York")),
    Team(119, "Los Angeles Dodgers", "LAD", Venue(22, "Dodger Stadium", 34.07368, -118.24053, "America/Los_Angeles")),
    Team(112, "Chicago Cubs", "CHC", Venue(17, "Wrigley Field", 41.948171, -87.655503, "America/Chicago")),
    Team(115, "Colorado Rockies", "COL", Venue(19, "Coors Field", 39.756042, -104.994136, "America/Denver")),
    Team(141, "Toronto Blue Jays", "TOR", Venue(14, "Rogers Centre", 43.64155, -79.38915, "America/Toronto")),
    Team(147, "New York Yankees", "NYY", Venue(3313, "Yankee Stadium", 40.82919482, -73.9264977, "America/New_York")),
    Team(136, "Seattle Mariners", "SEA", Venue(680, "T-Mobile Park", 47.591333, -122.33251, "America/Los_Angeles")),
)
#: Where one game is played: the feed has no coordinates for it.
NEUTRAL = Venue(9999, "A Field of Corn", None, None, "America/Chicago")


@dataclass(frozen=True)
class Game:
    """What is true of a game."""

    number: int
    """From 0, in the order of play."""
    day: date
    start: datetime
    """UTC."""
    home: Team
    away: Team
    venue: Venue
    game_type: str = "R"
    double_header: str = "N"
    game_number: int = 1
    is_postponed: bool = False

    @property
    def game_pk(self) -> int:
        """Its key."""
        return FIRST_GAME_PK + self.number

    @property
    def end(self) -> datetime:
        """When its last play ended: as long after the start as in the real game."""
        return self.start + timedelta(hours=2, minutes=39, seconds=9, milliseconds=701)


def season(games: int = 36, days: int = 12, teams: int = 6) -> list[Game]:
    """Return the games of a season: a spring game first, then series of two days, each with another opponent.

    In it are a doubleheader, a game that is postponed, and one at a ballpark without coordinates.

    Args:
        games: how many games at most, the spring game and the postponed one included.
        days: how many days at most.
        teams: how many teams, an even number up to 8; all of them play every day.
    """
    if teams % 2 or not 2 <= teams <= len(TEAMS):
        raise ValueError(f"teams must be even and at most {len(TEAMS)}, not {teams}")
    return [
        Game(number, day=day, start=_utc(day, hour, venue), home=home, away=away, venue=venue, **more)
        for number, (day, hour, home, away, venue, more) in zip(range(games), _scheduled(days, teams), strict=False)
    ]


def _scheduled(days: int, teams: int) -> Iterator[tuple[date, int, Team, Team, Venue, dict[str, Any]]]:
    before = FIRST_DAY - timedelta(days=90)
    yield before, 13, TEAMS[0], TEAMS[1], TEAMS[0].venue, {"game_type": "S"}
    for offset in range(days):
        day = FIRST_DAY + timedelta(days=offset)
        for place, (home, away) in enumerate(_pairs(offset // 2, teams)):
            first = place == 0
            if offset == 3 and first:
                double = {"double_header": "S"}
                yield day, 13, home, away, home.venue, double
                yield day, 19, home, away, home.venue, double | {"game_number": 2}
            elif offset == 5 and first:
                yield day, 19, home, away, home.venue, {"is_postponed": True}
            elif offset == 6 and first:
                yield day, 19, home, away, NEUTRAL, {}
            else:
                yield day, 19 if place else 16, home, away, home.venue, {}


def _pairs(series: int, teams: int) -> list[tuple[Team, Team]]:
    """Return who plays whom (home, away): a round robin in which one team stays and the others go round."""
    fixed, *others = TEAMS[:teams]
    turn = series % len(others)
    ring = [fixed, *others[turn:], *others[:turn]]
    pairs = list(zip(ring[: teams // 2], reversed(ring[teams // 2 :]), strict=True))
    return [pair if (series + place) % 2 else (pair[1], pair[0]) for place, pair in enumerate(pairs)]


def _utc(day: date, hour: int, venue: Venue) -> datetime:
    local = datetime(day.year, day.month, day.day, hour, 5, tzinfo=ZoneInfo(venue.time_zone))
    return local.astimezone(timezone.utc)


def write_season(folder: Path, games: int = 36, days: int = 12, teams: int = 6) -> list[Game]:
    """Write one capture a game to a folder, made after it was over, and return the games.

    Args:
        folder: where to; it is made.
        games: as for :func:`season`.
        days: as for :func:`season`.
        teams: as for :func:`season`.
    """
    played = season(games, days, teams)
    write_games(folder, played)
    return played


def write_games(folder: Path, games: Iterable[Game]) -> list[Path]:
    """Write one capture a game to a folder, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for game in games:
        path = folder / f"live_game_{game.game_pk}.json"
        path.write_text(capture(game), encoding="utf-8")
        paths.append(path)
    return paths


def capture(game: Game) -> str:
    """Return the capture of a game as JSON text: an envelope as pymlb-statsapi saves it."""
    text = _template().text(game)
    return text if not game.is_postponed else json.dumps(_not_played(json.loads(text)))


def players(game: Game, side: str) -> dict[int, int]:
    """Return the players of a side: the real game's player -> who takes his part in this one."""
    return _template().players(game, side)


# How a game is made


class _Template:
    """The real game's text, cut where games differ."""

    def __init__(self) -> None:
        with gzip.open(TEMPLATE, "rt", encoding="utf-8") as stream:
            document = json.load(stream)
        self.rosters = {side: _roster(document["response"], side) for side in _SIDES}
        self._sides = {player: side for side, roster in self.rosters.items() for part in roster for player in part}
        _mark(document["response"])
        people = "|".join(map(str, self._sides))
        slots = re.compile(
            r'"@(?P<fact>[a-z_ ]+)@"'
            r"|(?P<moment>2024-07-1[23]T\d\d:\d\d:\d\d)"
            r"|(?P<stamp>20240713_\d{6})"
            r"|(?P<uuid>\b[0-9a-f]{8}-(?=[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b))"
            rf"|(?<![\d.])(?P<pk>{_TEMPLATE_PK})(?!\d)"
            rf"|(?<![\d.-])(?P<player>{people})(?![\d.])"
        )
        text, end = json.dumps(document), 0
        self._parts: list[tuple[str, str, str]] = []
        for found in slots.finditer(text):
            self._parts.append((text[end : found.start()], found.lastgroup or "", found[found.lastgroup or 0]))
            end = found.end()
        self._tail = text[end:]

    def text(self, game: Game) -> str:
        by_player = {one: other for side in _SIDES for one, other in self.players(game, side).items()}
        facts = _facts(game)
        shift = game.start - _TEMPLATE_START

        def filled(kind: str, value: str) -> str:
            if kind == "fact":
                return json.dumps(facts[value])
            if kind == "moment":
                return (datetime.strptime(value, _UTC) + shift).strftime(_UTC)
            if kind == "stamp":
                return (datetime.strptime(value, "%Y%m%d_%H%M%S") + shift).strftime("%Y%m%d_%H%M%S")
            if kind == "uuid":
                return f"{(int(value[:8], 16) + game.game_pk * 2_654_435_761) % 2**32:08x}-"
            return str(game.game_pk if kind == "pk" else by_player[int(value)])

        return "".join([part for literal, *slot in self._parts for part in (literal, filled(*slot))] + [self._tail])

    def players(self, game: Game, side: str) -> dict[int, int]:
        first = 600_000 + (game.home if side == "home" else game.away).team_id * 100
        batters, pitchers, others = self.rosters[side]
        found = {player: first + (place + game.number) % len(batters) for place, player in enumerate(batters)}
        found |= {player: first + 50 + (place + game.number) % len(pitchers) for place, player in enumerate(pitchers)}
        return found | {player: first + 70 + place for place, player in enumerate(others)}


@cache
def _template() -> _Template:
    return _Template()


def _roster(response: dict[str, Any], side: str) -> tuple[list[int], list[int], list[int]]:
    """Return who batted or fielded, who pitched, and who did not play."""
    found: tuple[list[int], list[int], list[int]] = ([], [], [])
    for player in response["liveData"]["boxscore"]["teams"][side]["players"].values():
        stats = player["stats"]
        found[1 if stats["pitching"] else 0 if stats["batting"] else 2].append(player["person"]["id"])
    return found


def _mark(response: dict[str, Any]) -> None:
    """Put marks where games differ in more than numbers and times."""
    data = response["gameData"]
    teams = {data["teams"][side]["id"]: side for side in _SIDES}
    _mark_teams(response, teams)
    data["venue"] = "@venue@"
    for name in ("datetime", "status"):
        data[name] = f"@{name}@"
    game = data["game"]
    game |= {name: f"@{name}@" for name in ("type", "double_header", "game_number", "id", "event")}
    game["doubleHeader"], game["gameNumber"], game["calendarEventID"] = (
        game.pop("double_header"),
        game.pop("game_number"),
        game.pop("event"),
    )
    data["gameInfo"]["firstPitch"] = "@first_pitch@"


def _mark_teams(value: Any, teams: dict[int, str]) -> None:
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _mark_teams(item, teams)
    if not isinstance(value, dict):
        return
    for key in ("teamId", "parentTeamId", "challengeTeamId"):
        if value.get(key) in teams:
            value[key] = f"@{teams[value[key]]} id@"
    side = teams.get(value.get("id", 0)) if str(value.get("link", "")).startswith("/api/v1/teams/") else None
    if side:
        value |= {"id": f"@{side} id@", "name": f"@{side} name@", "link": f"@{side} link@"}
        if "abbreviation" in value:
            value["abbreviation"] = f"@{side} abbreviation@"
        if "venue" in value:
            value["venue"] = f"@{side} venue@"


def _facts(game: Game) -> dict[str, Any]:
    zone = ZoneInfo(game.venue.time_zone)
    local = game.start.astimezone(zone)
    offset = local.utcoffset() or timedelta()
    day = game.day.isoformat()
    teams = f"{game.away.abbreviation}mlb-{game.home.abbreviation}mlb".lower()
    place: dict[str, Any] = {"city": game.venue.name, "country": "USA"}
    if game.venue.latitude is not None:
        place["defaultCoordinates"] = {"latitude": game.venue.latitude, "longitude": game.venue.longitude}
    facts: dict[str, Any] = {
        "type": game.game_type,
        "double_header": game.double_header,
        "game_number": game.game_number,
        "id": f"{day.replace('-', '/')}/{teams}-{game.game_number}",
        "event": f"14-{game.game_pk}-{day}",
        "datetime": {
            "dateTime": game.start.strftime(f"{_UTC}Z"),
            "originalDate": day,
            "officialDate": day,
            "dayNight": "night" if local.hour >= 17 else "day",
            "time": local.strftime("%I:%M").lstrip("0"),
            "ampm": local.strftime("%p"),
        },
        "status": {
            "abstractGameState": "Final",
            "codedGameState": "D" if game.is_postponed else "F",
            "detailedState": "Postponed" if game.is_postponed else "Final",
            "statusCode": "DR" if game.is_postponed else "F",
            "startTimeTBD": False,
            "abstractGameCode": "F",
        }
        | ({"reason": "Rain"} if game.is_postponed else {}),
        "first_pitch": game.start.strftime(f"{_UTC}.000Z"),
        "venue": {
            "id": game.venue.venue_id,
            "name": game.venue.name,
            "link": f"/api/v1/venues/{game.venue.venue_id}",
            "location": place,
            "timeZone": {
                "id": game.venue.time_zone,
                "offset": int(offset.total_seconds() // 3600),
                "offsetAtGameTime": int(offset.total_seconds() // 3600),
                "tz": local.strftime("%Z"),
            },
            "active": True,
            "season": str(game.day.year),
        },
    }
    for side, team in (("home", game.home), ("away", game.away)):
        facts |= {
            f"{side} id": team.team_id,
            f"{side} name": team.name,
            f"{side} link": f"/api/v1/teams/{team.team_id}",
            f"{side} abbreviation": team.abbreviation,
            f"{side} venue": {
                "id": team.venue.venue_id,
                "name": team.venue.name,
                "link": f"/api/v1/venues/{team.venue.venue_id}",
            },
        }
    return facts


def _not_played(document: dict[str, Any]) -> dict[str, Any]:
    """Return a game's document as it is when the game was never begun."""
    data, live = document["response"]["gameData"], document["response"]["liveData"]
    data |= {"gameInfo": {}, "weather": {}}
    live["plays"] = {"allPlays": [], "scoringPlays": [], "playsByInning": []}
    live["linescore"] |= {"innings": [], "teams": {"home": {}, "away": {}}}
    live.pop("decisions", None)
    for team in live["boxscore"]["teams"].values():
        team |= {"batters": [], "pitchers": [], "battingOrder": []}
        for player in team["players"].values():
            player["stats"] = {"batting": {}, "pitching": {}, "fielding": {}}
    live["boxscore"] |= {"officials": [], "topPerformers": []}
    return document
