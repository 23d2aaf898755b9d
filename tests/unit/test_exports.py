"""Configuration of exports, the dates of partitions, and retention over trees of files and Delta tables; no Spark."""

from __future__ import annotations

import json
import textwrap
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake
from typer.testing import CliRunner

from mlbsdk.cli.main import build
from mlbsdk.errors import ConfigurationError
from mlbsdk.layers.dates import is_expired, last_day
from mlbsdk.layers.load import exports_of, load_exports
from mlbsdk.layers.places import places_of
from mlbsdk.layers.progress import Progress
from mlbsdk.layers.retention import retention
from mlbsdk.writers.files import FileWriter
from mlbsdk.writers.lakehouse import Lakehouse
from tests.conftest import REPOSITORY

#: As the original design has it.
SAMPLE = textwrap.dedent("""\
    version: "1.0"

    storage:
      backend: s3
      bucket: mlb-data-platform
      region: us-east-1

    layers:
      raw:
        path: raw/{endpoint}/{method}
        format: avro
        compression: snappy
        partition_by: [year, month, day]
        retention_days: 90

      normalized:
        path: normalized/{schema}/{table}
        format: parquet
        compression: snappy
        partition_by: [game_date]  # or custom per table
        retention_days: 365

      analytics:
        path: analytics/{table}
        format: delta
        partition_by: [season]
        z_order_by: [game_pk, team_id]  # Optimize queries
        retention_days: -1  # Keep forever
    """)
TODAY = date(2024, 11, 30)


# Configuration


def test_the_design_documents_sample_loads() -> None:
    places = places_of(exports_of(SAMPLE, "exports.yaml"))
    assert {name: (place.own, place.address) for name, place in places.items()} == {
        "raw": ("s3a://mlb-data-platform/raw", "avro:s3a://mlb-data-platform/raw"),
        "normalized": ("s3a://mlb-data-platform/normalized", "parquet:s3a://mlb-data-platform/normalized"),
        "analytics": ("s3a://mlb-data-platform/analytics", "delta:s3a://mlb-data-platform"),
    }
    assert places["raw"].layer.retention_days == 90


def test_the_example_loads() -> None:
    assert list(load_exports(REPOSITORY / "examples" / "exports.yaml").layers.chosen) == [
        "raw",
        "normalized",
        "analytics",
    ]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("compression: snappy", "compresion: snappy", "12:5: layers.raw.compresion: unknown key 'compresion'. Did"),
        ("backend: s3", "backend: s4", "4:3: storage.backend: must be 's3' or 'local', not 's4'"),
        ("backend: s3", "backend: local", "3:1: storage: region and endpoint go with backend s3; leave them out"),
        ("  bucket: mlb-data-platform\n", "", "3:1: storage: backend s3 needs a bucket"),
        ("bucket: mlb", "bucket: s3://mlb", "is no bucket: 3 to 63 small letters"),
        ("region: us-east-1", "endpoint: http://me:secret@x", "must hold no user or password"),
        ("raw/{endpoint}", "../raw/{endpoint}", "10:5: layers.raw.path: '..' is no name for a layer's folder"),
        ("raw/{endpoint}", "/raw/{endpoint}", "10:5: layers.raw.path: '' is no name for a layer's folder"),
        ("raw/{endpoint}/{method}", "raw/{endpoint}/{metod}", "'{metod}' is no part of this layer's path"),
        ("raw/{endpoint}/{method}", "'{endpoint}/{method}'", "must be a folder and then {endpoint}/{method}"),
        ("analytics/{table}", "normalized/{table}", "analytics.path lies in the folder of normalized"),
        ("retention_days: 90", "retention_days: 0", "14:5: layers.raw.retention_days: must be 1 to 100000 days"),
        ("retention_days: 90", "retention_days: '90'", "must be a number, not '90'"),
        ("[year, month, day]", "[yeer]", "13:5: layers.raw.partition_by: 'yeer' is none of year, month, day, date."),
        ("[year, month, day]", "[day]", "must be [year], [year, month], [year, month, day], [date] or []"),
        ("compression: snappy", "compression: gzip", "avro has no 'gzip'; take 'deflate'"),
        ("format: parquet", "format: orc", "must be 'parquet' or 'delta', not 'orc'"),
        ("[game_pk, team_id]", "[season]", "z_order_by: 'season' is in partition_by already"),
        ('version: "1.0"', "version: 1", '1:1: version: must be "1.0", in quotes'),
        ("365", "365\n    overrides: {plays: {partition_by: [x]}}", "overrides.plays: 'plays' is not a table name"),
        ("storage:", "storage: [", "while parsing a flow sequence"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place_and_what_to_do(before: str, after: str, says: str) -> None:
    assert before in SAMPLE
    with pytest.raises(ConfigurationError) as raised:
        exports_of(SAMPLE.replace(before, after, 1), "exports.yaml")
    assert says in str(raised.value)
    assert "exports.yaml:" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError, match="3 mistakes"):
        exports_of(SAMPLE.replace("compression", "compresion").replace("region", "regoin"), "exports.yaml")


