"""Where a stored row came from: looked up in every kind of lakehouse target, without Spark."""

from __future__ import annotations

import gzip
import json
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from mlbsdk.cli.main import build
from mlbsdk.errors import ConfigurationError, SourceError, UnknownNameError
from mlbsdk.lineage.row import KeysFound, RowLineage, parsed_key, row_lineage
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.watchers import save_report
from mlbsdk.testing.running import new_report
from tests.mini import MAPPING

PLUGINS = Plugins.load()
RUN = "0195f3c4-0000-7000-8000-00000000000a"
CAPTURED = datetime(2024, 7, 1, 23, 5, tzinfo=timezone.utc)
DOCUMENT = {
    "gamePk": 7,
    "date": "2024-07-01",
    "time": "20240701_230500",
    "plays": [{"event": "single", "speed": 88.5}, {"event": "é \x1b[31m", "speed": 130.25}],
    "players": {"ID9": {"id": 9, "name": "Nine"}},
}
ENVELOPE = {
    "endpoint": "mini",
    "method": "game",
    "path_params": {"game_pk": "7"},
    "query_params": {"fields": "all"},
    "url": "https://me:hush-url@statsapi.example/api/7",
    "status_code": 200,
    "response": DOCUMENT,
}
FORMATS = ("delta", "parquet", "avro")


def rows(row_id: str) -> list[dict[str, Any]]:
    """Return the rows of mini.plays that a run would have written."""
    stamp = {
        "source_table": "mini.game",
        "source_row_id": row_id,
        "transform_job": "mini.game.plays",
        "run_id": RUN,
        "transform_timestamp": CAPTURED,
        "data_quality_passed": True,
        "quality_checks_run": ["speed_plausible", "speed_usual"],
        "quality_checks_failed": ["speed_usual"],
    }
    own = [(0, "single", "88.50"), (1, "é \x1b[31m", "130.25")]
    return [
        {
            "game_date": date(2024, 7, 1),
            "game_pk": 7,
            "play_index": number,
            "event": event,
            "speed": Decimal(speed),
            "source_captured_at": CAPTURED,
            "transform_timestamp": CAPTURED,
            "lineage_metadata": stamp,
        }
        for number, event, speed in own
    ]


def stored(format: str, folder: Path, table_rows: list[dict[str, Any]], source: str = "captures") -> str:
    """Store mini.plays as a run does, partitioned by date, with the run's report; return the target's address."""
    path = folder / "mini" / "plays"
    table = pa.Table.from_pylist(table_rows)
    if format == "delta":
        write_deltalake(path, table, partition_by=["game_date"])
    else:
        part = path / "game_date=2024-07-01"
        part.mkdir(parents=True)
        rest = table.drop_columns(["game_date"])
        if format == "parquet":
            pq.write_table(rest, part / "part-0.parquet")
        else:
            _write_avro(part / "part-0.avro", rest.to_pylist())
    report = new_report(f"{format}:{folder}", RUN)
    report.source, report.status, report.location = source, "completed", str(folder / "_mlbsdk")
    save_report(report)
    return f"{format}:{folder}"


