"""All mappings of the repository together: what they refer to is there, and real captures hold nothing else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.coverage import CoverageCounter
from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import Plan, Table
from tests.conftest import REPOSITORY
from tests.people import REAL, SAMPLE_PERSON, SAMPLE_ROSTER, SAMPLE_TEAMS

MAPPINGS = REPOSITORY / "mappings"
PLANS: dict[str, Plan] = {
    plan.name: plan for plan in (compile_mapping(load_file(file)) for file in sorted(MAPPINGS.glob("*/*.yaml")))
}
TABLES: dict[str, Table] = {table.name: table for plan in PLANS.values() for table in plan.tables}
PERSONS = [SAMPLE_PERSON, *sorted(REAL.glob("person*"))]
TEAMS = [SAMPLE_TEAMS, *sorted(REAL.glob("team*"))]
ROSTERS = [SAMPLE_ROSTER, REAL / "roster_134.json.gz"]


def test_each_table_is_of_one_mapping() -> None:
    assert len(TABLES) == sum(len(plan.tables) for plan in PLANS.values())


@pytest.mark.parametrize("parent", ["person.person", "team.team", "venue.venue"])
def test_what_tables_of_games_refer_to_is_there(parent: str) -> None:
    of_games = [r for table in PLANS["game.live_game_v1"].tables for r in table.relationships if r.to_table == parent]
    assert of_games
    assert {relation.to_fields for relation in of_games} == {TABLES[parent].primary_key}


def test_references_to_persons_teams_and_ballparks_lead_to_keys_of_their_type() -> None:
    wrong = []
    for table in TABLES.values():
        for relation in table.relationships:
            parent = TABLES.get(relation.to_table)
            if parent is None or relation.to_table.partition(".")[0] not in ("person", "team", "venue"):
                continue
            types = [table.column(name).type for name in relation.from_fields]
            if relation.to_fields != parent.primary_key or types != [parent.column(n).type for n in parent.primary_key]:
                wrong.append((table.name, relation))
    assert not wrong


@pytest.mark.parametrize("plan", ["person.person", "team.team", "team.roster"])
def test_every_column_is_described_and_every_table_has_rules(plan: str) -> None:
    for table in PLANS[plan].tables:
        assert table.description
        assert table.rules
        assert [column.name for column in table.columns if not column.description] == []


@pytest.mark.parametrize(
    ("name", "captures"),
    [("person/person", PERSONS), ("team/team", TEAMS), ("team/roster", ROSTERS)],
    ids=["persons", "teams", "rosters"],
)
def test_real_captures_are_accounted_for_together_and_one_by_one(name: str, captures: list[Path]) -> None:
    for some in [captures, *([one] for one in captures)]:
        loaded = load_file(MAPPINGS / f"{name}.yaml")
        counter = CoverageCounter(compile_mapping(loaded), loaded.mapping.coverage)
        for capture in some:
            counter.add(response(capture))
        assert counter.result().accounted == 100.0, some


def response(capture: Path) -> dict[str, Any]:
    with gzip.open(capture) as stream:
        found = json.load(stream, parse_float=str)
    opened: dict[str, Any] = found.get("response", found)
    return opened
