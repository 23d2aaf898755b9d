"""Values parsed with their type in JSON are what they are as text, or their capture is seen to differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file, load_text
from mlbsdk.mapping.plan import FromJson, Plan
from mlbsdk.runtime import transformation as module
from mlbsdk.runtime.cut import cut
from mlbsdk.runtime.json_types import with_json_types
from mlbsdk.runtime.parse import misread, parse
from tests.mini import MAPPING, Capture, save
from tests.spark.test_mapping_semantics import HEAD, STAMP, as_plain, raw
from tests.spark.test_standing import persistent, rows, steps

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

TYPES = ("SMALLINT", "INT", "BIGINT", "REAL", "DOUBLE", "NUMERIC(5,2)", "BOOLEAN", "TEXT")
#: Of each type, JSON that its column takes, and how it is given in the captures that types are taken from.
SAMPLES = {"SMALLINT": "7", "INT": "7", "BIGINT": "7", "REAL": "7.5", "DOUBLE": "7.5", "BOOLEAN": "true"}
VALUES = [
    "null",
    "true",
    "false",
    '"true"',
    '"false"',
    "0",
    "-0",
    "1",
    "-1",
    "7",
    "1.0",
    "1.5",
    "95.0",
    "-95.7",
    "1e2",
    "1.5E1",
    "1e-7",
    "1E400",
    "-1E400",
    "NaN",
    "Infinity",
    "32767",
    "32768",
    "-32768",
    "-32769",
    "2147483647",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "9223372036854775808",
    "123456789012345678901234567890",
    "0.1",
    "0.30000000000000004",
    "9007199254740993",
    "1.7976931348623157e308",
    "4.9e-324",
    '"1"',
    '"1.5"',
    '""',
    '"x"',
    '"NaN"',
    '"Infinity"',
    '"+1"',
    '"2024-07-01"',
    "[]",
    "{}",
    "[1]",
    '{"a":1}',
    "9.99",
    "99999.99",
]


def typed_columns(plan: Plan) -> set[str]:
    return {
        f"{table.name}.{column.name}"
        for table in plan.tables
        for column in table.columns
        if isinstance(column.origin, FromJson) and column.origin.is_typed
    }


def mapping_of(kind: str) -> Plan:
    """Return a mapping with a column of a type in a document, in items, in keys and in what precedes an item."""
    return compile_mapping(
        load_text(
            HEAD
            + f"""\
  - name: e.docs
    primary_key: [doc_id]
    fields:
      - {{name: doc_id, type: INT, json_path: $.id}}
      - {{name: v, type: "{kind}", json_path: $.deep.v}}
      - {{name: first, type: "{kind}", json_path: "$.items[0].v"}}
  - name: e.items
    primary_key: [doc_id, i]
    array_source: $.items[*]
    fields:
      - {{name: i, type: INT, item: index}}
      - {{name: v, type: "{kind}", json_path: $.v}}
      - {{name: before, type: "{kind}", json_path: previous.v}}
  - name: e.keys
    primary_key: [doc_id, k]
    array_source: $.keys.*
    fields:
      - {{name: k, type: TEXT, item: key}}
      - {{name: v, type: "{kind}", json_path: $.v}}