# Dates


@pytest.mark.parametrize(
    ("partition", "day"),
    [
        ({"year": "2024", "month": "02", "day": "29"}, date(2024, 2, 29)),
        ({"year": "2024", "month": "2"}, date(2024, 2, 29)),
        ({"year": "2023"}, date(2023, 12, 31)),
        ({"season": "2024"}, date(2024, 12, 31)),
        ({"date": "2024-11-15"}, date(2024, 11, 15)),
        ({"season": "2020", "game_date": "2024-07-12"}, date(2024, 7, 12)),
        ({"year": "2023", "month": "02", "day": "29"}, None),
        ({"year": "2024", "month": "13"}, None),
        ({"game_date": "__HIVE_DEFAULT_PARTITION__"}, None),
        ({"game_date": "2024-02-30"}, None),
        ({"side": "home"}, None),
        ({}, None),
    ],
)
def test_the_last_day_of_a_partition(partition: dict[str, str], day: date | None) -> None:
    assert last_day(partition) == day
    assert not is_expired(partition, None)


def test_only_what_is_wholly_older_is_expired() -> None:
    oldest = date(2024, 7, 1)
    assert is_expired({"game_date": "2024-06-30"}, oldest)
    assert not is_expired({"game_date": "2024-07-01"}, oldest)
    assert not is_expired({"year": "2024"}, oldest)
    assert is_expired({"year": "2024", "month": "06"}, oldest)


# Retention


def configured(folder: Path, **layers: Any) -> Path:
    file = folder / "exports.yaml"
    storage = {"backend": "local", "path": str(folder / "lake")}
    file.write_text(yaml.safe_dump({"version": "1.0", "storage": storage, "layers": layers}), encoding="utf-8")
    return file


def put(folder: Path, *names: str) -> list[Path]:
    files = [folder / name for name in names]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"12345")
    return files