def _write_avro(path: Path, table_rows: list[dict[str, Any]]) -> None:
    moment = {"type": "long", "logicalType": "timestamp-micros"}
    kinds: dict[str, Any] = {"game_pk": "long", "play_index": "int", "event": "string"}
    kinds |= {"speed": {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}}
    kinds |= {"source_captured_at": moment, "transform_timestamp": moment}
    texts = {"type": "array", "items": "string"}
    names = ("source_table", "source_row_id", "transform_job", "run_id")
    stamp: list[dict[str, Any]] = [{"name": name, "type": "string"} for name in names]
    stamp += [{"name": "transform_timestamp", "type": moment}, {"name": "data_quality_passed", "type": "boolean"}]
    stamp += [{"name": f"quality_checks_{what}", "type": texts} for what in ("run", "failed")]
    kinds["lineage_metadata"] = {"type": "record", "name": "stamp", "fields": stamp}
    fields = [{"name": name, "type": ["null", kind]} for name, kind in kinds.items()]
    with path.open("wb") as out:
        fastavro.writer(out, {"type": "record", "name": "row", "fields": fields}, table_rows, codec="snappy")


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Return the capture, with a space in its path."""
    path = tmp_path / "my captures" / "7.json.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(json.dumps(ENVELOPE).encode()))
    return path


def found_row(target: str, **given: Any) -> RowLineage:
    """Look up play 1."""
    key = {"game_pk": "7", "play_index": "1"}
    found = row_lineage("mini.plays", key, target, mapping=str(MAPPING), plugins=PLUGINS, **given)
    assert isinstance(found, RowLineage)
    return found


@pytest.mark.parametrize("format", FORMATS)
def test_a_row_leads_to_its_capture_request_run_rules_and_places(format: str, capture: Path, tmp_path: Path) -> None:
    found = found_row(stored(format, tmp_path / "out", rows(capture.as_uri().replace("file://", "file:"))))
    assert found.key == {"game_pk": 7, "play_index": 1}
    assert (found.capture.place, found.capture.problem) == (str(capture), "")
    assert (found.capture.endpoint, found.capture.method) == ("mini", "game")
    assert found.capture.params == {"game_pk": "7", "fields": "all"}
    assert found.capture.url == "https://me:***@statsapi.example/api/7"
    assert found.capture.captured_at == CAPTURED.isoformat()
    assert (found.run["run_id"], found.run["status"], found.run["source"]) == (RUN, "completed", "captures")
    assert [(rule.name, rule.held, rule.severity) for rule in found.rules] == [
        ("speed_plausible", True, "error"),
        ("speed_usual", False, "warning"),
    ]
    assert found.place == "plays[1]"
    values = {value.column: value for value in found.values}
    assert (values["speed"].value, values["speed"].place, values["speed"].captured) == (
        "130.25",
        "plays[1].speed",
        130.25,
    )
    assert (values["game_pk"].place, values["game_pk"].captured) == ("gamePk", 7)
    assert (values["play_index"].kind, values["play_index"].place) == ("position", "plays[1]")
    assert json.loads(found.json_text or "") == DOCUMENT["plays"][1]  # type: ignore[index]


@pytest.mark.parametrize("format", FORMATS)
def test_a_part_of_the_key_lists_the_keys_and_other_columns_serve_too(format: str, tmp_path: Path) -> None:
    target = stored(format, tmp_path / "out", rows("file:/gone.json"))

    def look(**key: str) -> Any:
        return row_lineage("mini.plays", key, target, mapping=str(MAPPING), plugins=PLUGINS)

    several = look(game_pk="7")
    assert isinstance(several, KeysFound)
    assert several.is_all
    assert sorted(key["play_index"] for key in several.keys) == [0, 1]
    assert look(speed="88.5", game_date="2024-07-01").key == {"game_pk": 7, "play_index": 0}
    assert look(source_captured_at="2024-07-01T23:05:00Z", event="single").key["play_index"] == 0
    with pytest.raises(SourceError, match="no row with game_pk=8"):
        look(game_pk="8")
    with pytest.raises(ConfigurationError, match=r"no column 'game_p'.*Did you mean 'game_pk'"):
        look(game_p="7")


def test_a_listing_of_keys_is_bounded(tmp_path: Path) -> None:
    many = [row | {"play_index": number} for row in rows("file:/gone.json")[:1] for number in range(50)]
    target = stored("delta", tmp_path / "out", many)
    found = row_lineage("mini.plays", {"game_pk": "7"}, target, mapping=str(MAPPING), plugins=PLUGINS)
    assert isinstance(found, KeysFound)
    assert (len(found.keys), found.is_all) == (20, False)


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (None, "the file is gone"),
        (b"{not json", "Expecting property name"),
        (b"[" * 100_000, "recursion|depth|Expecting"),
    ],
)
def test_a_capture_that_can_not_be_read_takes_nothing_else_away(
    write: bytes | None, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "7.json"
    if write is not None:
        file.write_bytes(write)
    found = found_row(stored("delta", tmp_path / "out", rows(file.as_uri())))
    assert found.place is None
    assert found.capture.place == str(file)
    import re

    assert re.search(problem, found.capture.problem)
    assert {value.column: value.paths for value in found.values}["speed"] == ("plays[*].speed",)


def test_the_document_is_found_among_several_in_a_file(tmp_path: Path) -> None:
    other = DOCUMENT | {"gamePk": 6, "plays": []}
    file = tmp_path / "day.json"
    file.write_text("\n".join(map(json.dumps, (other, DOCUMENT))), encoding="utf-8")
    found = found_row(stored("delta", tmp_path / "one", rows(f"{file.as_uri()}#1")))
    assert found.place == "plays[1]"
    lines = tmp_path / "day.jsonl"
    lines.write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    assert found_row(stored("delta", tmp_path / "two", rows(f"{lines.as_uri()}#1F2E3D"))).place == "plays[1]"


@pytest.mark.parametrize("format", ["delta", "parquet"])
def test_the_capture_is_found_in_the_raw_table_that_the_run_read(format: str, tmp_path: Path) -> None:
    raw = {
        "id": 41,
        "data": json.dumps(DOCUMENT),
        "captured_at": CAPTURED,
        "endpoint": "mini",
        "method": "game",
        "params": '{"game_pk": 7}',
        "url": "https://statsapi.example/api/7",
        "status_code": 200,
    }
    path = tmp_path / "raw"
    if format == "delta":
        write_deltalake(path, pa.Table.from_pylist([raw]))
    else:
        path.mkdir()
        pq.write_table(pa.Table.from_pylist([raw]), path / "a.parquet")
    target = stored("delta", tmp_path / "out", rows("41"), source=f"{format}:{path}")
    found = found_row(target)
    assert (found.capture.url, found.capture.params) == (raw["url"], {"game_pk": 7})
    assert (found.capture.captured_at, found.capture.status_code) == (CAPTURED.isoformat(), 200)
    assert found.place == "plays[1]"
    gone = found_row(target, source=f"delta:{tmp_path / 'nothing'}")
    assert "there is no delta table" in gone.capture.problem


def test_a_row_without_lineage_and_mapping_still_shows_its_values(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "other" / "things", pa.table({"a": [1], "b": ["x"]}))
    found = row_lineage("other.things", {"a": "1"}, f"delta:{tmp_path}", plugins=PLUGINS)
    assert isinstance(found, RowLineage)
    assert [(value.column, value.value) for value in found.values] == [("a", 1), ("b", "x")]
    assert (found.run["run_id"], found.rules) == (None, ())
    json.dumps(found.to_json())


@pytest.mark.parametrize("key", ["", "7", "game_pk", "=7", "a=1,a=2", "a=1,,"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ConfigurationError, match="is no key of a row"):
        parsed_key(key)


def test_a_comma_inside_a_value_is_escaped() -> None:
    assert parsed_key(r"name=Guerrero Jr.\, V, side = home") == {"name": "Guerrero Jr., V", "side": "home"}


@pytest.mark.parametrize("table", ["plays", "a.b.c", "../mini.plays", "mini.", "mini.pl/ays"])
def test_what_is_no_name_of_a_table_is_refused(table: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no name of a table"):
        row_lineage(table, {"a": "1"}, f"delta:{tmp_path}", plugins=PLUGINS)


def test_a_target_that_is_not_there_or_not_known_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no delta table"):
        row_lineage("mini.plays", {"game_pk": "7"}, f"delta:{tmp_path / 'nothing'}", plugins=PLUGINS)
    with pytest.raises(UnknownNameError):
        row_lineage("mini.plays", {"game_pk": "7"}, "nosql://x", plugins=PLUGINS)


def test_the_command_shows_it_and_control_characters_are_escaped(capture: Path, tmp_path: Path) -> None:
    target = stored("delta", tmp_path / "out", rows(capture.as_uri()))
    words = ["lineage", "row", "mini.plays", "game_pk=7,play_index=1", "--target", target, "--mapping", str(MAPPING)]
    shown = CliRunner().invoke(build(), words)
    assert shown.exit_code == 0
    assert "captured at 2024-07-01T23:05:00+00:00" in shown.stdout
    assert "warning speed_usual" in shown.stdout
    assert "place   plays[1]" in shown.stdout
    (head,) = [line for line in shown.stdout.splitlines() if line.startswith("COLUMN")]
    assert head.split() == ["COLUMN", "VALUE", "CAPTURED", "FROM"]
    assert "\x1b" not in shown.stdout
    assert "hush-url" not in shown.stdout
    found = json.loads(CliRunner().invoke(build(), [*words, "--json"]).stdout)
    assert (found["version"], found["place"], found["capture"]["endpoint"]) == (1, "plays[1]", "mini")
    assert "hush-url" not in json.dumps(found)
