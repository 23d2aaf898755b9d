"""Coverage: what captures say of a mapping's paths, and of the paths that it lacks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.coverage import Coverage, CoverageCounter, FieldCoverage
from mlbsdk.mapping.load import load_file, load_text
from tests.conftest import DATA, REPOSITORY, SAMPLES

MAPPING = """
version: "1.0"
source: {endpoint: a, method: b, raw_table: a.b}
targets:
  - name: a.games
    primary_key: [game_pk]
    fields:
      - {name: game_pk, type: BIGINT, nullable: false, json_path: $.gamePk}
      - {name: state, type: VARCHAR(5), json_path: $.state, null_values: ["-"]}
      - {name: weather, type: JSONB, json_path: $.weather}
      - {name: label, type: TEXT, expression: "concat(state, '!')"}
  - name: a.events
    primary_key: [game_pk, event_index]
    array_source: $.plays[*].events[*]
    filter: $.isPitch = true
    fields:
      - {name: event_index, type: INT, item: index}
      - {name: speed, type: "NUMERIC(4,1)", json_path: $.speed}
      - {name: balls_before, type: INT, json_path: previous.balls}
      - {name: batter, type: INT, json_path: parent.batter.id}
      - {name: play_id, type: TEXT, json_path: parent.playId}
  - name: a.players
    primary_key: [game_pk, side, player]
    array_source: $.teams['away','home'].players.*
    fields:
      - {name: side, type: TEXT, item: parent.key}
      - {name: player, type: TEXT, item: key}
      - {name: number, type: INT, json_path: $.number}
coverage:
  ignore:
    - {path: "$.**.link", reason: "An address."}
    - {path: "$.notes.**", reason: "Prose."}
  may_be_absent:
    - {path: "$.plays[*].playId", reason: "Only some."}
