"""Coverage: what captures say of a mapping's paths, and of the paths that it lacks."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbsdk.mapping.baseline import Baseline, load_baseline, save_baseline, to_text
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.coverage import Coverage, CoverageCounter, FieldCoverage, held_against, shown
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


def statuses(coverage: Coverage) -> dict[str, str]:
    return {f"{found.table}.{found.field}": found.status for found in coverage.fields}


def unmapped(coverage: Coverage) -> dict[str, tuple[int, str | None]]:
    return {found.path: (found.count, found.reason) for found in coverage.unmapped}


def test_a_path_resolves_is_null_or_is_absent() -> None:
    found = covered({"gamePk": 1, "state": "Final"}, {"gamePk": 2, "state": None}, {"gamePk": 3})
    state = field(found, "games.state")
    assert (state.items, state.resolved, state.null, state.absent, state.status) == (3, 1, 1, 1, "resolves")
    assert field(covered({"gamePk": 1, "state": "-"}), "games.state").status == "null"
    assert field(covered({"gamePk": 1}), "games.state").status == "never"


def test_a_value_that_does_not_fit_is_counted_with_examples() -> None:
    long = [{"gamePk": number, "state": f"state {number}"} for number in (0, 0, 1, 2, 3)]
    found = field(covered(*long), "games.state")
    assert (found.misfits, found.examples, found.status) == (5, ["state 0", "state 1", "state 2"], "misfits")


def test_examples_and_constants_are_short() -> None:
    found = field(covered({"gamePk": 1, "state": "\ud800" + "x" * 10**6}), "games.state")
    assert len(found.examples[0]) < 70
    assert found.examples == [found.constant]
    assert "(1000001 characters, #" in found.examples[0]
    long = "x" * 100
    assert shown(long + "a") != shown(long + "b")


def test_one_value_in_all_is_constant() -> None:
    documents = [{"gamePk": number, "state": "Final", "weather": {"wind": 1}} for number in range(3)]
    found = covered(*documents, {"gamePk": 4, "state": None})
    assert (field(found, "games.state").status, field(found, "games.state").constant) == ("constant", "Final")
    assert (field(found, "games.weather").status, field(found, "games.weather").constant) == ("constant", '{"wind":1}')
    assert field(found, "games.game_pk").status == "resolves"
    # One value that was seen once says nothing.
    assert field(covered(documents[0]), "games.state").status == "resolves"


def test_what_is_constant_or_always_null_is_accounted_for_and_told_by_status() -> None:
    found = covered({"gamePk": 1, "state": "x", "weather": None}, {"gamePk": 1, "state": "x", "weather": None})
    assert found.by_status == {"no items": 4, "constant": 2, "null": 1, "excused": 1}
    assert found.accounted == pytest.approx(50.0)


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


def test_unmapped_paths_say_in_how_many_captures_and_show_a_value() -> None:
    found = covered({"gamePk": 1, "new": [None, 7, 8]}, {"gamePk": 2, "new": ["x" * 1000]}, {"gamePk": 3})
    (path,) = found.unmapped
    assert (path.count, path.documents, path.example) == (4, 2, "7")
    (path,) = covered({"gamePk": 1, "new": "x" * 1000}).unmapped
    assert path.example is not None
    assert len(path.example) < 70


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


# Baseline


def against(baseline: Baseline, *documents: Any, mapping: str = MAPPING) -> Coverage:
    loaded = load_text(mapping, "m.yaml")
    return held_against(covered(*documents, mapping=mapping), baseline, compile_mapping(loaded))


def test_a_path_seen_once_stays_accounted_for() -> None:
    first = covered({"gamePk": 1, "state": "x", "plays": [{"batter": {"id": 1}, "events": [{"isPitch": True}]}]})
    later = against(first.seen, {"gamePk": 2, "weather": {}})
    assert statuses(later) | {"a.events.batter": "earlier", "a.games.state": "earlier"} == statuses(later)
    assert field(later, "games.state").change == "vanished"
    assert field(later, "games.weather").change == "new"
    # Never seen, and the table has items in an earlier run.
    assert field(later, "events.speed").status == "never"
    assert against(later.seen).accounted == later.accounted


def test_unmapped_paths_are_new_known_or_vanished() -> None:
    first = covered({"gamePk": 1, "old": 1, "known": 1, "link": "x"})
    later = against(first.seen, {"gamePk": 2, "known": 1, "fresh": 1, "notes": "ignored"})
    assert {each.path: each.change for each in later.unmapped} == {
        "$.fresh": "new",
        "$.known": "",
        "$.notes": "",
        "$.old": "vanished",
        "$.link": "",
    }
    assert [(each.path, each.change) for each in later.changed] == [("$.old", "vanished"), ("$.fresh", "new")]
    assert later.unexplained[-1].count == 0


def test_what_the_mapping_changed_since_is_let_go() -> None:
    first = covered({"gamePk": 1, "state": "too long", "old": 1, "plays": {"x": 1}})
    assert field(first, "games.state").status == "misfits"
    wider = MAPPING.replace("VARCHAR(5), json_path: $.state", "VARCHAR(50), json_path: $.state").replace(
        "$.weather}", "$.old}"
    )
    later = against(first.seen, {"gamePk": 2}, mapping=wider)
    assert field(later, "games.state").status == "never"
    assert field(later, "games.weather").earlier is None
    assert {each.path for each in later.unmapped} == {"$.plays.x"}


def test_values_that_did_not_fit_once_are_not_forgotten() -> None:
    first = covered({"gamePk": 1, "state": "too long"})
    later = field(
        against(first.seen, {"gamePk": 2, "state": "also too long"}, {"gamePk": 3, "state": "good"}), "games.state"
    )
    assert (later.status, later.misfits) == ("misfits", 1)
    assert later.seen.examples == ("also too long", "too long")


_VALUES = st.none() | st.integers(0, 3) | st.sampled_from(["x", "y", "much too long", "-", "z" * 99, "\ud800"])
_EVENTS = st.lists(st.fixed_dictionaries({"isPitch": st.just(True)}, optional={"speed": _VALUES}), max_size=3)
_DOCUMENTS = st.fixed_dictionaries(
    {"gamePk": st.integers(1, 5)},
    optional={
        "state": _VALUES,
        "weather": _VALUES,
        "odd 'key'": _VALUES,
        "notes": _VALUES,
        "plays": st.lists(st.fixed_dictionaries({"events": _EVENTS}), max_size=2),
        "extra": st.dictionaries(st.sampled_from(["a", "b.c", 'q"', "545361"]), _VALUES, max_size=2),
    },
)
_RUNS = st.lists(st.lists(_DOCUMENTS, min_size=1, max_size=3), min_size=1, max_size=4)


def joined(runs: Sequence[Sequence[Any]], folder: Path, name: str) -> bytes:
    """Return the file that runs leave behind, read and written anew by each."""
    plan = compile_mapping(load_text(MAPPING, "m.yaml"))
    file = folder / name
    for run in runs:
        found = covered(*run)
        if file.exists():
            found = held_against(found, load_baseline(file, plan.name), plan)
        save_baseline(file, found.seen)
    content = file.read_bytes()
    file.unlink()
    return content


@given(runs=_RUNS, order=st.randoms())
@settings(max_examples=30, deadline=None)
def test_the_baseline_is_the_same_in_any_order_of_runs(
    runs: list[list[Any]], order: random.Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("baseline")
    other = [*runs, *runs[:1]]
    order.shuffle(other)
    for name in ("b.yaml", "b.json"):
        assert joined(runs, folder, name) == joined(other, folder, name)


def test_a_baseline_has_a_line_for_each_field_and_path() -> None:
    found = covered({"gamePk": 1, "state": "too long: x, {y}", "new": [1, 2], "a b": "c"})
    lines = to_text(found.seen, as_json=False).splitlines()
    assert lines[1:4] == ["version: 1", "transform: a.b", "documents: 1"]
    (state,) = [line for line in lines if line.startswith("  a.games.state:")]
    assert yaml.safe_load(state)["a.games.state"]["examples"] == ["too long: x, {y}"]
    assert lines[-2:] == ["  '$.new[*]': {count: 2, documents: 1}", "  '$[''a b'']': {count: 1, documents: 1}"]
    assert len(lines) == 4 + 1 + 8 + 1 + 2


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
