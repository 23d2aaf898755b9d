"""The transformation as a Python object: its steps, what it asks of their results, and how little work they are."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mlbsdk
from mlbsdk.errors import EnvironmentProblem, RawSchemaError, TargetSchemaError
from mlbsdk.mapping.load import LoadedMapping, load_file
from mlbsdk.plugin import BaseTransformation
from mlbsdk.report import TableReport
from mlbsdk.runtime.batch import Batch, TableWritten
from mlbsdk.runtime.raw import RAW_SCHEMA
from mlbsdk.runtime.run import load_mapping
from mlbsdk.runtime.sources import FileSource
from mlbsdk.runtime.sql import Over
from mlbsdk.runtime.transformation import OnError, transformation_for
from mlbsdk.writers.delta import DeltaWriter
from tests.mini import MAPPING, TABLES, Capture, ordered, save

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark


@pytest.fixture
def mini() -> LoadedMapping:
    return load_file(MAPPING)


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    return save(tmp_path / "captures", [Capture(1, 0), Capture(1, 1), Capture(2, 0)])


def test_the_four_steps_one_by_one(spark: SparkSession, mini: LoadedMapping, captures: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    steps = BaseTransformation(spark, mini, source=FileSource(str(captures), {}), writer=DeltaWriter(str(target), {}))
    raw = steps.read_source()
    assert set(raw.columns) == set(RAW_SCHEMA)
    assert steps.validate_schema(raw)
    tables = steps.transform(raw)
    assert list(tables) == ["mini.games", "mini.plays", "mini.players"]
    assert steps.validate_schema(tables["mini.plays"], "mini.plays")
    assert sorted((row.game_pk, row.state) for row in tables["mini.games"].collect()) == [
        (1, "minute 1"),
        (2, "minute 0"),
    ]
    assert steps.writer is not None
    steps.writer.prepare()
    written = steps.write_targets(tables)
    assert written["mini.games"].inserted == 2
    steps.release()


def test_raw_rows_with_other_columns_are_refused(spark: SparkSession, mini: LoadedMapping) -> None:
    raw = spark.createDataFrame([("{}", 1, "x")], "data string, status_code bigint, colour string")
    with pytest.raises(RawSchemaError) as caught:
        BaseTransformation(spark, mini).transform(raw)
    message = str(caught.value)
    assert "column 'captured_at' is missing" in message
    assert "column 'colour' is not in the schema" in message
    assert "column 'status_code' is long, not int" in message


def test_a_session_in_ansi_mode_is_refused(spark: SparkSession, mini: LoadedMapping) -> None:
    own = spark.newSession()
    own.conf.set("spark.sql.ansi.enabled", "true")
    with pytest.raises(EnvironmentProblem, match=r"ANSI mode.*spark\.sql\.ansi\.enabled"):
        BaseTransformation(own, mini)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda frame: frame.drop("event"), "column 'event' is missing"),
        (lambda frame: frame.withColumn("colour", frame.event), "column 'colour' is not in the schema"),
        (lambda frame: frame.withColumn("speed", frame.event), r"column 'speed' is string, not decimal\(5,2\)"),
        (lambda frame: frame.withColumn("lineage_metadata", frame.event), "'lineage_metadata' is string, not record<"),
    ],
)
def test_a_subclass_that_returns_other_columns_is_refused_before_anything_is_written(
    spark: SparkSession,
    mini: LoadedMapping,
    captures: Path,
    tmp_path: Path,
    change: Callable[[DataFrame], DataFrame],
    told: str,
) -> None:
    class Changed(BaseTransformation):
        def transform(self, source: DataFrame) -> dict[str, DataFrame]:
            tables = super().transform(source)
            return tables | {"mini.plays": change(tables["mini.plays"])}

    writer = DeltaWriter(str(tmp_path / "out"), {})
    writer.prepare()
    steps = Changed(spark, mini, source=FileSource(str(captures), {}), writer=writer)
    with pytest.raises(TargetSchemaError, match=told):
        steps.write_targets(steps.transform(steps.read_source()))
    assert not (tmp_path / "out" / "mini").exists()


def test_a_subclass_may_change_rows(spark: SparkSession, mini: LoadedMapping, captures: Path, tmp_path: Path) -> None:
    from pyspark.sql.functions import upper

    class Shouted(BaseTransformation):
        def transform(self, source: DataFrame) -> dict[str, DataFrame]:
            tables = super().transform(source)
            return tables | {"mini.games": tables["mini.games"].withColumn("state", upper("state"))}

    steps = Shouted(spark, mini, source=FileSource(str(captures), {}))
    assert {row.state for row in steps.transform(steps.read_source())["mini.games"].collect()} == {
        "MINUTE 0",
        "MINUTE 1",
    }


def test_an_endpoint_without_a_class_gets_one_of_its_name() -> None:
    made = transformation_for("game.linescore")
    assert (made.__name__, made.name, made.__mro__[1]) == (
        "GameLinescoreTransformation",
        "game.linescore",
        BaseTransformation,
    )


def test_a_run_from_python(spark: SparkSession, captures: Path, tmp_path: Path) -> None:
    request = mlbsdk.RunRequest(
        name="mini.game", mapping=MAPPING, source=str(captures), target=f"parquet:{tmp_path / 'out'}"
    )
    report = mlbsdk.run(request, spark=spark)
    assert isinstance(report, mlbsdk.RunReport)
    assert (report.status, report.documents.read, report.documents.newest) == ("completed", 3, 2)


# How much work


class Jobs:
    """Counts the Spark jobs of the session: ids are consecutive, so a tiny job before and after tells."""

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark

    def mark(self) -> int:
        context = self.spark.sparkContext
        group = f"mark {time.monotonic_ns()}"
        context.setJobGroup(group, group)
        self.spark.range(1).write.format("noop").mode("overwrite").save()
        context.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]
        while not (found := context.statusTracker().getJobIdsForGroup(group)):
            time.sleep(0.01)
        return max(found)


@pytest.fixture(scope="module")
def game(spark: SparkSession) -> LoadedMapping:
    from mlbsdk.plugins import Plugins

    return load_mapping(Plugins.load().transform("game.live_game_v1"))


@pytest.fixture
def live(spark: SparkSession, game: LoadedMapping, live_game: Path, tmp_path: Path) -> Iterator[BaseTransformation]:
    writer = DeltaWriter(str(tmp_path / "out"), {})
    writer.prepare()
    steps = BaseTransformation(spark, game, source=FileSource(str(live_game), {}), writer=writer)
    yield steps
    steps.release()


def plan_of(frame: DataFrame) -> str:
    """Return the executed plan as text."""
    return str(frame._jdf.queryExecution().executedPlan().toString())  # type: ignore[operator]


@pytest.mark.parametrize("small", [512 * 1024 * 1024, 0], ids=["in memory", "in a mapped file"])
def test_a_run_takes_few_jobs_and_parses_each_document_once(
    small: int, spark: SparkSession, live: BaseTransformation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlbsdk.runtime.transformation.SMALL_BATCH_BYTES", small)
    jobs = Jobs(spark)
    begun = jobs.mark()
    tables = live.transform(live.read_source())
    parsed = jobs.mark()
    live.write_targets(tables)
    written = jobs.mark()
    assert parsed - begun - 1 <= 2  # parse and hold; look at the documents
    assert written - parsed - 1 <= len(tables)  # one job a table, whose rows leave Spark as Arrow
    for name, frame in tables.items():
        plan = plan_of(frame)
        assert "from_json" not in plan, name  # cut from what is parsed already
        assert not re.search("Python|ArrowEval", plan), name
        assert "Exchange" not in plan, name  # no row moves between partitions


def test_documents_are_parsed_by_more_tasks_than_cut_a_table(spark: SparkSession, live: BaseTransformation) -> None:
    raw = live.read_source().repartition(5)
    held, found = live._parsed(raw)
    assert len(found) == 1
    assert held.intake.rdd.getNumPartitions() == 5
    assert {frame.rdd.getNumPartitions() for frame in held.ready.values()} == {1}


def test_tables_are_made_while_documents_are_parsed(live: BaseTransformation, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    run = Over.run

    def counted(over: Over, query: str) -> DataFrame:
        asked.append(query)
        return run(over, query)

    monkeypatch.setattr(Over, "run", counted)
    held, _ = live._parsed(live.read_source())
    made = len(asked)
    held.choose(frozenset([0]), frozenset([0]))
    assert held.cut("game.live_game_plays", live.stamp, frozenset([0])) is held.ready["game.live_game_plays"]
    assert len(asked) == made  # all captures count: nothing is asked again


def test_a_run_that_spark_commits_takes_at_most_three_jobs_a_table(
    spark: SparkSession, live: BaseTransformation
) -> None:
    spark.conf.set("spark.mlbsdk.arrow", "false")
    try:
        jobs = Jobs(spark)
        begun = jobs.mark()
        tables = live.transform(live.read_source())
        live.write_targets(tables)
        assert jobs.mark() - begun - 1 <= 3 * len(tables)
    finally:
        spark.conf.unset("spark.mlbsdk.arrow")


def stored_on_disk(spark: SparkSession) -> dict[int, tuple[int, int]]:
    """Return by id the partitions, and those that are stored, of what is held on disk alone."""
    infos = spark.sparkContext._jsc.sc().getRDDStorageInfo()
    return {
        int(info.id()): (int(info.numPartitions()), int(info.numCachedPartitions()))
        for info in infos
        if not info.storageLevel().useMemory()
    }


def test_rows_of_a_batch_that_spark_commits_are_cut_once_and_given_back(
    spark: SparkSession, mini: LoadedMapping, captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = DeltaWriter(str(tmp_path / "out"), {})
    writer.prepare()
    steps = BaseTransformation(spark, mini, source=FileSource(str(captures), {}), writer=writer)
    commits_by_spark(monkeypatch)
    before = stored_on_disk(spark)
    seen: dict[int, tuple[int, int]] = {}
    write = DeltaWriter.write

    def looked_at(writer: DeltaWriter, batch: Batch) -> Mapping[str, TableWritten]:
        seen.update({held: found for held, found in stored_on_disk(spark).items() if held not in before})
        return write(writer, batch)

    monkeypatch.setattr(DeltaWriter, "write", looked_at)
    tables = steps.transform(steps.read_source())
    written = steps.write_targets(tables)
    assert written["mini.plays"].inserted > 0
    assert len(seen) == len(tables)
    assert all(stored == partitions for partitions, stored in seen.values())  # by judging, before any is written
    steps.release()
    assert stored_on_disk(spark) == before


def in_a_mapped_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have rows take the way of a large batch, and be compared and written in small pieces."""
    monkeypatch.setattr("mlbsdk.runtime.transformation.SMALL_BATCH_BYTES", 0)
    monkeypatch.setattr("mlbsdk.writers.changes._COMPARED", 1)
    monkeypatch.setattr("mlbsdk.writers.partitions._PIECE", 2)
    monkeypatch.setattr("mlbsdk.writers.turns.LARGE", 0)


