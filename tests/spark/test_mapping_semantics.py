"""What mappings mean, in Spark: small documents cut into tables, against a plain Python reading of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.expressions import FUNCTIONS, check_condition, check_expression
from mlbsdk.mapping.load import load_text
from mlbsdk.mapping.plan import LINEAGE, Plan
from mlbsdk.mapping.types import ColumnType
from mlbsdk.runtime.cut import RunStamp, checks_of, cut
from mlbsdk.runtime.parse import parse
from mlbsdk.runtime.raw import RAW_SCHEMA

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

Row = dict[str, Any]
CAPTURED = datetime(2024, 7, 1, 12, tzinfo=timezone.utc)
STAMP = RunStamp("run-1", "e.m", "e.m", datetime(2024, 7, 2, tzinfo=timezone.utc))
HEAD = 'version: "1.0"\nsource: {endpoint: e, method: m, raw_table: e.m}\ntargets:\n'


def compiled(targets: str) -> Plan:
    return compile_mapping(load_text(HEAD + targets, "m.yaml"))


def raw(spark: SparkSession, documents: list[str], params: str | None = None) -> DataFrame:
    rows = [
        (f"row {n}", CAPTURED, "e", "m", params, f"http://x/{n}", 200, text, None, None)
        for n, text in enumerate(documents)
    ]
    return spark.createDataFrame(rows, ", ".join(f"{name} {kind}" for name, kind in RAW_SCHEMA.items()))


def tables(spark: SparkSession, plan: Plan, documents: list[str], params: str | None = None) -> dict[str, list[Row]]:
    """Parse the documents and cut all tables; each row has its failed checks under ``failed``."""
    parsed = parse(raw(spark, documents, params), plan, STAMP).where("problem IS NULL").cache()
    cut_tables = {table.name: cut(parsed, table, STAMP).collect() for table in plan.tables}
    parsed.unpersist()
    return {name: [as_plain(row.asDict()) for row in rows] for name, rows in cut_tables.items()}


def as_plain(row: Row) -> Row:
    """Return a row without the columns that tell of the run, with its failed checks."""
    lineage = row.pop(LINEAGE)
    del row["transform_timestamp"], row["source_captured_at"]
    return row | {"failed": sorted(lineage["quality_checks_failed"])}


def unordered(rows: list[Row]) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in rows)


# Shapes

SHAPES = """\
  - name: e.docs
    primary_key: [doc_id]
    partition_by: day
    fields:
      - {name: doc_id, type: INT, json_path: $.id}
      - {name: day, type: DATE, expression: "coalesce(official, DATE '2000-01-01')"}
      - {name: official, type: DATE, json_path: $.day}
      - {name: first_a, type: TEXT, json_path: "$.a[0].name"}
      - {name: dotted, type: TEXT, json_path: "$['a.b']['c`d'][\\"it's\\"]"}
      - {name: thing, type: JSONB, json_path: $.thing}
      - {name: document, type: TEXT, source_field: url}
  - name: e.deep
    primary_key: [doc_id, i, j, k]
    partition_by: day
    array_source: $.a[*].b[*].c[*]
    fields:
      - {name: i, type: INT, item: parent.parent.index}
      - {name: j, type: INT, item: parent.index}
      - {name: k, type: SMALLINT, item: index}
      - {name: k_text, type: TEXT, item: index}
      - {name: v, type: TEXT, json_path: $.v}
      - {name: before, type: TEXT, json_path: previous.v}
      - {name: b_name, type: TEXT, json_path: parent.name}
      - {name: a_name, type: TEXT, json_path: parent.parent.name}
      - {name: up_3, type: TEXT, json_path: parent.parent.parent.name}
      - {name: top, type: TEXT, json_path: root.name}
      - {name: day_again, type: DATE, json_path: $.day}
  - name: e.scalars
    primary_key: [doc_id, n]
    array_source: $.order[*]
    fields:
      - {name: n, type: INT, item: index}
      - {name: v, type: INT, json_path: $}
      - {name: before, type: INT, json_path: previous}
  - name: e.players
    primary_key: [doc_id, key]
    array_source: $.players.*
    fields:
      - {name: key, type: TEXT, item: key}
      - {name: name, type: TEXT, json_path: $.name}
      - {name: team, type: TEXT, json_path: parent.name}
  - name: e.numbers
    primary_key: [doc_id, key]
    array_source: $.by_number.*
    fields:
      - {name: key, type: INT, item: key}
      - {name: x, type: INT, json_path: $.x}
  - name: e.orders
    primary_key: [doc_id, side, n]
    array_source: "$.teams['away','home'].order[*]"
    fields:
      - {name: side, type: TEXT, item: parent.key}
      - {name: n, type: INT, item: index}
      - {name: v, type: INT, json_path: $}
      - {name: team, type: TEXT, json_path: parent.name}
  - name: e.innings
    primary_key: [doc_id, i, half]
    array_source: "$.innings[*]['away','home']"
    filter: $.runs IS NOT NULL
    fields:
      - {name: i, type: INT, item: parent.index}
      - {name: half, type: TEXT, item: key}
      - {name: runs, type: INT, json_path: $.runs}
"""


def full(number: int, **more: Any) -> Row:
    document = {
        "id": number,
        "name": f"doc {number}",
        "day": "2024-07-01",
        "a": [
            {
                "name": "a0",
                "b": [{"name": "b0", "c": [{"v": "x"}, {"v": None}, {"v": "é😀\"'`\\"}]}, {"c": [{"v": "y"}]}],
            },
            {"name": "a1", "b": []},
            {"b": [{"name": "b0"}, {"name": "b1", "c": None}, {"name": "b2", "c": [{}]}]},
        ],
        "order": [7, 8, 9],
        "players": {"ID1": {"name": "One"}, "ID 2.x": {"name": None}, "": {}},
        "by_number": {"17": {"x": 1}, "ID9": {"x": 2}},
        "teams": {"home": {"name": "H", "order": [3]}, "away": {"name": "A", "order": [1, 2]}, "third": {"order": [9]}},
        "innings": [{"away": {"runs": 0}, "home": {"runs": 2}}, {"away": {"runs": 1}, "home": {}}, {"num": 3}],
        "a.b": {"c`d": {"it's": "found"}},
        "thing": {"z": [1, {"y": None}], "a": "é"},
    }
    return document | more


DOCUMENTS = [
    full(1),
    full(2, day=None, a=[], order=[], players={}, by_number={}, teams={}, innings=[], thing=[1, 2]),
    {"id": 3},
    {"id": 4, "a": None, "order": None, "players": None, "teams": {"away": None}, "innings": [None, {"away": None}]},
    full(5, a=[None, {"name": "n", "b": [None, {"c": [None, {"v": "z"}]}]}], order=[None, 5, None, 6], thing="text"),
]


def day_of(document: Row) -> date:
    return date.fromisoformat(document.get("day") or "2000-01-01")


def expected_docs() -> Iterator[Row]:
    for n, document in enumerate(DOCUMENTS):
        official = document.get("day")
        first = (document.get("a") or [None])[0]
        thing = document.get("thing")
        yield {
            "doc_id": document["id"],
            "day": day_of(document),
            "official": date.fromisoformat(official) if official else None,
            "first_a": first["name"] if first else None,
            "dotted": "found" if "a.b" in document else None,
            "thing": thing
            if thing is None or isinstance(thing, str)
            else json.dumps(thing, ensure_ascii=False, separators=(",", ":")),
            "document": f"http://x/{n}",
            "failed": [],
        }


def expected_deep() -> Iterator[Row]:
    for document in DOCUMENTS:
        for i, a in enumerate(document.get("a") or []):
            for j, b in enumerate((a or {}).get("b") or []):
                items = (b or {}).get("c") or []
                for k, c in enumerate(items):
                    if c is None:
                        continue
                    yield {
                        "doc_id": document["id"],
                        "day": day_of(document),
                        "day_again": day_of(document),
                        "i": i,
                        "j": j,
                        "k": k,
                        "k_text": str(k),
                        "v": c.get("v"),
                        "failed": [],
                        "before": (items[k - 1] or {}).get("v") if k else None,
                        "b_name": b.get("name"),
                        "a_name": a.get("name"),
                        "up_3": document.get("name"),
                        "top": document.get("name"),
                    }


def expected_scalars() -> Iterator[Row]:
    for document in DOCUMENTS:
        items = document.get("order") or []
        for n, v in enumerate(items):
            if v is not None:
                yield {"doc_id": document["id"], "n": n, "v": v, "before": items[n - 1] if n else None, "failed": []}


def expected_players() -> Iterator[Row]:
    for document in DOCUMENTS:
        for key, player in (document.get("players") or {}).items():
            found = {"doc_id": document["id"], "key": key, "name": player.get("name"), "team": document["name"]}
            yield found | {"failed": []}


def expected_numbers() -> Iterator[Row]:
    for document in DOCUMENTS:
        for key, value in (document.get("by_number") or {}).items():
            fits = key.isdigit()
            failed = [] if fits else ["not_null:key", "type:key"]
            yield {"doc_id": document["id"], "key": int(key) if fits else None, "x": value["x"], "failed": failed}


def expected_orders() -> Iterator[Row]:
    for document in DOCUMENTS:
        for side in ("away", "home"):
            team = (document.get("teams") or {}).get(side) or {}
            for n, v in enumerate(team.get("order") or []):
                found = {"doc_id": document["id"], "side": side, "n": n, "v": v, "team": team["name"]}
                yield found | {"failed": []}


def expected_innings() -> Iterator[Row]:
    for document in DOCUMENTS:
        for i, inning in enumerate(document.get("innings") or []):
            for half in ("away", "home"):
                runs = ((inning or {}).get(half) or {}).get("runs")
                if runs is not None:
                    yield {"doc_id": document["id"], "i": i, "half": half, "runs": runs, "failed": []}


EXPECTED = {
    "e.docs": expected_docs,
    "e.deep": expected_deep,
    "e.scalars": expected_scalars,
    "e.players": expected_players,
    "e.numbers": expected_numbers,
    "e.orders": expected_orders,
    "e.innings": expected_innings,
}


@pytest.fixture(scope="module")
def shapes(spark: SparkSession) -> dict[str, list[Row]]:
    documents = [json.dumps(document, ensure_ascii=False) for document in DOCUMENTS]
    return tables(spark, compiled(SHAPES), documents)


@pytest.mark.parametrize("table", EXPECTED)
def test_documents_of_all_shapes(shapes: dict[str, list[Row]], table: str) -> None:
    expected = list(EXPECTED[table]())
    assert expected
    assert unordered(shapes[table]) == unordered(expected)


def test_a_part_of_another_shape_rejects_its_document_and_says_so(spark: SparkSession) -> None:
    shape = "a part of it has another shape than the mapping says"
    documents = {
        '{"id": 1, "a": {}}': shape,
        '{"id": 2, "a": [5]}': shape,
        '{"id": 3, "order": {}}': shape,
        '{"id": 4, "players": []}': shape,
        '{"id": 5, "teams": {"away": 5}}': shape,
        '{"id": 6, "teams": {"third": 5}}': None,
        '{"id": 7, "unmapped": [{}]}': None,
        '{"id": 8.0}': None,
        '{"id": "9"}': None,
        '{"id": 10.5}': "it has no doc_id at $.id",
        '{"id": null}': "it has no doc_id at $.id",
        '{"ID": 12}': "it has no doc_id at $.id",
        '{"id": "x"}': "it has no doc_id at $.id",
        '{"id": 14': "it is not JSON, or is cut off",
        "": "it is empty",
    }
    parsed = parse(raw(spark, list(documents)), compiled(SHAPES), STAMP)
    found = [row["problem"] for row in parsed.orderBy("document_id").select("problem").collect()]
    said = [
        None if problem is None else problem[: len(wanted or "")]
        for problem, wanted in zip(found, documents.values(), strict=True)
    ]
    assert said == list(documents.values())


# Types: (type, JSON value, what the column holds, failed checks)

NOTHING: list[str] = []
TYPE = ["type:x"]
VALUES: list[tuple[str, Any, Any, list[str]]] = [
    ("INT", 95, 95, NOTHING),
    ("INT", 95.0, 95, NOTHING),
    ("INT", "95", 95, NOTHING),
    ("INT", " 95 ", 95, NOTHING),
    ("INT", -1, -1, NOTHING),
    ("INT", 95.7, 95, TYPE),
    ("INT", "95.7", 95, TYPE),
    ("INT", 1e3, 1000, NOTHING),
    ("INT", "", None, TYPE),
    ("INT", "x", None, TYPE),
    ("INT", True, None, TYPE),
    ("INT", {"a": 1}, None, TYPE),
    ("INT", 2**31, None, TYPE),
    ("INT", None, None, NOTHING),
    ("SMALLINT", 32767, 32767, NOTHING),
    ("SMALLINT", 32768, None, TYPE),
    ("BIGINT", 2**63 - 1, 2**63 - 1, NOTHING),
    ("BIGINT", 2**53 + 1, 2**53 + 1, NOTHING),
    ("BIGINT", 2**63, None, TYPE),
    ("BIGINT", 10**40, None, TYPE),
    ("REAL", 0.5, 0.5, NOTHING),
    ("REAL", "x", None, TYPE),
    ("DOUBLE", 0.1, 0.1, NOTHING),
    ("DOUBLE", "1e3", 1000.0, NOTHING),
    ("DOUBLE", "NaN", math.nan, NOTHING),
    ("DOUBLE", "-.--", None, TYPE),
    ("NUMERIC(5,2)", 95.5, Decimal("95.50"), NOTHING),
    ("NUMERIC(5,2)", "1.005", Decimal("1.01"), NOTHING),
    ("NUMERIC(5,2)", "-1.005", Decimal("-1.01"), NOTHING),
    ("NUMERIC(5,2)", 999.99, Decimal("999.99"), NOTHING),
    ("NUMERIC(5,2)", 1000, None, TYPE),
    ("NUMERIC(5,2)", "NaN", None, TYPE),
    ("NUMERIC(38,0)", 10**37, Decimal(10**37), NOTHING),
    ("BOOLEAN", True, True, NOTHING),
    ("BOOLEAN", "true", True, NOTHING),
    ("BOOLEAN", "Y", True, NOTHING),
    ("BOOLEAN", "1", True, NOTHING),
    ("BOOLEAN", 0, False, NOTHING),
    ("BOOLEAN", "no", False, NOTHING),
    ("BOOLEAN", "maybe", None, TYPE),
    ("BOOLEAN", 2, None, TYPE),
    ("DATE", "2024-07-01", date(2024, 7, 1), NOTHING),
    ("DATE", "2024-07-01T23:05:00Z", date(2024, 7, 1), NOTHING),
    ("DATE", "2024-02-30", None, TYPE),
    ("DATE", "07/01/2024", None, TYPE),
    ("TIMESTAMP", "2024-07-01T23:05:00", datetime(2024, 7, 1, 23, 5), NOTHING),
    ("TIMESTAMP", "noon", None, TYPE),
    ("TIMESTAMPTZ", "2024-07-01T23:05:00Z", datetime(2024, 7, 1, 23, 5), NOTHING),
    ("TIMESTAMPTZ", "2024-07-01T23:05:00.123456+02:00", datetime(2024, 7, 1, 21, 5, 0, 123456), NOTHING),
    ("TIMESTAMPTZ", "2024-07-01T25:00:00Z", None, TYPE),
    ("TEXT", "é😀\"'`\\\n", "é😀\"'`\\\n", NOTHING),
    ("TEXT", "", "", NOTHING),
    ("TEXT", 5, "5", NOTHING),
    ("TEXT", True, "true", NOTHING),
    ("VARCHAR(3)", "abc", "abc", NOTHING),
    ("VARCHAR(3)", "é😀x", "é😀x", NOTHING),
    ("VARCHAR(3)", "abcd", "abcd", ["length:x"]),
    ("CHAR(1)", "ab", "ab", ["length:x"]),
    ("JSONB", {"b": 1, "a": [None, "x"]}, '{"b":1,"a":[null,"x"]}', NOTHING),
    ("JSONB", [], "[]", NOTHING),
]


def test_every_type_with_values_that_fit_and_do_not(spark: SparkSession) -> None:
    kinds = list(dict.fromkeys(kind for kind, *_ in VALUES))
    fields = "".join(f"      - {{name: x{n}, type: '{kind}', json_path: $.x{n}}}\n" for n, kind in enumerate(kinds))
    plan = compiled(
        "  - name: e.docs\n    primary_key: [id]\n    fields:\n      - {name: id, type: INT, json_path: $.id}\n"
        + fields
    )
    documents = [
        json.dumps({"id": n, f"x{kinds.index(kind)}": value}, ensure_ascii=False)
        for n, (kind, value, *_) in enumerate(VALUES)
    ]
    rows = {row["id"]: row for row in tables(spark, plan, documents)["e.docs"]}
    found = [
        (
            kind,
            value,
            rows[n][f"x{kinds.index(kind)}"],
            [check.replace(f"x{kinds.index(kind)}", "x") for check in rows[n]["failed"]],
        )
        for n, (kind, value, *_) in enumerate(VALUES)
    ]
    assert [repr(one) for one in found] == [repr(one) for one in VALUES]


# Defaults, null texts, raw columns, expressions, filters, rules

MEANING = r"""
  - name: e.docs
    primary_key: [id]
    fields:
      - {name: id, type: INT, json_path: $.id}
      - {name: rbi, type: INT, json_path: $.rbi, default: 0}
      - {name: era, type: "NUMERIC(5,2)", json_path: $.era, null_values: ["-.--", "*"]}
      - {name: avg, type: TEXT, json_path: $.era, null_values: ["-.--"], default: "it's \\ none"}
      - {name: url_text, type: TEXT, source_field: url}
      - {name: status_text, type: TEXT, source_field: status_code}
      - {name: status, type: INT, source_field: status_code}
      - {name: captured_text, type: VARCHAR(30), source_field: captured_at}
      - {name: game, type: INT, source_field: params.gamePk}
      - {name: odd, type: INT, source_field: params.odd-name}
      - {name: four, type: INT, expression: "twice * 2"}
      - {name: twice, type: INT, expression: "rbi * 2"}
      - {name: half, type: INT, expression: "rbi / 2"}
      - {name: word, type: INT, expression: "concat('x', avg)", default: 5}
      - {name: stamped, type: BOOLEAN, expression: "transform_timestamp > source_captured_at"}
    data_quality:
      - {rule: "rbi >= 0", name: rbi_positive}
      - {rule: "era < 50", name: era_small, severity: warning}
      - {type: range, field: rbi, min: -5, max: 9, name: rbi_range}
      - {type: not_null, field: era, name: era_there}
  - name: e.events
    primary_key: [id, n]
    array_source: $.events[*]
    filter: $.isPitch
    fields: [{name: n, type: INT, item: index}]
  - name: e.fast
    primary_key: [id, n]
    array_source: $.events[*]
    filter: $.speed > 95 AND NOT $.isPitch IN ('x') AND n >= 1 OR parent.rbi = 7 AND $.name = 'it\'s $.x'
    fields: [{name: n, type: INT, item: index}]
"""
EVENTS: list[Row] = [
    {"isPitch": True, "speed": 95.7, "name": "it's $.x"},
    {"isPitch": False, "speed": 95.7},
    {"isPitch": "true", "speed": "95"},
    {"speed": 99},
    {"isPitch": None, "speed": "fast"},
    {"isPitch": True, "speed": 100},
]


@pytest.fixture(scope="module")
def meaning(spark: SparkSession) -> dict[str, list[Row]]:
    documents: list[Row] = [
        {"id": 1, "rbi": 3, "era": "4.50", "events": EVENTS},
        {"id": 2, "rbi": None, "era": "-.--"},
        {"id": 3, "rbi": -8, "era": 99.5},
        {"id": 4, "rbi": 7, "era": "*", "events": EVENTS},
    ]
    params = json.dumps({"gamePk": "747175", "odd-name": 6})
    return tables(spark, compiled(MEANING), [json.dumps(document) for document in documents], params)


def test_defaults_null_texts_raw_columns_and_expressions(meaning: dict[str, list[Row]]) -> None:
    same: Row = {
        "status": 200,
        "status_text": "200",
        "captured_text": "2024-07-01 12:00:00",
        "game": 747175,
        "odd": 6,
        "stamped": True,
        "word": 5,
    }
    expected: list[Row] = [
        {"id": 1, "rbi": 3, "era": Decimal("4.50"), "avg": "4.50", "twice": 6, "four": 12, "half": 1},
        {"id": 2, "rbi": 0, "era": None, "avg": "it's \\ none", "twice": 0, "four": 0, "half": 0},
        {"id": 3, "rbi": -8, "era": Decimal("99.50"), "avg": "99.5", "twice": -16, "four": -32, "half": -4},
        {"id": 4, "rbi": 7, "era": None, "avg": "*", "twice": 14, "four": 28, "half": 3},
    ]
    failed = [
        ["type:half", "type:word"],
        ["era_there", "type:word"],
        ["era_small", "rbi_positive", "rbi_range", "type:word"],
        ["era_there", "type:half", "type:word"],
    ]
    wanted = [
        row | same | {"url_text": f"http://x/{n}", "failed": checks}
        for n, (row, checks) in enumerate(zip(expected, failed, strict=True))
    ]
    assert unordered(meaning["e.docs"]) == unordered(wanted)


def test_filters_on_paths_and_columns(meaning: dict[str, list[Row]]) -> None:
    pitches = [n for n, event in enumerate(EVENTS) if str(event.get("isPitch")).lower() == "true"]
    assert sorted((row["id"], row["n"]) for row in meaning["e.events"]) == [(i, n) for i in (1, 4) for n in pitches]
    # A missing isPitch is neither in nor not in a list.
    fast = [1, 5]
    assert sorted((row["id"], row["n"]) for row in meaning["e.fast"]) == [(1, n) for n in fast] + [
        (4, n) for n in [0, *fast]
    ]


@pytest.mark.parametrize("mapping", [SHAPES, MEANING])
def test_every_column_has_the_type_that_its_mapping_says(spark: SparkSession, mapping: str) -> None:
    plan = compiled(mapping)
    parsed = parse(raw(spark, []), plan, STAMP)
    for table in plan.tables:
        found = [(field.name, field.dataType.simpleString()) for field in cut(parsed, table, STAMP).schema][:-1]
        assert found == [(column.name, column.type.spark) for column in table.columns]


def test_the_checks_that_a_row_passes_through() -> None:
    names = checks_of(compiled(MEANING).table("e.docs"))
    assert set(names) >= {"type:rbi", "not_null:id", "length:captured_text", "type:half", "rbi_positive", "era_there"}
    assert not {"type:url_text", "type:status", "type:stamped_at"} & set(names)


# Expressions: what comes out means what its author wrote

COLUMNS = {"a": "INT", "s": "TEXT", "d": "DATE", "t": "TIMESTAMPTZ", "x": "DOUBLE", "b": "BOOLEAN", "order": "INT"}
LINES = [
    "(7, 'it\\'s 100% a_b\\\\c', DATE'2024-02-29', TIMESTAMP'2024-02-29 23:05:01.5', 1000.0D, true, 3)",
    "(-7, 'a1b22', DATE'2023-12-31', TIMESTAMP'2023-12-31 00:00:00', 8.0D, false, NULL)",
    "(NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
]
EXPRESSIONS = r"""
a % 3
a DIV 2
a / 2
-a
- -a
+a
a - -1
2 - 3 - a
2 - (3 - a)
a * 2 + 1
mod(a, 4)
pmod(a, 4)
1.50
.5
1e3
1L
1.5BD
2D
-1
99999999999
a + 0.1
round(x / 3, 2)
bround(2.5)
round(2.5)
log10(x)
log2(x)
log(2, x)
ln(x)
power(a, 2)
sqrt(x)
abs(a)
sign(a)
ceil(x / 3)
floor(-0.5)
'it\'s'
'a\\'
''
'\\d'
'a\nb\tc'
'\%\_'
"it's"
"say \"x\""
'é😀'
'$.a {x} :p ? @'
s LIKE '%100!%%' ESCAPE '!'
s LIKE '%100\%%'
s LIKE '%a\_b%'
s LIKE 'a_b%'
s ILIKE '%A%'
s LIKE '%\\\\c'
s RLIKE '\\d+'
s REGEXP '^a\\d'
regexp_extract(s, '(\\d+)b(\\d+)', 2)
regexp_replace(s, '[\\s\\\\]', '-')
s || a || 'x'
concat_ws('-', s, a)
substring(s FROM 2 FOR 3)
substr(s, -2)
left(s, 2)
position('1' IN s)
locate('1', s, 3)
instr(s, '1')
trim(BOTH 'a' FROM s)
trim(LEADING 'a' FROM s)
ltrim('a', s)
lpad(a, 5, '0')
split_part(s, 'b', 1)
element_at(split(s, '[0-9]'), 1)
split(s, 'b')[0]
size(split(s, 'b'))
array(1, a)[1]
a = 7
a == 7
a != 7
a <> 7
a <=> NULL
a <=> 7 = b
a = 7 IS NULL
NOT a = 7
!b
NOT b AND b
b OR NOT b
a IS NOT DISTINCT FROM 7
a IS DISTINCT FROM NULL
a BETWEEN -7 AND 0
a NOT BETWEEN -7 AND 0
a IN (7, NULL)
a NOT IN (7)
s IS NOT NULL
b IS NOT TRUE
b IS FALSE
a + 1 NOT IN (8)
s NOT LIKE 'a%'
a > 1 AND b OR a < 0
CASE WHEN a > 0 THEN 'p' WHEN a < 0 THEN 'n' END
CASE a WHEN 7 THEN 1 ELSE 2 END
if(b, 1, a)
nvl2(a, 1, 2)
CAST(a AS STRING)
CAST(x AS INT)
CAST('1.25' AS DECIMAL(3,1))
CAST(a AS DOUBLE) / 3
try_cast(s AS INT)
int(x)
CAST(t AS DATE)
CAST(d AS TIMESTAMP)
CAST(t AS TIMESTAMP_NTZ)
CAST(s AS VARCHAR(2))
CAST(b AS INT)
CAST(x AS BIGINT)
d >= DATE '2024-01-01'
d + INTERVAL 1 DAY
d - INTERVAL '3' MONTH
t + INTERVAL 90 MINUTES
t >= TIMESTAMP '2024-01-01 00:00:00'
date_sub(d, a)
date_add(d, -1)
datediff(d, DATE '2024-01-01')
add_months(d, 1)
date_format(t, "yyyy-MM-dd'T'HH:mm")
to_date('20240131', 'yyyyMMdd')
to_timestamp('20240131_235959', 'yyyyMMdd_HHmmss')
date_trunc('MONTH', t)
trunc(d, 'MM')
unix_timestamp(t)
from_unixtime(a, 'HH:mm')
from_utc_timestamp(t, 'America/New_York')
year(d) * 100 + month(d)
make_date(2024, 1, 31)
get_json_object('{"a": {"b": 5}}', '$.a.b')
coalesce(s, 'none')
nullif(a, 7)
greatest(a, 0)
least(a, x)
sha2(s, 256)
order + 1
""".strip().splitlines()


def test_an_expression_means_what_its_author_wrote(spark: SparkSession) -> None:
    known = {name: ColumnType.parse(kind) for name, kind in COLUMNS.items()}
    names = ", ".join(f"`{name}`" for name in COLUMNS)
    table = f"(SELECT * FROM VALUES {', '.join(LINES)} AS v({names}))"

    def values(expressions: list[str]) -> list[list[str]]:
        listed = ", ".join(f"({sql}) AS c{n}" for n, sql in enumerate(expressions))
        rows = spark.sql(f"SELECT {listed} FROM {table}").collect()
        return [[repr(row[n]) for row in rows] for n in range(len(expressions))]

    written = [text.replace("order", "`order`") for text in EXPRESSIONS]
    checked = [check_expression(text, known).sql for text in EXPRESSIONS]
    assert dict(zip(EXPRESSIONS, values(checked), strict=True)) == dict(zip(EXPRESSIONS, values(written), strict=True))


def test_spark_knows_every_function_of_the_list(spark: SparkSession) -> None:
    known = {row["function"] for row in spark.sql("SHOW ALL FUNCTIONS").collect()}
    assert FUNCTIONS - known == set()


def test_a_variable_of_spark_does_not_reach_it(spark: SparkSession) -> None:
    """Why '${' is refused: Spark replaces it even within a text."""
    assert spark.sql("SELECT '${env:PATH}'").collect()[0][0] != "${env:PATH}"
    with pytest.raises(ValueError, match=r"holds '\$\{'"):
        check_condition("s = '${env:PATH}'", {"s": ColumnType.parse("TEXT")})