"""


def covered(*documents: Any, mapping: str = MAPPING) -> Coverage:
    loaded = load_text(mapping, "m.yaml")
    counter = CoverageCounter(compile_mapping(loaded), loaded.mapping.coverage)
    for document in documents:
        counter.add(document)
    return counter.result()


def field(coverage: Coverage, name: str) -> FieldCoverage:
    return next(found for found in coverage.fields if f"{found.table}.{found.field}" == f"a.{name}")


def unmapped(coverage: Coverage) -> dict[str, tuple[int, str | None]]:
    return {found.path: (found.count, found.reason) for found in coverage.unmapped}


def test_a_path_resolves_is_null_or_is_absent() -> None:
    found = covered({"gamePk": 1, "state": "Final"}, {"gamePk": 2, "state": None}, {"gamePk": 3})
    state = field(found, "games.state")
    assert (state.items, state.resolved, state.null, state.absent, state.status) == (3, 1, 1, 1, "resolves")
    assert field(covered({"gamePk": 1, "state": "-"}), "games.state").status == "null"
    assert field(covered({"gamePk": 1}), "games.state").status == "never"


def test_a_value_that_does_not_fit_is_counted_with_examples() -> None:
    long = [{"gamePk": number, "state": f"state {number}"} for number in range(5)]
    found = field(covered(*long), "games.state")
    assert (found.misfits, found.examples) == (5, ["state 0", "state 1", "state 2"])


def test_only_items_that_the_filter_keeps_count() -> None:
    events = [
        {"isPitch": False, "balls": 0},
        {"isPitch": True, "speed": 95.0, "balls": 1},
        None,
        {"isPitch": True, "speed": "fast"},
    ]
    found = covered({"gamePk": 1, "plays": [{"batter": {"id": 7}, "events": events}, {"events": None}, None]})
    speed = field(found, "events.speed")
    assert (speed.items, speed.resolved, speed.misfits, speed.examples) == (2, 2, 1, ["fast"])
    before = field(found, "events.balls_before")
    assert (before.resolved, before.absent) == (1, 1)  # the item before the second pitch is null
    assert field(found, "events.batter").resolved == 2
    assert field(found, "events.play_id").status == "excused"


def test_a_table_without_items_says_so() -> None:
    assert field(covered({"gamePk": 1, "plays": []}), "events.speed").status == "no items"


def test_a_reason_for_a_tables_items_accounts_for_its_fields_only_without_items() -> None:
    excused = MAPPING.replace(
        "may_be_absent:\n", 'may_be_absent:\n    - {path: "$.plays[*].events[*]", reason: "Not yet."}\n'
    )
    assert excused != MAPPING
    assert field(covered({"gamePk": 1, "plays": []}, mapping=excused), "events.speed").status == "excused"
    found = covered({"gamePk": 1, "plays": [{"events": [{"isPitch": True}]}]}, mapping=excused)
    assert field(found, "events.speed").status == "never"


def test_branches_and_maps_are_opened() -> None:
    players = {"ID545361": {"number": 1}, "ID2": {"number": "x"}}
    found = field(covered({"gamePk": 1, "teams": {"away": {"players": players}, "home": None}}), "players.number")
    assert (found.items, found.resolved, found.misfits) == (2, 2, 1)
    assert found.path == "$.teams['away','home'].players.*.number"


def test_other_shapes_than_the_mapping_says_give_no_item() -> None:
    found = covered({"gamePk": 1, "plays": {"events": [1]}, "teams": []}, {"gamePk": 2, "plays": [{"events": {}}]})
    assert field(found, "events.speed").items == field(found, "players.number").items == 0


def test_paths_that_no_field_maps_are_listed_by_frequency() -> None:
    document = {
        "gamePk": 1,
        "link": "/x",
        "weather": {"wind": {"speed": 3}},
        "notes": {"a": ["b", {"c": 1}]},
        "extra": [{"deep": 1}, {"deep": 2, "other": None}],
        "byPlayer": {"545361": {"x": 1}, "545362": {"x": 2}},
        "empty": {},
        "plays": [{"batter": {"id": 1, "link": "/y"}}],
    }
    assert unmapped(covered(document)) == {
        "$.extra[*].deep": (2, None),
        "$.byPlayer.*.x": (2, None),
        "$.link": (1, "An address."),
        "$.notes.a[*]": (1, "Prose."),
        "$.notes.a[*].c": (1, "Prose."),
        "$.extra[*].other": (1, None),
        "$.plays[*].batter.link": (1, "An address."),
    }
    assert next(iter(unmapped(covered(document)))) in ("$.extra[*].deep", "$.byPlayer.*.x")


def test_a_null_where_the_mapping_looks_inside_is_not_unmapped() -> None:
    assert unmapped(covered({"gamePk": 1, "plays": [{"batter": None}], "teams": {"away": None}})) == {}


def test_a_filter_that_only_spark_can_judge_is_noted() -> None:
    mapping = MAPPING.replace("filter: $.isPitch = true", "filter: length($.kind) > 3")
    found = covered({"gamePk": 1, "plays": [{"events": [{"kind": "x"}]}]}, mapping=mapping)
    assert field(found, "events.speed").items == 1
    (note,) = found.notes
    assert note.startswith("a.events: its filter was not applied")


def test_what_is_accounted_for_is_a_share_of_all_paths() -> None:
    found = covered({"gamePk": 1, "state": "x", "weather": {}, "new": 1, "link": ""})
    # Of 8 fields, 3 resolve and 1 is excused; of 2 unmapped paths, 1 is ignored.
    assert (len(found.fields), len(found.unmapped)) == (8, 2)
    assert found.accounted == pytest.approx(100 * 5 / 10)


def test_expressions_and_positions_have_no_path_to_judge() -> None:
    names = {found.field for found in covered({"gamePk": 1}).fields}
    assert not names & {"label", "event_index", "side", "player", "source_captured_at"}


# Real captures


def documents(*paths: Path) -> list[Any]:
    found = []
    for path in paths:
        with gzip.open(path) as stream:
            document = json.load(stream, parse_float=str)
        found.append(document.get("response", document))
    return found


CAPTURES = DATA / "captures"
REAL = {
    "live_game_v1": [SAMPLES / "live_game_747175.json.gz", *sorted(CAPTURES.glob("*.json.gz"))],
    "boxscore": [SAMPLES / "boxscore_747175.json.gz"],
    "linescore": [SAMPLES / "linescore_747175.json.gz"],
}


@pytest.mark.parametrize("method", REAL)
def test_our_mappings_account_for_every_path_of_real_captures(method: str) -> None:
    loaded = load_file(REPOSITORY / "mappings" / "game" / f"{method}.yaml")
    counter = CoverageCounter(compile_mapping(loaded), loaded.mapping.coverage)
    for document in documents(*REAL[method]):
        counter.add(document)
    found = counter.result()
    assert not [(dead.table, dead.path) for dead in found.dead]
    assert not [(wrong.table, wrong.field, wrong.examples) for wrong in found.misfitting]
    assert not [path.path for path in found.unexplained]
    assert found.accounted == 100.0
    assert not found.notes


def test_the_design_documents_sample_keys_plays_by_a_path_that_never_resolves() -> None:
    loaded = load_file(DATA / "design_document_sample.yaml")
    counter = CoverageCounter(compile_mapping(loaded), loaded.mapping.coverage)
    for document in documents(*REAL["live_game_v1"][:1]):
        counter.add(document)
    dead = [(found.table, found.field, found.path, found.items) for found in counter.result().dead]
    path = "$.liveData.plays.allPlays[*].playId"
    assert dead == [
        ("game.live_game_plays", "play_id", path, 75),
        ("game.live_game_pitch_events", "play_id", path, 290),
    ]
