"""What a change of a mapping means: each kind of change, whom it breaks, and what is stored."""

from __future__ import annotations

import pytest

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.differences import Change, StoredTable, differences, differences_in_store, direction
from mlbsdk.mapping.load import load_file, load_text
from mlbsdk.mapping.plan import Plan
from mlbsdk.mapping.types import ColumnType
from tests.conftest import REPOSITORY

LIVE_GAME = REPOSITORY / "mappings" / "game" / "live_game_v1.yaml"
TEXT = """
version: "1.0"
source: {endpoint: demo, method: game, raw_table: demo.game_raw}
targets:
  - name: demo.games
    primary_key: [game_pk]
    fields:
      - {name: game_pk, type: BIGINT, json_path: $.gamePk}
      - {name: venue, type: VARCHAR(50), json_path: $.venue}
      - {name: runs, type: INT, json_path: $.runs}
  - name: demo.plays
    array_source: $.plays[*]
    primary_key: [game_pk, play_index]
    fields:
      - {name: play_index, type: INT, item: index}
      - {name: event, type: TEXT, json_path: $.event}
    relationships:
      - {to_table: demo.games, from_field: game_pk, to_field: game_pk}
    indexes:
      - {columns: [event]}
    data_quality:
      - {name: has_event, rule: event IS NOT NULL, severity: warning}
"""


def plan(text: str = TEXT) -> Plan:
    return compile_mapping(load_text(text, "demo.yaml"))


def changed(*replaced: tuple[str, str]) -> list[Change]:
    """Return what differs where parts of the mapping are replaced."""
    text = TEXT
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    return [*differences(plan(), plan(text))]


def test_a_mapping_does_not_differ_from_itself() -> None:
    loaded = compile_mapping(load_file(LIVE_GAME))
    assert differences(loaded, loaded) == ()
    assert changed((" - name: demo.games\n", " - name: demo.games\n    description: What it is.\n")) == []


@pytest.mark.parametrize(
    ("old", "new", "part", "text", "breaks"),
    [
        ("method: game,", "method: day,", "mapping", "demo.game becomes demo.day", ("rows",)),
        ("raw_table: demo.game_raw", "raw_table: demo.raw", "mapping", "raw captures are in demo.raw", ()),
        (
            "raw_table: demo.game_raw",
            "raw_table: demo.game_raw, captured_at: {path: $.t, format: yyyy}",
            "mapping",
            "$.t (yyyy)",
            (),
        ),
        ("$.plays[*]", "$.allPlays[*]", "source", "rows come from $.allPlays[*], not from $.plays[*]", ("readers",)),
        (
            "$.plays[*]\n",
            "$.plays[*]\n    filter: $.isPitch = true\n",
            "filter",
            "filter none becomes $.isPitch = true",
            ("readers",),
        ),
        ("venue, type: VARCHAR(50)", "venue, type: VARCHAR(60)", "type", "VARCHAR(60) (widening)", ("postgresql",)),
        ("runs, type: INT", "runs, type: BIGINT", "type", "INT becomes BIGINT (widening)", ("postgresql", "lakehouse")),
        (
            "runs, type: INT",
            "runs, type: SMALLINT",
            "type",
            "(narrowing)",
            ("readers", "rows", "postgresql", "lakehouse"),
        ),
        (
            "runs, type: INT",
            "runs, type: DATE",
            "type",
            "(another kind)",
            ("readers", "rows", "postgresql", "lakehouse"),
        ),
        ("runs, type: INT,", "runs, type: INT, nullable: false,", "nullability", "may no longer be null", ("rows",)),
        ("json_path: $.runs", "json_path: $.score", "source", "comes from $.score, not from $.runs", ("readers",)),
        ("json_path: $.runs", "json_path: $.runs, default: 0", "source", "default '0'", ()),
        ("      - {name: runs, type: INT, json_path: $.runs}\n", "", "column", "column removed", ("readers",)),
        ("{name: runs,", "{name: score,", "column", "becomes score, as it seems", ("readers",)),
        (
            "- {name: runs,",
            "- {name: x, type: INT, json_path: $.x}\n      - {name: runs,",
            "column",
            "new column, INT",
            (),
        ),
        (
            "- {name: runs,",
            "- {name: x, type: INT, nullable: false, json_path: $.x}\n      - {name: runs,",
            "column",
            "never null",
            ("rows",),
        ),
        (
            "- {name: has_event,",
            "- {name: new, rule: event > 'a'}\n      - {name: has_event,",
            "rule",
            "new rule of severity error",
            ("rows",),
        ),
        ("severity: warning", "severity: error", "rule", "(warning) becomes event IS NOT NULL (error)", ("rows",)),
        ("rule: event IS NOT NULL", "rule: event > 'a'", "rule", "becomes event > 'a' (warning)", ()),
        ("      - {columns: [event]}\n", "      - {columns: [event], type: hash}\n", "index", "(event) hash", ()),
        (
            "    relationships:\n      - {to_table: demo.games, from_field: game_pk, to_field: game_pk}\n",
            "",
            "relationship",
            "relationship removed",
            (),
        ),
        (
            "  - name: demo.plays\n",
            "  - name: demo.plays\n    on_missing: delete\n",
            "on_missing",
            "keep becomes delete",
            ("readers",),
        ),
        (
            "  - name: demo.plays\n",
            "  - name: demo.plays\n    partition_by: event\n",
            "partition",
            "partitioned by (event), not by ()",
            ("postgresql", "lakehouse"),
        ),
        ("demo.plays\n", "demo.all_plays\n", "table", "becomes demo.all_plays, as it seems", ("readers",)),
        (
            "[game_pk, play_index]",
            "[game_pk, play_index, event]",
            "key",
            "primary key (game_pk, play_index) becomes",
            ("readers", "rows", "postgresql", "lakehouse"),
        ),
        ("[game_pk, play_index]", "[play_index, game_pk]", "key", "becomes (play_index, game_pk)", ()),
    ],
)
def test_a_change_says_whom_it_breaks(old: str, new: str, part: str, text: str, breaks: tuple[str, ...]) -> None:
    found = [change for change in changed((old, new)) if change.part == part and text in change.text]
    assert [change.breaks for change in found] == [breaks]
    assert found[0].why or part in ("index",)
    assert found[0].is_breaking == bool(breaks)