def everything(folder: Path) -> set[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return {str(path) for path in found if "_mlbsdk" not in path.parts}


def test_retention_on_a_mixed_tree_removes_exactly_what_it_should(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    raw = lake / "raw"
    (outside,) = put(tmp_path, "outside/year=2020/month=01/day=01/part-0.avro")
    game = "game/live_game_v1"
    put(raw, f"{game}/year=2024/month=08/day=31/part-0.avro", f"{game}/year=2024/month=08/day=31/part-1.avro")
    put(raw, "schedule/schedule/date=2024-08-01/part-0.avro")
    gone = everything(raw)
    put(raw, f"{game}/year=2024/month=09/day=01/part-0.avro", f"{game}/year=2024/month=11/day=30/part-0.avro")
    put(raw, "schedule/schedule/date=2024-09-01/part-0.avro", "schedule/schedule/date=2099-01-01/part-0.avro")
    put(raw, "person/person/part-0.avro", f"{game}/year=2024/month=13/day=01/part-0.avro")
    put(raw, f"{game}/year=2024/month=08/day=30/notes.txt", "part-0.avro", f"{game}/odd name/part-0.avro")
    put(raw, f"{game}/year=2024/month=08/day=29/_part-0.avro", "game/date=2020-01-01/part-0.avro")
    put(lake, "other/game/x/date=2020-01-01/part-0.avro", "normalized/game/x/game_date=2020-01-01/part-0.parquet")
    (raw / game / "year=2019").symlink_to(outside.parents[2])
    (raw / game / "year=2024/month=08/day=30/part-9.avro").symlink_to(outside)
    config = configured(tmp_path, raw={"retention_days": 90}, normalized={"retention_days": -1})
    before = everything(tmp_path)

    dry = retention(config, on=TODAY)
    assert everything(tmp_path) == before
    assert (dry.removed, dry.files, dry.bytes) == (False, 3, 15)

    done = retention(config, on=TODAY, apply=True)
    assert before - everything(tmp_path) == {f"lake/raw/{name}" for name in gone}
    assert everything(tmp_path) <= before
    assert not (raw / game / "year=2024/month=08/day=31").exists()
    assert (raw / game / "year=2024/month=08/day=30").exists()
    layer, kept = done.layers
    assert [(one.table, one.partitions, one.files, one.bytes) for one in layer.tables] == [
        ("game.live_game_v1", ("year=2024/month=08/day=31",), 2, 10),
        ("schedule.schedule", ("date=2024-08-01",), 1, 5),
    ]
    assert set(layer.undated) == {"person.person", "game.live_game_v1 year=2024/month=13/day=01"}
    left = dict(layer.left)
    assert left[f"{game}/year=2019"] == "a symbolic link"
    assert left[f"{game}/year=2024/month=08/day=30/part-9.avro"] == "a symbolic link"
    assert left[f"{game}/year=2024/month=08/day=30/notes.txt"] == "no avro file"
    assert {"part-0.avro", f"{game}/odd name/part-0.avro", "game/date=2020-01-01/part-0.avro"} <= set(left)
    assert (kept.layer, kept.oldest_kept, kept.tables) == ("normalized", None, ())
    again = retention(config, on=TODAY, apply=True)
    assert again.files == 0


def test_a_layer_that_is_a_link_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "outside/game/x/date=2020-01-01/part-0.avro")
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "raw").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigurationError, match="is a symbolic link"):
        retention(configured(tmp_path, raw={"retention_days": 1}), apply=True)