def commits_by_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have rows take the way of a batch that is too large to leave Spark."""
    monkeypatch.setattr("mlbsdk.runtime.transformation.SMALL_BATCH_BYTES", 0)
    monkeypatch.setattr("mlbsdk.runtime.transformation.ARROW_BATCH_BYTES", 0)


@pytest.mark.parametrize("format", ["parquet", "delta"])
@pytest.mark.parametrize("large", [in_a_mapped_file, commits_by_spark])
def test_large_batches_make_the_tables_that_small_ones_make(
    large: Callable[[pytest.MonkeyPatch], None],
    format: str,
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches = [[Capture(1, 0), Capture(1, 1), Capture(2, 0)], [Capture(1, 4), Capture(2, 0), Capture(3, 2)]]
    sources = [save(tmp_path / f"batch {number}", batch) for number, batch in enumerate(batches)]
    refused = next(sources[1].glob("3-*"))
    refused.write_text(refused.read_text().replace('"speed": ', '"speed": 10', 1))

    def run(target: Path) -> list[dict[str, TableReport]]:
        requests = [
            mlbsdk.RunRequest(
                name="mini.game",
                mapping=MAPPING,
                source=str(source),
                target=f"{format}:{target}",
                on_error=OnError.QUARANTINE,
            )
            for source in sources
        ]
        return [mlbsdk.run(request, spark=spark).tables for request in requests]

    small = run(tmp_path / "small")
    assert small[1]["mini.plays"].quarantined
    assert small[1]["mini.plays"].updated
    large(monkeypatch)
    assert run(tmp_path / "large") == small
    for table in TABLES:
        folders = [str(tmp_path / size / table.replace(".", "/")) for size in ("small", "large")]
        ours, theirs = (
            [row.asDict() for row in spark.read.format(format).load(folder).collect()] for folder in folders
        )
        assert ordered(ours) == ordered(theirs)