def test_breaking_changes_say_what_to_do_with_quoted_names() -> None:
    (change,) = changed(("venue, type: VARCHAR(50)", "venue, type: VARCHAR(60)"))
    assert 'ALTER TABLE "demo"."games" ALTER COLUMN "venue" TYPE character varying(60);' in change.fix


def test_tables_come_and_go() -> None:
    only_games = TEXT[: TEXT.index("  - name: demo.plays")]
    (gone,) = differences(plan(), plan(only_games))
    assert (gone.table, gone.text, gone.breaks) == ("demo.plays", "table removed", ("readers",))
    (come,) = differences(plan(only_games), plan())
    assert (come.table, come.text, come.breaks) == ("demo.plays", "new table", ())


def test_another_document_key_breaks_what_is_stored() -> None:
    found = changed(("raw_table: demo.game_raw", "raw_table: demo.game_raw, key: [venue]"))
    assert [change.breaks for change in found if change.table == ""] == [("rows", "postgresql", "lakehouse")]


@pytest.mark.parametrize(
    ("old", "new", "way"),
    [
        ("SMALLINT", "INT", "widening"),
        ("BIGINT", "INT", "narrowing"),
        ("INT", "NUMERIC(12,2)", "widening"),
        ("INT", "NUMERIC(9,2)", "other"),
        ("NUMERIC(5,2)", "NUMERIC(6,2)", "widening"),
        ("NUMERIC(5,2)", "NUMERIC(5,3)", "other"),
        ("INT", "DOUBLE", "widening"),
        ("BIGINT", "DOUBLE", "other"),
        ("REAL", "DOUBLE", "widening"),
        ("VARCHAR(5)", "TEXT", "widening"),
        ("TEXT", "VARCHAR(5)", "narrowing"),
        ("CHAR(2)", "VARCHAR(2)", "widening"),
        ("INT", "TEXT", "other"),
        ("DATE", "TIMESTAMP", "widening"),
        ("BOOLEAN", "INT", "other"),
        ("JSONB", "TEXT", "other"),
    ],
)
def test_types_widen_and_narrow(old: str, new: str, way: str) -> None:
    assert direction(ColumnType.parse(old), ColumnType.parse(new)) == way


def test_a_stored_table_that_differs() -> None:
    (games, plays) = plan().tables
    wanted = {"game_pk": "bigint", "venue": "text", "runs": "int"}
    stored = StoredTable(
        columns={"game_pk": "bigint", "runs": "text", "old": "text", "kept": "text"},
        wanted=wanted,
        required=frozenset({"game_pk", "runs", "old"}),
        primary_key=("runs",),
        partition_by=("old",),
        is_sql=True,
    )
    found = differences_in_store([games, plays], lambda table: stored if table is games else None)
    shown = [(change.part, change.name, change.is_breaking) for change in found]
    assert shown == [
        ("column", "venue", False),
        ("type", "runs", True),
        ("column", "old", True),
        ("column", "kept", False),
        ("key", "", True),
        ("partition", "", True),
        ("nullability", "runs", True),
        ("table", "", False),
    ]
    assert found[1].fix == 'ALTER TABLE "demo"."games" ALTER COLUMN "runs" TYPE int;'


def test_what_a_store_does_not_know_is_no_difference() -> None:
    (games, _) = plan().tables
    stored = StoredTable(columns={"a": "x"}, wanted={"a": "x"})
    assert differences_in_store([games], lambda table: stored) == ()