def test_retention_of_delta_tables_deletes_and_vacuums_as_delta_does(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    rows = pa.table({"season": ["2019", "2023", "2024", None], "n": [1, 2, 3, 4]})
    path = str(lake / "analytics" / "team_travel")
    write_deltalake(path, rows, partition_by=["season"])
    write_deltalake(str(lake / "other" / "table"), rows, partition_by=["season"])
    config = configured(tmp_path, normalized={}, analytics={"partition_by": ["season"], "retention_days": 365})
    dry = retention(config, layers=("analytics",), on=TODAY)
    assert DeltaTable(path).version() == 0
    done = retention(config, layers=("analytics",), on=TODAY, apply=True)
    assert dry.layers[0].tables == done.layers[0].tables
    (table,) = done.layers[0].tables
    assert (table.table, table.partitions, table.files) == ("analytics.team_travel", ("season=2019",), 1)
    assert done.layers[0].undated == ("analytics.team_travel season=__HIVE_DEFAULT_PARTITION__",)
    left = DeltaTable(path)
    assert left.version() == 1
    assert sorted(left.to_pyarrow_table()["n"].to_pylist()) == [2, 3, 4]
    assert DeltaTable(path, version=0).to_pyarrow_table().num_rows == 4  # for a week
    assert DeltaTable(str(lake / "other" / "table")).version() == 0
    assert retention(config, layers=("analytics",), on=TODAY, apply=True).layers[0].tables == ()


def test_the_retention_command_is_a_dry_run_unless_told(tmp_path: Path) -> None:
    (file,) = put(tmp_path / "lake", "raw/game/x/date=2020-01-01/part-0.avro")
    config = configured(tmp_path, raw={"retention_days": 1})
    run = CliRunner()
    shown = run.invoke(build(), ["retention", "--config", str(config)])
    assert shown.exit_code == 0
    assert "would remove: game.x date=2020-01-01" in shown.output
    assert file.exists()
    done = run.invoke(build(), ["retention", "--config", str(config), "--apply", "--json"])
    found = json.loads(done.stdout)
    assert (found["removed"], found["files"], found["bytes"]) == (True, 1, 5)
    assert not file.exists()
    both = run.invoke(build(), ["retention", "--config", str(config), "--apply", "--dry-run"])
    assert isinstance(both.exception, ConfigurationError)
    wrong = run.invoke(build(), ["retention", "--config", str(config), "--layer", "row"])
    assert "Did you mean 'raw'?" in str(wrong.exception)


def test_the_export_command_says_what_it_lacks(tmp_path: Path) -> None:
    run = CliRunner()
    config = configured(tmp_path, raw={})
    lacking = run.invoke(build(), ["export", "--config", str(config)])
    assert "Give --source FILE, FOLDER or GLOB of captures" in str(lacking.exception)
    nowhere = run.invoke(build(), ["export", "--config", str(tmp_path / "none.yaml"), "--json"])
    assert "can't be read" in str(nowhere.exception)
    assert json.loads(nowhere.stdout)["status"] == "failed"


# Small files, and what is done


def test_small_files_of_a_partition_are_joined_row_for_row(tmp_path: Path) -> None:
    for n in range(3):
        for day in ("2024-07-12", "2024-07-13"):
            folder = tmp_path / "game" / "plays" / f"game_date={day}"
            folder.mkdir(parents=True, exist_ok=True)
            more = {"later": [n]} if n else {}
            pq.write_table(pa.table({"n": [n], "text": [f"{day} {n}"]} | more), folder / f"part-{n}.parquet")
    writer = FileWriter("parquet", str(tmp_path), {})
    writer.prepare()
    expected = [(n, f"{day} {n}", n or None) for n in range(3) for day in ("2024-07-12", "2024-07-13")]
    assert writer.compact(["game.plays", "game.none"]) == {"game.plays": (6, 2)}
    found = [pq.ParquetFile(file) for file in sorted((tmp_path / "game" / "plays").rglob("*.parquet"))]
    assert [one.metadata.num_row_groups for one in found] == [1, 1]
    rows = [(row["n"], row["text"], row["later"]) for one in found for row in one.read().to_pylist()]
    assert sorted(rows, key=lambda row: row[:2]) == expected
    assert writer.compact(["game.plays"]) == {}


def test_what_is_done_counts_for_the_same_mapping_and_days_only(tmp_path: Path) -> None:
    house = Lakehouse(str(tmp_path))
    Progress.of(house, "game.x", "mapping 1", date(2024, 7, 1)).save(["a", "b"])
    assert Progress.of(house, "game.x", "mapping 1", date(2024, 7, 2)).seen == {"a", "b"}
    assert Progress.of(house, "game.x", "mapping 2", date(2024, 7, 2)).seen == set()
    assert Progress.of(house, "game.x", "mapping 1", date(2024, 6, 30)).seen == set()
    assert Progress.of(house, "game.x", "mapping 1", None).seen == set()
    (tmp_path / "_mlbsdk" / "exported" / "game.x.json").write_text("{", encoding="utf-8")
    assert Progress.of(house, "game.x", "mapping 1", date(2024, 7, 2)).seen == set()
