"""Schedules of kinds that no kept capture shows, made of real ones, and what tables hold after overlapping ones.

Shapes follow what StatsAPI sends in that case: the former listing of a postponed game names its new date as official.
"""

from __future__ import annotations

import copy
import gzip
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tests.oracle.schedule import Tables

Document = dict[str, Any]
_START = datetime(2024, 8, 26, 12, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Capture:
    """One response. ``params`` are those of its request; without them it is saved bare."""

    name: str
    hour: int
    document: Document
    params: dict[str, str] | None = None
    method: str = "schedule"

    @property
    def captured_at(self) -> datetime:
        return _START + timedelta(hours=self.hour)

    def save(self, folder: Path) -> Path:
        """Write the capture to a file whose name tells nothing of its age."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name.replace(' ', '_')}.json"
        envelope = {
            "endpoint": "schedule",
            "method": self.method,
            "path_params": {},
            "query_params": self.params,
            "url": "https://statsapi.mlb.com/api/v1/schedule",
            "status_code": 200,
            "captured_at": self.captured_at.isoformat(),
            "response": self.document,
        }
        path.write_text(json.dumps(self.document if self.params is None else envelope), encoding="utf-8")
        os.utime(path, (self.captured_at.timestamp(), self.captured_at.timestamp()))
        return path


def load(path: Path) -> tuple[Document, dict[str, str] | None]:
    """Return the response of a real capture, and the parameters of its request where it has them."""
    with gzip.open(path) as stream:
        found = json.load(stream)
    if "response" not in found:
        return found, None
    return found["response"], {**found["path_params"], **found["query_params"]}


def merged(
    captures: Iterable[Capture], read: Callable[[Capture], Tables], keys: Mapping[str, tuple[str, ...]]
) -> tuple[Tables, dict[str, dict[tuple[Any, ...], datetime]]]:
    """Return what tables hold after captures of distinct times in any order, and the time of each row by its key."""
    rows: dict[str, dict[tuple[Any, ...], Any]] = {name: {} for name in keys}
    times: dict[str, dict[tuple[Any, ...], datetime]] = {name: {} for name in keys}
    for capture in sorted(captures, key=lambda one: one.hour):
        for name, found in read(capture).items():
            for row in found:
                key = tuple(row[part] for part in keys[name])
                rows[name][key] = row
                times[name][key] = capture.captured_at
    return {name: list(found.values()) for name, found in rows.items()}, times


def altered(doubleheader: Document) -> list[Capture]:
    """Return schedules made of a real day with two games."""
    team = {"sportId": "1", "teamId": "114"}
    week = {"sportId": "1", "startDate": "2024-08-26", "endDate": "2024-08-28"}
    after = {**week, "hydrate": "probablePitcher(note),broadcasts(all)"}
    return [
        Capture(
            "range of days",
            1,
            days(doubleheader, {"2024-08-26": (), "2024-08-27": (11, 12), "2024-08-28": (13,)}),
            week,
        ),
        Capture("a range again, later", 9, played(doubleheader), {"endDate": "2024-08-28", **week}),
        Capture("a team's day", 5, one_game(doubleheader), {"date": "2024-08-26", **team}),
        Capture("empty day", 6, empty(), {"sportId": "1", "date": "2024-11-27"}),
        Capture("postponed", 7, postponed(doubleheader), {**team, "startDate": "2024-06-05", "endDate": "2024-06-06"}),
        Capture("suspended", 8, suspended(doubleheader), {"sportId": "1", "season": "2024", "gameType": "R"}),
        Capture("hydrated", 10, hydrated(doubleheader), after),
        Capture("not hydrated", 12, hydrated(doubleheader, plain=True), {"sportId": "1", "date": "2024-09-01"}),
        Capture("hydrated but older", 11, hydrated(doubleheader, older=True), after),
        Capture("nulls", 13, nulls(doubleheader), {"sportId": "1", "date": "2024-09-02"}),
        Capture("other spellings", 14, spelled(doubleheader)),
    ]


def empty() -> Document:
    return {"totalItems": 0, "totalEvents": 0, "totalGames": 0, "totalGamesInProgress": 0, "dates": []}


def days(real: Document, games: Mapping[str, Iterable[int]]) -> Document:
    """Return a schedule of some dates; a date without numbers keeps the real games, others get games of their own."""
    dates = []
    for date, numbers in games.items():
        one = copy.deepcopy(real["dates"][0])
        one["date"] = date
        made = [numbered(real, number, date) for number in numbers]
        one["games"] = made or one["games"]
        one["totalGames"] = one["totalItems"] = len(one["games"])
        dates.append(one)
    return {**empty(), "totalGames": sum(one["totalGames"] for one in dates), "dates": dates}


def numbered(real: Document, number: int, date: str) -> Document:
    """Return a listing of another game."""
    found: Document = copy.deepcopy(real["dates"][0]["games"][1])
    for key in ("rescheduledFrom", "rescheduledFromDate", "description"):
        found.pop(key, None)
    pk = 9_000_000 + number
    return found | {
        "gamePk": pk,
        "gameDate": f"{date}T22:40:00Z",
        "officialDate": date,
        "doubleHeader": "N",
        "gameNumber": 1,
    }


def played(real: Document) -> Document:
    """Return the real day after its first game; the second is under way."""
    found = copy.deepcopy(real)
    day = found["dates"][0]
    day["totalGamesInProgress"] = 1
    first, second = day["games"]
    first["status"] |= {
        "abstractGameState": "Final",
        "codedGameState": "F",
        "detailedState": "Completed Early",
        "reason": "Rain",
    }
    second["status"] |= {"abstractGameState": "Live", "codedGameState": "I", "detailedState": "In Progress"}
    for listing, scores in ((first, (4, 1)), (second, (0, 0))):
        for side, score in zip(("away", "home"), scores, strict=True):
            listing["teams"][side]["score"] = score
    first["teams"]["away"]["isWinner"], first["teams"]["home"]["isWinner"], first["isTie"] = True, False, False
    return found


def one_game(real: Document) -> Document:
    """Return the real day as a request for less sees it: other totals, fewer games."""
    found = copy.deepcopy(real)
    day = found["dates"][0]
    del day["games"][1]
    day["totalItems"] = day["totalGames"] = found["totalItems"] = found["totalGames"] = 1
    return found


def postponed(real: Document) -> Document:
    """Return a game under its former and its new date; the same game_pk twice in one response."""
    found = days(real, {"2024-06-05": (21,), "2024-06-06": (21, 22)})
    before, after = found["dates"][0]["games"][0], found["dates"][1]["games"][0]
    before |= {
        "officialDate": "2024-06-06",
        "rescheduleDate": "2024-06-06T17:10:00Z",
        "rescheduleGameDate": "2024-06-06",
    }
    before["status"] |= {
        "abstractGameState": "Final",
        "codedGameState": "D",
        "detailedState": "Postponed",
        "reason": "Rain",
    }
    before["status"]["statusCode"] = "DR"
    after |= {"rescheduledFrom": "2024-06-05T22:40:00Z", "rescheduledFromDate": "2024-06-05", "doubleHeader": "Y"}
    found["dates"][1]["games"][1] |= {"doubleHeader": "Y", "gameNumber": 2}
    return found


def suspended(real: Document) -> Document:
    """Return a game under both dates on which it was played."""
    found = days(real, {"2024-07-01": (31,), "2024-07-02": (31,)})
    before, after = found["dates"][0]["games"][0], found["dates"][1]["games"][0]
    before |= {"resumeDate": "2024-07-02T17:10:00Z", "resumeGameDate": "2024-07-02"}
    after |= {"resumedFrom": "2024-07-01T22:40:00Z", "resumedFromDate": "2024-07-01", "officialDate": "2024-07-01"}
    after["teams"]["home"]["leagueRecord"] |= {"ties": 1, "pct": "-.--"}
    return found


def hydrated(real: Document, plain: bool = False, older: bool = False) -> Document:
    """Return a day of one game with all hydrations; ``plain`` without any, ``older`` with other values."""
    found = days(real, {"2024-09-01": (41,)})
    listing = found["dates"][0]["games"][0]
    if plain:
        return found
    pitcher = {"id": 700_001 if older else 700_002, "fullName": "Núñez", "link": "/api/v1/people/1", "note": "Starts."}
    listing["teams"]["away"]["probablePitcher"] = pitcher
    if not older:
        listing["teams"]["home"]["probablePitcher"] = pitcher | {"id": 700_003}
    person = {"id": 700_004, "fullName": "Winner", "link": "/api/v1/people/700004"}
    listing["decisions"] = {"winner": person, "loser": person | {"id": 700_005, "fullName": "Loser"}}
    listing["linescore"] = {
        "currentInning": 7 if older else 9,
        "currentInningOrdinal": "9th",
        "inningState": "Bottom",
        "inningHalf": "Bottom",
        "isTopInning": False,
        "scheduledInnings": 9,
        "innings": [{"num": 1, "home": {"runs": 1}}],
        "teams": {"home": {"runs": 5, "hits": 9, "errors": 0, "leftOnBase": 7}, "away": {"runs": 3}},
        "balls": 2,
        "strikes": 1,
        "outs": 3,
        "defense": {"team": {"id": 118, "name": "Kansas City Royals"}},
        "offense": {"team": {"id": 114, "name": "Cleveland Guardians"}},
    }
    station = {
        "id": 6218,
        "name": "Guardians.TV",
        "type": "TV",
        "language": "en",
        "isNational": False,
        "callSign": "CLEG",
        "homeAway": "home",
        "availability": {"availabilityId": 1, "availabilityCode": "local_in_market", "availabilityText": "Local"},
        "mediaState": {"mediaStateId": 2, "mediaStateCode": "MEDIA_OFF", "mediaStateText": "OFF"},
        "mediaId": "b0e3",
        "gameDateBroadcastGuid": "g-1",
        "broadcastDate": "2024-09-01",
        "videoResolution": {"code": "FHD", "resolutionShort": "1080p"},
        "colorSpace": {"code": "SDR", "colorSpaceFull": "Standard Dynamic Range"},
        "freeGame": False,
        "availableForStreaming": True,
        "postGameShow": True,
        "mvpdAuthRequired": False,
    }
    listing["broadcasts"] = [
        station,
        station | {"language": "es"},
        station | {"homeAway": "away"},
        {"id": 9, "name": "WTAM"},
    ]
    return found


def nulls(real: Document) -> Document:
    """Return a schedule with null where objects and arrays may be: such parts give no rows, and null values."""
    found = days(real, {"2024-09-02": (51, 52), "2024-09-03": (53,), "2024-09-04": (54,)})
    first, second = found["dates"][0]["games"]
    for key in ("venue", "linescore", "broadcasts", "decisions", "dayNight", "rescheduleDate", "content"):
        first[key] = None
    first["teams"]["away"] |= {"leagueRecord": None, "probablePitcher": None, "score": None, "isWinner": None}
    first["status"]["reason"] = None
    second["status"] |= {"startTimeTBD": True}
    second |= {"broadcasts": [None], "decisions": {"winner": None, "save": {"id": 700_006}}, "linescore": {}}
    second["teams"]["home"]["probablePitcher"] = {"id": 700_007, "stats": None}
    second["teams"]["away"]["probablePitcher"] = {"fullName": "Without an id", "stats": [None, {"stats": {}}]}
    found["dates"][0]["events"] = None
    found["dates"][1]["games"] = None
    found["dates"][2]["games"] = []
    found["dates"].append(None)
    return found


def spelled(real: Document) -> Document:
    """Return a bare schedule whose numbers are texts, or have a fraction of nothing."""
    found = days(real, {"2024-09-05": (61,)})
    listing = found["dates"][0]["games"][0]
    listing |= {"gamePk": "9000061", "scheduledInnings": 9.0, "season": 2024, "publicFacing": "true"}
    listing["teams"]["home"] |= {"score": "10", "leagueRecord": {"wins": 81.0, "losses": 81, "pct": 0.5}}
    del found["dates"][0]["totalEvents"]
    return found
