"""Teams, ballparks, rosters: every value of every real and altered capture, against a plain reading of their JSON."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.errors import DocumentsRejectedError
from mlbsdk.report import RunReport
from mlbsdk.runtime.run import RunRequest, run
from tests.oracle import team
from tests.oracle.compare import STAMPS, Tables, differences, stored
from tests.people import REAL, SAMPLE_ROSTER, SAMPLE_TEAMS, Capture, altered, newest, real

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

TEAM_KEYS = {"team.team": ("team_id",), "venue.venue": ("venue_id",)}
ROSTER = ("team_id", "roster_type", "as_of")
ROSTER_KEYS = {
    "team.rosters": ROSTER,
    "team.roster": (*ROSTER, "person_id"),
    "team.roster_people": (*ROSTER, "person_id"),
}
TEAMS_2024 = real(SAMPLE_TEAMS, 0)
ENVELOPE = TEAMS_2024.request
YANKEES = real(SAMPLE_ROSTER, 0)
PIRATES = real(REAL / "roster_134.json.gz", 0)


@dataclass(frozen=True)
class Target:
    """A folder of tables, and runs into it."""

    spark: SparkSession
    folder: Path

    def take(self, name: str, *captures: Capture) -> RunReport:
        """Run a transform over captures, in a folder of their own."""
        source = self.folder / f"in-{len(list(self.folder.glob('in-*')))}"
        for capture in captures:
            capture.save(source)
        return run(RunRequest(name=name, source=str(source), target=f"delta:{self.folder / 'out'}"), spark=self.spark)

    def tables(self, *names: str) -> Tables:
        return stored(self.folder / "out", names)


# Teams and ballparks


def team_of(team_id: int, **changes: Any) -> dict[str, Any]:
    """Return the Red Sox with another id and changes; a change to Ellipsis takes the value away."""
    found = next(one for one in TEAMS_2024.response["teams"] if one["id"] == 111) | {"id": team_id} | changes
    return {key: value for key, value in found.items() if value is not ...}


def teams(name: str, minute: int, *found: dict[str, Any] | None) -> Capture:
    return Capture(name, {"copyright": "A notice.", "teams": list(found)}, minute, ENVELOPE)


ITALY, LEAGUELESS, TAMPA, COMPLEX, FULL, HOMELESS = range(9001, 9007)
BACKFIELDS = {"id": 90, "name": "Backfields", "link": "/api/v1/venues/90"}
RECORD = {
    "gamesPlayed": 162,
    "wins": 81,
    "losses": 81,
    "winningPercentage": ".500",
    "leagueRecord": {"wins": 80, "losses": 80, "ties": 0, "pct": "-"},
    "divisionLeader": False,
    **{f"{kind}GamesBack": "13.0" for kind in ("division", "league", "sport", "conference")},
    "wildCardGamesBack": "-",
    "springLeagueGamesBack": "+1.5",
}
VENUE = {
    "id": 91,
    "name": "A Park",
    "link": "/api/v1/venues/91",
    "active": True,
    "season": "2025",
    "location": {
        "address1": "1 Road",
        "address2": "Box 2",
        "city": "Phoenix",
        "state": "Arizona",
        "stateAbbrev": "AZ",
        "postalCode": "85004",
        "country": "USA",
        "phone": "(602) 1",
        "defaultCoordinates": {"latitude": 33.4453, "longitude": -112.066},
        "azimuthAngle": 0,
        "elevation": 1086,
    },
    "timeZone": {"id": "America/Phoenix", "tz": "MST", "offset": -7, "offsetAtGameTime": -7},
    "fieldInfo": {
        "capacity": 48000,
        "turfType": "Artificial Turf",
        "roofType": "Retractable",
        "leftLine": 330,
        "left": 374,
        "leftCenter": 413,
        "center": 407,
        "rightCenter": 413,
        "right": 374,
        "rightLine": 334,
    },
}
TEAM_CAPTURES = [
    TEAMS_2024,
    *(real(REAL / f"team_{number}.json.gz", 1 + number) for number in (111, 112, 117, 121)),
    teams(
        "affiliates",
        2,
        team_of(ITALY, division=..., springLeague=..., springVenue=..., firstYearOfPlay="", teamName=...),
        None,
        team_of(LEAGUELESS, division={}, league=None, sport={"id": None}, season="2025", active="false"),
        team_of(TAMPA, venue=BACKFIELDS, parentOrgId=147, parentOrgName="New York Yankees"),
        team_of(COMPLEX, venue=BACKFIELDS, parentOrgId=147, parentOrgName="New York Yankees", record={}),
        team_of(HOMELESS, venue=...),
    ),
    teams("hydrated", 3, team_of(FULL, venue=VENUE, record=RECORD), team_of(HOMELESS, venue={"name": "No id"})),
    teams("none", 4),
]


@pytest.fixture(scope="module")
def published(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tables, RunReport]:
    target = Target(spark, tmp_path_factory.mktemp("team"))
    report = target.take("team.team", *TEAM_CAPTURES)
    return target.tables(*TEAM_KEYS), report


@pytest.mark.parametrize("table", TEAM_KEYS)
def test_every_value_of_teams_and_ballparks(published: tuple[Tables, RunReport], table: str) -> None:
    tables, report = published
    expected = newest(TEAM_CAPTURES, lambda capture: team.read(capture.response), TEAM_KEYS)
    assert set(report.tables) == set(expected) == set(TEAM_KEYS)
    assert report.tables[table].inserted == len(tables[table]) == {"team.team": 36, "venue.venue": 32}[table]
    assert not differences(tables[table], expected[table], TEAM_KEYS[table])


def test_teams_read_by_a_person(published: tuple[Tables, RunReport]) -> None:
    tables, report = published
    by_id = {row["team_id"]: row for row in tables["team.team"]}
    assert (by_id[111]["season"], by_id[133]["season"]) == ("2025", "2024")  # in both captures; in that of 2024 alone
    assert (by_id[ITALY]["division_id"], by_id[ITALY]["league_id"], by_id[ITALY]["first_year_of_play"]) == (
        None,
        103,
        None,
    )
    assert [by_id[LEAGUELESS][part] for part in ("division_id", "league_id", "sport_id", "is_active")] == [
        *[None] * 3,
        False,
    ]
    assert (by_id[COMPLEX]["venue_id"], by_id[HOMELESS]["venue_id"], by_id[FULL]["venue_id"]) == (90, None, 91)
    assert (str(by_id[FULL]["winning_percentage"]), by_id[FULL]["league_winning_percentage"]) == ("0.500", None)
    venues = {row["venue_id"]: row for row in tables["venue.venue"]}
    assert (venues[3]["venue_name"], venues[3]["link"], venues[3]["city"]) == ("Fenway Park", "/api/v1/venues/3", None)
    assert (venues[91]["longitude"], venues[91]["center_field"]) == (-112.066, 407)
    assert {row["venue_id"] for row in tables["team.team"]} - {None} == set(venues)
    assert not [rule for rule in report.quality if rule.severity == "error"]


def test_real_captures_of_one_time_are_no_ambiguity(spark: SparkSession, tmp_path: Path) -> None:
    target = Target(spark, tmp_path)
    same = [replace(capture, minute=0) for capture in TEAM_CAPTURES[:5]]
    report = target.take("team.team", *[replace(one, request=None) for one in same])
    assert (report.tables["team.team"].inserted, report.tables["venue.venue"].inserted) == (30, 30)
    assert {row["season"] for row in target.tables("team.team")["team.team"] if row["team_id"] in (111, 121)} == {
        "2024"
    }


# Rosters


def roster(name: str, minute: int, response: dict[str, Any], **params: str) -> Capture:
    return Capture(name, response, minute, YANKEES.request, {"teamId": str(response["teamId"])} | params)


def small(*entries: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    return {"roster": list(entries), "teamId": 147, "rosterType": "40Man"} | changes


def entry(person_id: int, **changes: Any) -> dict[str, Any]:
    found = altered(YANKEES.response["roster"][0], lambda one: one["person"].update(id=person_id)) | changes
    return {key: value for key, value in found.items() if value is not ...}


#: Captures, each with the day or season that its roster is of.
ROSTER_CAPTURES = {
    "2024": YANKEES,
    "current": PIRATES,
    "2024-07-12": roster(
        "day",
        1,
        small(
            entry(1, jerseyNumber=..., parentTeamId=147),
            None,
            entry(2, jerseyNumber="", status={}, position=None),
            entry(3, jerseyNumber="00", person={"id": 3, "fullName": "A B", "firstName": "A", "primaryNumber": "00"}),
        ),
        rosterType="40Man",
        date="2024-07-12",
        season="2024",
    ),
    "2023 S": roster("spring", 2, small(entry(1)), rosterType="40Man", season="2023", gameType="S"),
    "1901": roster("empty", 3, small(), season="1901"),
    "1902": roster("null", 4, small(roster=None), season="1902"),
}


@pytest.fixture(scope="module")
def rosters(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Target, RunReport]:
    target = Target(spark, tmp_path_factory.mktemp("roster"))
    return target, target.take("team.roster", *ROSTER_CAPTURES.values())


@pytest.mark.parametrize("table", ROSTER_KEYS)
@pytest.mark.parametrize("as_of", ROSTER_CAPTURES)
def test_every_value_of_a_roster(rosters: tuple[Target, RunReport], as_of: str, table: str) -> None:
    target, report = rosters
    capture = ROSTER_CAPTURES[as_of]
    expected = team.read_roster(capture.response, capture.params, as_of)
    assert set(report.tables) == set(expected) == set(ROSTER_KEYS)
    found = [row for row in target.tables(table)[table] if row["as_of"] == as_of]
    assert not differences(found, expected[table], ROSTER_KEYS[table])


def test_rosters_read_by_a_person(rosters: tuple[Target, RunReport]) -> None:
    target, report = rosters
    tables = target.tables(*ROSTER_KEYS)
    assert {name: len(rows) for name, rows in tables.items()} == {
        "team.rosters": 6,
        "team.roster": 54 + 57 + 3 + 1,
        "team.roster_people": 57 + 1,
    }
    by_key = {tuple(row[part] for part in ROSTER_KEYS["team.roster"]): row for row in tables["team.roster"]}
    assert by_key[147, "fullSeason", "2024", 690925]["status"] == "Forty Man"
    day = [by_key[147, "40Man", "2024-07-12", person] for person in (1, 2, 3)]
    assert [row["jersey_number"] for row in day] == [None, None, "00"]
    assert [row["parent_team_id"] for row in day] == [147, None, None]
    heads = {row["as_of"]: row for row in tables["team.rosters"]}
    assert (heads["2024"]["requested_roster_type"], heads["2024"]["roster_type"]) == ("active", "fullSeason")
    assert (heads["2024-07-12"]["roster_date"], heads["current"]["season"]) == (date(2024, 7, 12), None)
    assert any("1 of 6 documents carry no capture time" in note for note in report.notes)
    assert all(row.keys() >= STAMPS for rows in tables.values() for row in rows)
    assert {row["source_captured_at"] for row in tables["team.roster_people"] if row["team_id"] == 134} == {
        PIRATES.captured_at
    }


def test_who_leaves_a_roster_vanishes_and_an_old_capture_brings_nobody_back(
    spark: SparkSession, tmp_path: Path
) -> None:
    target = Target(spark, tmp_path)

    def persons() -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row in target.tables("team.roster")["team.roster"]:
            found.setdefault(row["as_of"], []).append(row["person_id"])
        return {as_of: sorted(ids) for as_of, ids in found.items()}

    before = [
        roster("day", 1, small(entry(1), entry(2)), date="2024-07-12"),
        roster("now", 1, small(entry(1), entry(2))),
        Capture("bare", small(entry(1), entry(3)), 2),  # the same roster, without its request
    ]
    target.take("team.roster", *before)
    assert persons() == {"2024-07-12": [1, 2], "current": [1, 3]}
    report = target.take(
        "team.roster", roster("now", 4, small(entry(3))), roster("american", 4, small(entry(2)), date="7/12/2024")
    )
    changed = report.tables["team.roster"]
    assert (changed.deleted, changed.inserted, changed.updated) == (2, 0, 2)
    assert persons() == {"2024-07-12": [2], "current": [3]}
    report = target.take("team.roster", roster("now", 3, small(entry(1), entry(9))))
    assert not report.tables["team.roster"].deleted + report.tables["team.roster"].inserted
    assert persons() == {"2024-07-12": [2], "current": [3]}
    target.take("team.roster", roster("now", 5, small()))
    assert persons() == {"2024-07-12": [2]}


def test_a_response_of_another_method_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(DocumentsRejectedError, match=r"it is a response of team\.roster, not of team\.team"):
        Target(spark, tmp_path).take("team.team", YANKEES)
