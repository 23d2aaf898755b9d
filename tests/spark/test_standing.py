"""Queries that stand give what queries made anew give, batch after batch, and leave nothing behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import LoadedMapping, load_file
from mlbsdk.plugin import BaseTransformation
from mlbsdk.report import RunReport
from mlbsdk.runtime import standing as standing_module
from mlbsdk.runtime import transformation as module
from mlbsdk.runtime.arrow import table_rows
from mlbsdk.runtime.sources import FileSource
from mlbsdk.runtime.standing import StandingQueries
from mlbsdk.runtime.transformation import OnError, TransformMode, new_report
from tests.mini import MAPPING, Capture, save
from tests.spark.test_transformation import Jobs, plan_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

STARTED = datetime(2026, 4, 1, 12, 30, 15, 123457, tzinfo=timezone.utc)
BATCHES = [
    [Capture(1, 0)],
    [Capture(1, 1)],
    [Capture(1, 2), Capture(2, 0), Capture(3, 5)],
    [Capture(1, 0), Capture(1, 3), Capture(2, 1)],
    [],
    [Capture(3, 1)],
]


@pytest.fixture
def mini() -> LoadedMapping:
    return load_file(MAPPING)


@pytest.fixture
def standing(spark: SparkSession, mini: LoadedMapping) -> Iterator[StandingQueries]:
    before = persistent(spark)
    queries = StandingQueries(spark, compile_mapping(mini))
    yield queries
    queries.close()
    assert persistent(spark) == before


def persistent(spark: SparkSession) -> int:
    return int(spark.sparkContext._jsc.getPersistentRDDs().size())  # type: ignore[union-attr]


def steps(
    spark: SparkSession, mapping: LoadedMapping, folder: Path, standing: StandingQueries | None = None
) -> BaseTransformation:
    report: RunReport = new_report(compile_mapping(mapping), "", "", "streaming", "the-run")
    report.started_at = STARTED
    source = FileSource(str(folder), {})
    return BaseTransformation(
        spark,
        mapping,
        TransformMode.STREAMING,
        source=source,
        on_error=OnError.QUARANTINE,
        report=report,
        standing=standing,
    )


def rows(one: BaseTransformation) -> dict[str, list[str]]:
    """Return the rows of every table as sorted text, and what was made of the captures."""
    try:
        tables = one.transform(one.read_source())
        found = {
            name: sorted(map(repr, table_rows(frame, one.plan.table(name)).to_pylist()))
            for name, frame in tables.items()
        }
        rejected = sorted(f"{entry.name}: {entry.reason}" for entry in one.intake.rejected)
        return found | {"documents": sorted(map(repr, one.intake.documents)), "rejected": rejected}
    finally:
        one.release()


def test_batch_after_batch_gives_what_new_queries_give(
    spark: SparkSession, mini: LoadedMapping, standing: StandingQueries, tmp_path: Path
) -> None:
    for number, captures in enumerate(BATCHES):
        folder = save(tmp_path / str(number), captures)
        if not captures:
            (folder / "empty.jsonl").write_text("\n")
        assert rows(steps(spark, mini, folder, standing)) == rows(steps(spark, mini, folder)), captures


def test_captures_that_are_no_documents_are_told_alike(
    spark: SparkSession, mini: LoadedMapping, standing: StandingQueries, tmp_path: Path
) -> None:
    folder = save(tmp_path / "captures", [Capture(1, 0)])
    (folder / "cut.json").write_text('{"gamePk": 2, "x": [')
    (folder / "other.json").write_text('{"people": []}')
    text = json.dumps(Capture(4, 0).document(), ensure_ascii=False).replace("minute 0", "Peña 大谷 \U0001f9e2 N")
    (folder / "no-text.json").write_bytes(text.encode().replace(b"\xc3\xb1", b"\xf1"))
    (folder / "text.json").write_text(text.replace('"gamePk": 4', '"gamePk": 5'), encoding="utf-8")
    found = rows(steps(spark, mini, folder, standing))
    assert found == rows(steps(spark, mini, folder))
    assert len(found["rejected"]) >= 2
    assert any("Peña 大谷 \U0001f9e2 N" in row for row in found["mini.games"])


def test_a_batch_is_parsed_once_and_its_queries_are_not_made_again(
    spark: SparkSession, mini: LoadedMapping, standing: StandingQueries, tmp_path: Path
) -> None:
    frames = []
    before = persistent(spark)
    for minute in range(2):
        one = steps(spark, mini, save(tmp_path / str(minute), [Capture(1, minute)]), standing)
        raw = one.read_source()
        jobs = Jobs(spark)
        begun = jobs.mark()
        tables = one.transform(raw)
        for name, frame in tables.items():
            table_rows(frame, one.plan.table(name))
        assert jobs.mark() - begun - 1 <= 2 + len(tables)
        assert persistent(spark) == before + 1
        for frame in tables.values():
            assert "InMemoryTableScan" in plan_of(frame)
        frames.append(tables)
        one.release()
        assert persistent(spark) == before
    assert all(frames[0][name] is frames[1][name] for name in frames[0])


def test_a_large_batch_goes_through_queries_of_its_own(
    spark: SparkSession,
    mini: LoadedMapping,
    standing: StandingQueries,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = save(tmp_path / "captures", [Capture(1, 0)])
    monkeypatch.setattr(module, "STANDING_BYTES", 10)
    assert rows(steps(spark, mini, folder, standing)) == rows(steps(spark, mini, folder))
    assert standing._made is None


def test_a_capture_that_is_longer_than_was_known_goes_through_queries_of_its_own(
    spark: SparkSession,
    mini: LoadedMapping,
    standing: StandingQueries,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = steps(spark, mini, save(tmp_path / "short", [Capture(1, 0)]), standing)
    assert rows(one)["mini.games"]
    made = standing._made
    assert made is not None
    folder = save(tmp_path / "captures", [Capture(1, 0), Capture(2, 0)])
    monkeypatch.setattr(standing_module, "_LONGEST", 100)
    assert rows(steps(spark, mini, folder, standing)) == rows(steps(spark, mini, folder))
    monkeypatch.undo()
    assert rows(steps(spark, mini, folder, standing)) == rows(steps(spark, mini, folder))
    assert standing._made is made


def test_where_executors_can_be_lost_documents_stay_persisted_while_tables_are_cut(
    spark: SparkSession, mini: LoadedMapping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(tmp_path / "captures", [Capture(1, 0), Capture(1, 1), Capture(2, 0)])
    expected = rows(steps(spark, mini, folder))
    monkeypatch.setattr(module, "is_here", lambda master: False)
    one = steps(spark, mini, folder)
    before = persistent(spark)
    tables = one.transform(one.read_source())
    assert persistent(spark) == before + 1
    for name, frame in tables.items():
        assert "InMemoryTableScan" in plan_of(frame), name
    one.release()
    assert persistent(spark) == before
    assert rows(steps(spark, mini, folder)) == expected
