"""Persons: every value of every real and altered capture, against a plain reading of their JSON."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.errors import AmbiguousKeyError, DocumentsRejectedError
from mlbsdk.report import RunReport
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.runtime.stream import StreamRequest, stream
from tests.oracle import person
from tests.oracle.compare import Tables, differences, stored
from tests.people import REAL, SAMPLE_PERSON, Capture, newest, real

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

NAME = "person.person"
KEYS = {"person.person": ("person_id",)}
TROUT = real(SAMPLE_PERSON, 0)
ENVELOPE = TROUT.request
NO_DEBUT, DEAD, BARE, HYDRATED, TWICE, ODD = range(9_000_001, 9_000_007)


def of(person_id: int, **changes: Any) -> dict[str, Any]:
    """Return Mike Trout with another id and changes; a change to Ellipsis takes the value away."""
    found = TROUT.response["people"][0] | {"id": person_id} | changes
    return {key: value for key, value in found.items() if value is not ...}


def people(name: str, minute: int, *found: dict[str, Any] | None) -> Capture:
    return Capture(name, {"people": list(found)}, minute, ENVELOPE)


REAL_CAPTURES = [
    TROUT,
    real(REAL / "person_592450.json.gz", 0),
    real(REAL / "person_608070.json.gz", 0),
    real(REAL / "persons_605151_592450.json.gz", -1000),
]
ALTERED = [
    people("no_debut", 1, of(NO_DEBUT, mlbDebutDate=..., draftYear=..., nickName=..., primaryNumber=...)),
    people(
        "several",
        2,
        of(DEAD, deathDate="2020-01-31", deathCity="Rome", deathStateProvince="NY", deathCountry="USA", active=False),
        None,
        {"id": BARE, "fullName": "Only A. Name", "link": "/api/v1/people/1"},
        of(HYDRATED, currentTeam={"id": 108, "name": "Los Angeles Angels", "link": "/api/v1/teams/108"}),
        of(TWICE),
        of(TWICE),
    ),
    people(
        "odd",
        3,
        of(
            ODD,
            primaryPosition=None,
            batSide={},
            pitchHand={"code": None},
            height="",
            primaryNumber="",
            currentTeam=None,
        ),
        of(DEAD, lastPlayedDate="2019-09-29", deathDate=None),  # a row is replaced whole: no death any more
    ),
    people("nobody", 4),
]


@dataclass(frozen=True)
class Target:
    """A folder of tables, and runs into it."""

    spark: SparkSession
    folder: Path

    def take(self, *captures: Capture, scheme: str = "delta") -> RunReport:
        """Run the transform over captures, in a folder of their own."""
        source = self.folder / f"in-{len(list(self.folder.glob('in-*')))}"
        for capture in captures:
            capture.save(source)
        target = f"{scheme}:{self.folder / 'out'}"
        return run(RunRequest(name=NAME, source=str(source), target=target), spark=self.spark)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return stored(self.folder / "out", KEYS)["person.person"]

    def one(self, person_id: int) -> dict[str, Any]:
        (found,) = [row for row in self.rows if row["person_id"] == person_id]
        return found


@pytest.fixture
def target(spark: SparkSession, tmp_path: Path) -> Target:
    return Target(spark, tmp_path)


@pytest.fixture(scope="module")
def published(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Target, RunReport]:
    made = Target(spark, tmp_path_factory.mktemp("person"))
    return made, made.take(*REAL_CAPTURES, *ALTERED)


def read(capture: Capture) -> Tables:
    return person.read(capture.response)


def test_every_value(published: tuple[Target, RunReport]) -> None:
    target, report = published
    expected = newest([*REAL_CAPTURES, *ALTERED], read, KEYS)
    assert set(report.tables) == set(expected) == set(KEYS)
    assert {row["person_id"] for row in target.rows} >= {545361, 592450, 605151, 608070, NO_DEBUT, DEAD, BARE, TWICE}
    assert not differences(target.rows, expected["person.person"], KEYS["person.person"])


def test_values_read_by_a_person(published: tuple[Target, RunReport]) -> None:
    target, _ = published
    trout, judge, bradley = target.one(545361), target.one(592450), target.one(605151)
    assert (trout["mlb_debut_date"], trout["height_inches"], trout["bat_side_code"]) == (date(2011, 7, 8), 74, "R")
    assert (judge["nickname"], judge["current_age"]) == ("Baj", 33)  # of 2025, though another capture has him in 2018
    assert (bradley["current_age"], bradley["gender"], bradley["height"]) == (26, None, "6' 4")
    assert target.one(NO_DEBUT)["mlb_debut_date"] is None
    assert (target.one(DEAD)["death_date"], target.one(DEAD)["last_played_date"]) == (None, date(2019, 9, 29))
    assert (target.one(BARE)["full_name"], target.one(BARE)["is_active"]) == ("Only A. Name", None)
    assert (target.one(HYDRATED)["current_team_id"], target.one(ODD)["primary_number"]) == (108, None)


def test_times_and_lineage(published: tuple[Target, RunReport]) -> None:
    target, report = published
    at = {row["person_id"]: row["source_captured_at"] for row in target.rows}
    by_name = {capture.name: capture.captured_at for capture in [*REAL_CAPTURES, *ALTERED]}
    assert at[605151] == by_name["persons_605151_592450"]  # bare: of its file
    assert at[NO_DEBUT] == by_name["no_debut"]
    lineage = target.one(605151)["lineage_metadata"]
    assert lineage["source_row_id"].endswith("persons_605151_592450.json")
    assert (lineage["source_table"], lineage["run_id"]) == ("person.person_raw", report.run_id)
    assert any("1 of 8 documents carry no capture time" in note for note in report.notes)
    assert (report.documents.read, report.documents.newest, report.documents.rejected) == (8, 8, 0)
    assert not [rule for rule in report.quality if rule.severity == "error"]


def test_a_person_is_replaced_by_newer_captures_only_whoever_else_they_hold(target: Target) -> None:
    assert target.take(people("a", 2, of(1, nickName="second"), of(2))).tables["person.person"].inserted == 2
    old = target.take(people("b", 1, of(1, nickName="first"), of(3))).tables["person.person"]
    assert (old.inserted, old.updated, old.unchanged, old.deleted) == (1, 0, 1, 0)
    new = target.take(people("c", 3, of(1, nickName="third"))).tables["person.person"]
    assert (new.inserted, new.updated, new.deleted) == (0, 1, 0)
    assert {row["person_id"]: row["nickname"] for row in target.rows} == {1: "third", 2: "Kiiiiid", 3: "Kiiiiid"}
    assert target.take(people("c", 3, of(1, nickName="third"))).tables["person.person"].unchanged == 1


@pytest.mark.parametrize("scheme", ["delta", "parquet"])
def test_of_captures_of_one_time_the_later_file_wins(target: Target, scheme: str) -> None:
    captures = [people(name, 1, of(1, nickName=name), of(2)) for name in ("c", "a", "b")]
    report = target.take(*captures, scheme=scheme)
    assert report.tables["person.person"].rows == 2
    if scheme == "delta":
        assert target.one(1)["nickname"] == "c"


def test_of_lines_of_one_file_the_last_wins(target: Target) -> None:
    file = target.folder / "day.jsonl"
    lines = [json.dumps({"people": [of(1, nickName=str(number))]}) for number in range(12)]
    file.write_text("\n".join(lines) + "\n")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    run(RunRequest(name=NAME, source=str(file), target=f"delta:{target.folder / 'out'}"), spark=target.spark)
    assert target.one(1)["nickname"] == "11"


def test_rows_of_one_capture_that_differ_are_refused(target: Target) -> None:
    with pytest.raises(AmbiguousKeyError, match=r"person\.person: rows with the same primary key \(person_id\)"):
        target.take(people("a", 1, of(1, nickName="one"), of(1, nickName="other")))


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({"teamId": 134, "roster": []}, r"it has no \$\.people: is it a response of person\.person\?"),
        ({"people": None}, r"it has no \$\.people"),
        ({"people": {"id": 1}}, "another shape"),
    ],
)
def test_what_is_no_answer_about_persons_is_refused(target: Target, response: dict[str, Any], reason: str) -> None:
    with pytest.raises(DocumentsRejectedError, match=reason):
        target.take(Capture("a", response, 1))


def test_a_stream_ends_as_a_run_does(spark: SparkSession, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"

    def follow() -> RunReport:
        request = StreamRequest(
            name=NAME,
            source=str(source),
            target=f"delta:{out}",
            trigger="available-now",
            checkpoint=str(tmp_path / "state"),
        )
        return stream(request, spark=spark)

    for batch in (ALTERED, REAL_CAPTURES):
        for capture in batch:
            capture.save(source)
        assert follow().documents.rejected == 0
    expected = newest([*REAL_CAPTURES, *ALTERED], read, KEYS)["person.person"]
    assert not differences(stored(out, KEYS)["person.person"], expected, KEYS["person.person"])