""",
            "m.yaml",
        )
    )


def document(number: int, value: str) -> str:
    entry = f'{{"v": {value}}}'
    return (
        f'{{"id": {number}, "deep": {entry}, "items": [{entry}, {{}}, {entry}], "keys": {{"a": {entry}, "b": {{}}}}}}'
    )


def found(spark: SparkSession, plan: Plan, documents: list[str]) -> tuple[dict[str, dict[int, list[str]]], set[int]]:
    """Return the rows of every table by document, and the documents that the parser refused."""
    parsed = parse(raw(spark, documents), plan, STAMP).cache()
    refused = {
        int(row["row_id"].split()[1])
        for row in parsed.select("row_id", "problem").collect()
        if row["problem"] in misread(plan)
    }
    tables: dict[str, dict[int, list[str]]] = {}
    for table in plan.tables:
        by_document = tables.setdefault(table.name, {})
        for row in cut(parsed.where("problem IS NULL"), table, STAMP).collect():
            values = as_plain(row.asDict())
            by_document.setdefault(values["doc_id"], []).append(repr(sorted(values.items())))
    parsed.unpersist()
    return tables, refused


@pytest.mark.parametrize("kind", TYPES)
def test_a_value_is_what_it_is_as_text_or_its_capture_is_seen_to_differ(spark: SparkSession, kind: str) -> None:
    plan = mapping_of(kind)
    sample = document(0, SAMPLES.get(kind, "7"))
    typed = with_json_types(plan, [sample])
    is_typed = kind not in ("REAL", "TEXT")
    assert (len(typed_columns(typed)) == 5) is is_typed
    documents = [document(number, value) for number, value in enumerate(VALUES)]
    as_text, never = found(spark, plan, documents)
    as_typed, refused = found(spark, typed, documents)
    other = {
        VALUES[number]: (expected, as_typed[table][number])
        for table, by_document in as_text.items()
        for number, expected in by_document.items()
        if number not in refused and sorted(as_typed[table][number]) != sorted(expected)
    }
    assert not other
    fit = [value for number, value in enumerate(VALUES) if number not in refused]
    assert ("true" in fit) is (kind == "BOOLEAN" or not is_typed)
    assert "null" in fit
    assert ("1" in fit) is (kind != "BOOLEAN")
    assert never <= refused


def test_only_what_the_captures_agree_on_is_typed() -> None:
    plan = mapping_of("INT")
    whole = {"e.docs.v", "e.docs.first", "e.items.v", "e.items.before", "e.keys.v"}
    assert typed_columns(with_json_types(plan, [document(1, "1"), document(2, "null")])) == whole
    for captures in ([], [document(1, "null")], [document(1, "1"), document(2, '"1"')], [document(1, "1.0")], ["{"]):
        assert typed_columns(with_json_types(plan, captures)) == set(), captures
    one_differs = document(1, "1").replace('"keys": {"a": {"v": 1}', '"keys": {"a": {"v": "1"}')
    assert typed_columns(with_json_types(plan, [one_differs])) == whole - {"e.keys.v"}
    enveloped = json.dumps({"endpoint": "e", "method": "m", "response": json.loads(document(1, "1"))})
    assert typed_columns(with_json_types(plan, [enveloped])) == whole
    assert typed_columns(plan) == set()
    assert plan.fingerprint == with_json_types(plan, [enveloped]).fingerprint


@pytest.mark.parametrize(
    "field",
    [
        "{name: v, type: INT, json_path: $.v, default: 0}",
        '{name: v, type: INT, json_path: $.v, null_values: ["-"]}',
        "{name: v, type: INT, json_path: $.v}\n      - {name: text, type: TEXT, json_path: $.v}",
        "{name: v, type: INT, json_path: $.v}\n      - {name: double, type: DOUBLE, json_path: $.v}",
    ],
)
def test_what_looks_at_the_text_has_the_text(field: str) -> None:
    fields = f"    fields:\n      - {{name: id, type: INT, json_path: $.id}}\n      - {field}\n"
    targets = f"  - name: e.docs\n    primary_key: [id]\n{fields}"
    plan = compile_mapping(load_text(HEAD + targets, "m.yaml"))
    assert typed_columns(with_json_types(plan, ['{"id": 1, "v": 2}'])) == set()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TYPED_BYTES", -1)


def changed(folder: Path, **values: Any) -> None:
    """Change values of the first player in the last capture of a folder."""
    last = sorted(folder.iterdir())[-1]
    capture = json.loads(last.read_text(encoding="utf-8"))
    next(iter(capture["players"].values())).update(values)
    last.write_text(json.dumps(capture), encoding="utf-8")


def test_a_batch_that_agrees_is_parsed_once_with_types(spark: SparkSession, tmp_path: Path, typed: None) -> None:
    mini = load_file(MAPPING)
    folder = save(tmp_path / "in", [Capture(1, 0), Capture(1, 1), Capture(2, 0)])
    one = steps(spark, mini, folder)
    before = persistent(spark)
    one.transform(one.read_source())
    assert one._held is not None
    assert one._held.is_typed
    assert "mini.players.player_id" in typed_columns(one._held.plan)
    assert persistent(spark) == before + 1
    one.release()


def test_a_capture_that_differs_from_the_sample_loses_nothing(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mini = load_file(MAPPING)
    folder = save(tmp_path / "in", [Capture(number, 0) for number in range(1, 9)])
    changed(folder, id="95")
    expected = rows(steps(spark, mini, folder))
    monkeypatch.setattr(module, "TYPED_BYTES", -1)
    one = steps(spark, mini, folder)
    before = persistent(spark)
    assert rows(one) == expected
    assert persistent(spark) == before
    assert not expected["rejected"]
