"""Streams: every capture once in the tables, however it arrives and wherever a stream stops."""

from __future__ import annotations

import gzip
import json
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mlbsdk
from mlbsdk import SourceDecl, StreamRequest, hookimpl
from mlbsdk.errors import (
    ConfigurationError,
    DocumentsRejectedError,
    PluginContractError,
    QualityGateError,
    SourceError,
    WriteError,
)
from mlbsdk.mapping.model import Mapping as TransformMapping
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport
from mlbsdk.runtime.batch import Batch
from mlbsdk.runtime.raw import RawBatch
from mlbsdk.runtime.sources import FileSource
from mlbsdk.runtime.transformation import OnError
from mlbsdk.writers.delta import DeltaWriter
from tests.integration.test_crash import read, read_table, rows_after
from tests.mini import MAPPING, Capture

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

FIRST = [Capture(1, 0), Capture(2, 1)]
SECOND = [Capture(1, 2), Capture(2, 0), Capture(3, 1)]


class Log:
    """A listener that keeps what it was told, and may act on each batch."""

    def __init__(self, on_batch: Callable[[int], object] = lambda batch_id: None) -> None:
        self.events: list[str] = []
        self.rows: list[int] = []
        self.on_batch = on_batch

    def run_started(self, report: RunReport) -> None:
        self.events.append("started")

    def phase_changed(self, report: RunReport, phase: str) -> None:
        pass

    def batch_written(self, report: RunReport, batch_id: int) -> None:
        self.events.append(f"batch {batch_id}")
        assert report.stream is not None
        assert report.stream.last is not None
        self.rows.append(report.stream.last.rows)
        self.on_batch(batch_id)

    def run_completed(self, report: RunReport) -> None:
        self.events.append("completed")

    def run_failed(self, report: RunReport, error: BaseException) -> None:
        self.events.append(f"failed: {type(error).__name__}")


@dataclass
class Stream:
    """A stream of one test: its folder of captures, its target, and how it is started."""

    spark: SparkSession
    folder: Path
    scheme: str = "delta"
    plugins: Plugins = field(default_factory=Plugins.load)
    request: dict[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        return self.folder / "in"

    @property
    def target(self) -> Path:
        return self.folder / "out"

    def put(self, name: str, content: bytes | str) -> None:
        """Move a file into the folder, whole."""
        draft = self.folder / "draft"
        draft.write_bytes(content if isinstance(content, bytes) else content.encode())
        place = self.source / name
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.rename(place)

    def add(self, captures: Iterable[Capture]) -> None:
        for capture in captures:
            self.put(f"{capture.game}/{capture.minute}.json", json.dumps(capture.document()))

    def start(self, *listeners: Log, stop: threading.Event | None = None, **changes: Any) -> RunReport:
        wanted: dict[str, Any] = {
            "name": "mini.game",
            "mapping": MAPPING,
            "source": str(self.source),
            "target": f"{self.scheme}:{self.target}",
            "trigger": "available-now",
        }
        request = StreamRequest(**(wanted | self.request | changes))
        return mlbsdk.stream(request, self.plugins, self.spark, listeners, stop)

    def follow(self, log: Log, stop: threading.Event, **changes: Any) -> RunReport:
        """Start with a trigger; the log must set ``stop``, or something else end it."""
        return self.start(log, stop=stop, trigger="50ms", **changes)

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        return read(self.scheme, self.target)

    def refused(self) -> list[tuple[str, str]]:
        """Return name and reason of what is in quarantine."""
        rows = read_table(self.scheme, self.target / "mlbsdk" / "quarantine")
        return sorted((Path(row["source_row_id"]).name, row["reason"]) for row in rows)

    def versions(self) -> list[int]:
        return [DeltaTable(str(path.parent)).version() for path in sorted(self.target.rglob("_delta_log"))]

    def commits(self) -> list[str]:
        (folder,) = (self.target / "_mlbsdk" / "checkpoints").iterdir()
        return sorted(path.name for path in (folder / "commits").glob("[0-9]*"))


@pytest.fixture
def stream(spark: SparkSession, tmp_path: Path) -> Stream:
    made = Stream(spark, tmp_path)
    made.source.mkdir()
    return made


# Files


@pytest.mark.parametrize("scheme", ["delta", "parquet"])
def test_a_growing_folder_is_followed_over_several_starts(stream: Stream, scheme: str) -> None:
    stream.scheme = scheme
    assert stream.start().stream.batches == 0  # type: ignore[union-attr]  # the folder is empty still
    stream.add(FIRST)
    first = Log()
    report = stream.start(first)
    assert first.events == ["started", "batch 0", "completed"]
    assert (report.mode, report.documents.read, report.documents.newest) == ("streaming", 2, 2)
    assert stream.tables() == rows_after(FIRST)
    stream.add(SECOND)
    second = Log()
    stream.start(second)
    assert second.events == ["started", "batch 1", "completed"]
    assert stream.tables() == rows_after([*FIRST, *SECOND])


def test_a_start_without_new_captures_changes_nothing(stream: Stream) -> None:
    stream.add(FIRST)
    stream.start()
    before, commits, log = stream.versions(), stream.commits(), Log()
    report = stream.start(log)
    assert log.events == ["started", "completed"]
    assert (report.status, report.documents.read, report.tables) == ("completed", 0, {})
    assert report.stream is not None
    assert (report.stream.batches, report.stream.last, report.stream.ended_by) == (0, None, "available")
    assert (stream.versions(), stream.commits()) == (before, commits)


def test_captures_that_come_while_it_runs_are_written(stream: Stream) -> None:
    stop = threading.Event()
    late = [*SECOND]

    def next_capture(batch_id: int) -> None:
        if late:
            stream.add([late.pop()])
        else:
            stop.set()

    stream.add(FIRST)
    log = Log(next_capture)
    report = stream.follow(log, stop)
    assert log.events == ["started", *(f"batch {number}" for number in range(4)), "completed"]
    assert report.stream is not None
    assert (report.stream.batches, report.stream.ended_by, report.documents.read) == (4, "stop", 5)
    assert report.stream.last is not None
    assert (report.stream.last.batch_id, report.stream.last.documents.read) == (3, 1)
    assert sum(log.rows) == sum(table.rows for table in report.tables.values())
    assert stream.tables() == rows_after([*FIRST, *SECOND])


CAPTURES = [Capture(game, minute) for game in (1, 2) for minute in range(4)]
FILES = ("json", "json.gz", "jsonl", "ndjson.gz", "several")


def file_of(kind: str, captures: Sequence[Capture], number: int) -> Iterator[tuple[str, bytes]]:
    texts = [json.dumps(capture.document()) for capture in captures]
    if kind in ("json", "json.gz"):
        for index, text in enumerate(texts):
            data = text.encode()
            yield f"{number}/{index}.{kind}", gzip.compress(data) if kind.endswith("gz") else data
        return
    data = "\n".join(texts).encode()
    if kind == "several":
        yield f"{number}.json", b"\n".join(json.dumps(c.document(), indent=1).encode() for c in captures)
    else:
        yield f"{number}.{kind}", gzip.compress(data) if kind.endswith("gz") else data


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_split_of_captures_into_files_and_starts_equals_one_batch(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    stream = Stream(spark, tmp_path_factory.mktemp("split"))
    stream.source.mkdir()
    left = data.draw(st.permutations(CAPTURES))
    number = 0
    while left:
        for _ in range(data.draw(st.integers(1, 2), label="files of a start")):
            count = data.draw(st.integers(1, 5), label="captures of a file")
            taken, left = left[:count], left[count:]
            for name, content in file_of(data.draw(st.sampled_from(FILES)), taken, number):
                stream.put(name, content)
            number += 1
        stream.start()
    assert stream.tables() == rows_after(CAPTURES)


def test_files_with_old_times_and_odd_names_are_read_too(stream: Stream) -> None:
    import os

    stream.request["source"] = str(stream.folder / "in [1] {é} x")
    stream.add(FIRST)
    stream.source.rename(stream.request["source"])
    stream.start()
    old = Path(stream.request["source"]) / "a#b%20?[c].json"
    old.write_text(json.dumps(SECOND[0].document()))
    os.utime(old, (1_000_000_000, 1_000_000_000))
    stream.start()
    assert stream.tables() == rows_after([*FIRST, SECOND[0]])


@pytest.mark.parametrize(
    ("glob", "found"),
    [("*/0.json", [(1, 0), (2, 0)]), ("1", [(1, 0), (1, 2)]), ("[2]/**/*.json", [(2, 0), (2, 1)]), ("*/*.gz", [])],
)
def test_a_glob_is_followed(stream: Stream, glob: str, found: list[tuple[int, int]]) -> None:
    if "*" in glob:
        stream.start(source=f"{stream.source}/{glob}")  # nothing matches yet
    stream.add([*FIRST, *SECOND[:2]])
    report = stream.start(source=f"{stream.source}/{glob}")
    assert report.documents.read == len(found)
    if found:
        assert stream.tables()["mini.games"] == rows_after([Capture(*one) for one in found])["mini.games"]


def test_files_that_hold_nothing_to_read_are_rejected_by_name(stream: Stream) -> None:
    stream.add(FIRST)
    stream.put("empty.json", "")
    stream.put("blank.jsonl", "\n\n")
    stream.put("cut.json.gz", gzip.compress(json.dumps(SECOND[0].document()).encode())[:60])
    stream.put("text.json", "{no json")
    stream.put("passed over.txt", "")
    stream.put(".being-written.json", "{")
    report = stream.start()
    assert (report.documents.read, report.documents.newest, report.documents.rejected) == (6, 2, 4)
    assert [name for name, _ in stream.refused()] == ["blank.jsonl", "cut.json.gz", "empty.json", "text.json"]
    assert [reason.partition(" (")[0] for _, reason in stream.refused()] == [
        "it is empty",
        "its gzip is cut off or damaged",
        "it is empty",
        "it is not JSON, or is cut off",
    ]
    assert report.stream is not None
    assert report.stream.last is not None
    assert len(report.stream.last.errors) == 4
    assert stream.tables() == rows_after(FIRST)


def test_a_batch_of_nothing_but_bad_captures_does_not_stop_the_stream(stream: Stream) -> None:
    stop = threading.Event()
    stream.put("a.json", '{"gamePk": null}')
    stream.put("b.json", "")
    log = Log(lambda batch_id: stop.set() if batch_id else stream.add(FIRST))
    report = stream.follow(log, stop)
    assert log.events == ["started", "batch 0", "batch 1", "completed"]
    assert (report.documents.rejected, report.documents.newest) == (2, 2)
    assert [name for name, _ in stream.refused()] == ["a.json", "b.json"]
    assert stream.tables() == rows_after(FIRST)


@pytest.mark.parametrize("scheme", ["delta", "parquet"])
def test_bad_captures_alone_reach_an_empty_target(stream: Stream, scheme: str) -> None:
    stream.scheme = scheme
    stream.put("a.json", "{")
    stream.start()
    assert [name for name, _ in stream.refused()] == ["a.json"]
    stream.add(FIRST)
    stream.start()
    assert stream.tables() == rows_after(FIRST)


def test_under_fail_a_bad_capture_stops_the_stream_until_it_is_gone(stream: Stream) -> None:
    stream.add(FIRST)
    stream.put("a.json", "{")
    log = Log()
    for _ in range(2):  # nothing was committed, so the same batch fails again
        with pytest.raises(DocumentsRejectedError, match=r"1 of 3 captures can't be used: .*a\.json"):
            stream.start(log, on_error=OnError.FAIL)
    assert log.events == ["started", "failed: DocumentsRejectedError"] * 2
    assert stream.commits() == []
    assert stream.tables()["mini.games"] == []
    stream.start(on_error=OnError.QUARANTINE)
    assert stream.tables() == rows_after(FIRST)


def test_rows_that_break_a_rule_go_to_quarantine_or_stop_the_stream(stream: Stream) -> None:
    bad = Capture(2, 1).document() | {"gamePk": -2}
    stream.add([Capture(1, 0)])
    stream.put("bad.json", json.dumps(bad))
    with pytest.raises(QualityGateError):
        stream.start(on_error=OnError.FAIL)
    report = stream.start()
    assert report.tables["mini.games"].quarantined == 1
    assert [(rule.rule, rule.failed) for rule in report.quality] == [("game_pk_positive", 1)]
    assert stream.tables()["mini.games"] == rows_after([Capture(1, 0)])["mini.games"]


def test_a_file_that_is_gone_before_it_is_read_is_rejected(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.add(FIRST)
    original = DeltaWriter.write

    def crash(writer: DeltaWriter, batch: Batch) -> Any:
        raise WriteError("no space")

    monkeypatch.setattr(DeltaWriter, "write", crash)
    with pytest.raises(WriteError):
        stream.start()
    monkeypatch.setattr(DeltaWriter, "write", original)
    (stream.source / "1" / "0.json").unlink()
    report = stream.start()
    assert (report.documents.newest, report.documents.rejected) == (1, 1)
    assert "No such file" in report.errors[0]


# What a batch is


def test_each_batch_is_stamped_with_its_own_start_and_the_run_of_the_stream(stream: Stream) -> None:
    stop = threading.Event()
    stream.add([Capture(1, 0)])
    log = Log(lambda batch_id: stop.set() if batch_id else stream.add([Capture(2, 0)]))
    before = datetime.now(timezone.utc)
    report = stream.follow(log, stop)
    rows = read_table("delta", stream.target / "mini" / "games")
    first, second = sorted(rows, key=lambda row: int(row["game_pk"]))
    assert before < first["transform_timestamp"] < second["transform_timestamp"]
    assert {row["lineage_metadata"]["run_id"] for row in rows} == {report.run_id}
    assert all(row["lineage_metadata"]["transform_timestamp"] == row["transform_timestamp"] for row in rows)


def test_small_batches_leave_spark_as_arrow_and_nothing_stays_held(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Batch] = []
    original = DeltaWriter.write

    def spy(writer: DeltaWriter, batch: Batch) -> Any:
        seen.append(batch)
        return original(writer, batch)

    monkeypatch.setattr(DeltaWriter, "write", spy)
    before = stream.spark.sparkContext._jsc.getPersistentRDDs().size()  # type: ignore[union-attr]
    for captures in (FIRST, SECOND):
        stream.add(captures)
        stream.start()
    assert [batch.batch_id for batch in seen] == [0, 1]
    assert all(rows.arrow is not None for batch in seen for rows in batch.tables.values())
    assert stream.spark.sparkContext._jsc.getPersistentRDDs().size() == before  # type: ignore[union-attr]


def test_lineage_says_that_it_streams(stream: Stream) -> None:
    stop = threading.Event()
    stream.add([Capture(1, 0)])
    stream.follow(Log(lambda batch_id: stop.set() if batch_id else stream.add([Capture(2, 0)])), stop)
    (file,) = stream.target.glob("_mlbsdk/**/lineage.jsonl")
    events = [json.loads(line) for line in file.read_text().splitlines()]
    of_run = [event for event in events if event["job"]["name"] == "mini.game"]
    assert [event["eventType"] for event in of_run] == ["START", "RUNNING", "RUNNING", "ABORT"]
    assert {event["job"]["facets"]["jobType"]["processingType"] for event in events} == {"STREAMING"}
    of_tables = [event for event in events if not event["job"]["name"].endswith(".quality")]
    assert {event["inputs"][0]["name"] for event in of_tables} == {str(stream.source)}


def test_a_listener_that_fails_stops_nothing(stream: Stream) -> None:
    def fail(batch_id: int) -> None:
        raise RuntimeError("no")

    stream.add(FIRST)
    report = stream.start(Log(fail))
    assert "Log.batch_written failed: RuntimeError: no" in report.notes


def test_the_report_is_saved_after_each_batch(stream: Stream) -> None:
    saved: list[Any] = []
    stop = threading.Event()
    stream.add(FIRST)

    def on_batch(batch_id: int) -> None:
        saved.extend(json.loads(path.read_text()) for path in (stream.target / "_mlbsdk" / "runs").glob("*.json"))
        if batch_id:
            stop.set()
        else:
            stream.add([SECOND[0]])

    report = stream.follow(Log(on_batch), stop)
    assert [(one["status"], one["stream"]["batches"]) for one in saved] == [("running", 1)]
    (path,) = (stream.target / "_mlbsdk" / "runs").iterdir()
    assert json.loads(path.read_text()) == report.to_json()
    assert report.to_json()["stream"]["ended_by"] == "stop"


# Delta


def raw_rows(captures: Iterable[Capture]) -> pa.Table:
    return pa.Table.from_pylist([{"id": f"{c.game}.{c.minute}", "data": json.dumps(c.document())} for c in captures])


def test_a_raw_table_in_delta_is_followed(stream: Stream) -> None:
    raw = stream.folder / "raw"
    stream.request["source"] = f"delta:{raw}"
    write_deltalake(str(raw), raw_rows(FIRST))
    assert stream.start().documents.read == 2
    DeltaTable(str(raw)).optimize.compact()
    write_deltalake(str(raw), raw_rows(SECOND), mode="append")
    assert stream.start().documents.read == 3
    assert stream.tables() == rows_after([*FIRST, *SECOND])
    ids = {row["lineage_metadata"]["source_row_id"] for row in read_table("delta", stream.target / "mini" / "games")}
    assert ids == {"1.2", "2.1", "3.1"}


def test_a_raw_table_whose_rows_are_changed_ends_the_stream(stream: Stream) -> None:
    raw = stream.folder / "raw"
    stream.request["source"] = f"delta:{raw}"
    write_deltalake(str(raw), raw_rows(FIRST))
    stream.start()
    DeltaTable(str(raw)).delete("id = '1.0'")
    with pytest.raises(SourceError, match="can't be followed any further"):
        stream.start()


@pytest.mark.parametrize("source", ["delta:{folder}/none", "{folder}/none", "{folder}/none/*.json"])
def test_a_source_that_is_not_there_is_told(stream: Stream, source: str) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        stream.start(source=source.format(folder=stream.folder))


# The checkpoint


def changed_mapping(stream: Stream) -> Path:
    path = stream.folder / "changed.yaml"
    path.write_text(MAPPING.read_text().replace("json_path: $.state", "json_path: $.date"))
    return path


def test_a_changed_mapping_is_refused_and_then_accepted(stream: Stream) -> None:
    stream.add([Capture(1, 0)])
    stream.start()
    stream.add([Capture(2, 0)])
    with pytest.raises(ConfigurationError, match="--accept-mapping-change"):
        stream.start(mapping=changed_mapping(stream))
    assert len(stream.tables()["mini.games"]) == 1
    stream.start(mapping=changed_mapping(stream), accept_mapping_change=True)
    states = {row["game_pk"]: row["state"] for row in stream.tables()["mini.games"]}
    assert states == {1: "minute 0", 2: "2024-07-01"}
    stream.start(mapping=changed_mapping(stream))
    with pytest.raises(ConfigurationError, match=r"the mapping of mini\.game is not the one"):
        stream.start()


def test_an_empty_checkpoint_reads_all_again_and_doubles_nothing(stream: Stream) -> None:
    stream.add([*FIRST, *SECOND])
    stream.start()
    report = stream.start(checkpoint=str(stream.folder / "a new [one]"))
    assert report.documents.read == 5
    assert all(table.inserted == table.updated == table.deleted == 0 for table in report.tables.values())
    assert stream.tables() == rows_after([*FIRST, *SECOND])


def test_a_damaged_checkpoint_is_told_before_anything_is_written(stream: Stream) -> None:
    stream.add(FIRST)
    report = stream.start()
    assert report.stream is not None
    (Path(report.stream.checkpoint) / "mlbsdk.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"damaged: mlbsdk\.json"):
        stream.start()


def test_a_checkpoint_of_another_source_is_refused(stream: Stream) -> None:
    stream.start(checkpoint=str(stream.folder / "checkpoint"))
    with pytest.raises(ConfigurationError, match="is of the source"):
        stream.start(checkpoint=str(stream.folder / "checkpoint"), source=str(stream.folder))


def test_an_error_in_a_batch_is_raised_itself_and_the_next_start_repeats_the_batch(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(writer: DeltaWriter, batch: Batch) -> Any:
        raise WriteError("no space")

    stream.add(FIRST)
    log = Log()
    with monkeypatch.context() as patched:
        patched.setattr(DeltaWriter, "write", crash)
        with pytest.raises(WriteError, match="no space"):
            stream.start(log)
    assert log.events == ["started", "failed: WriteError"]
    assert stream.commits() == []
    stream.add(SECOND)
    again = Log()
    stream.start(again)
    assert again.events == ["started", "batch 0", "batch 1", "completed"]
    assert stream.tables() == rows_after([*FIRST, *SECOND])


# When it ends


def test_a_stop_that_is_asked_for_in_a_batch_completes_and_commits_it(stream: Stream) -> None:
    stop = threading.Event()

    def ask(batch_id: int) -> None:
        stream.add(SECOND)  # there is more, but no batch begins
        stop.set()

    stream.add(FIRST)
    report = stream.follow(Log(ask), stop)
    assert report.stream is not None
    assert (report.status, report.stream.ended_by, report.stream.batches) == ("completed", "stop", 1)
    assert stream.commits() == ["0"]
    assert stream.tables() == rows_after(FIRST)
    stream.start()
    assert stream.tables() == rows_after([*FIRST, *SECOND])


def test_a_stop_before_the_first_batch_begins_none(stream: Stream) -> None:
    stop = threading.Event()
    stop.set()
    stream.add(FIRST)
    log = Log()
    assert stream.follow(log, stop).status == "completed"
    assert log.events == ["started", "completed"]


def test_it_ends_when_every_document_satisfies_the_condition(stream: Stream) -> None:
    stop = threading.Event()
    steps = [[Capture(2, 0)], [Capture(1, 2)], [Capture(1, 0)], [Capture(2, 2)], [Capture(3, 0)]]

    def next_step(batch_id: int) -> None:
        if steps:
            stream.add(steps.pop(0))
        else:
            stop.set()

    stream.add([Capture(1, 1)])
    log = Log(next_step)
    report = stream.follow(log, stop, until="state = 'minute 2'")
    assert report.stream is not None
    # (1, 0) comes late and says nothing; (3, 0) comes when the stream has ended.
    assert (report.stream.ended_by, report.stream.batches) == ("until", 5)
    assert stream.commits() == [str(number) for number in range(5)]


def test_a_condition_that_was_met_before_is_known_after_another_start(stream: Stream) -> None:
    condition = "state = 'minute 2'"
    stream.add([Capture(1, 2)])
    stream.start(until=condition)
    # Nothing new: without what was seen before, this would never end.
    report = stream.follow(Log(), threading.Event(), until=condition)
    assert report.stream is not None
    assert (report.stream.ended_by, report.stream.batches) == ("until", 0)
    stream.add([Capture(1, 3)])
    stop = threading.Event()
    log = Log(lambda batch_id: stream.add([Capture(1, 4)]) if batch_id == 1 else stop.set())
    stream.follow(log, stop, until=condition)
    assert log.events == ["started", "batch 1", "batch 2", "completed"]  # the newest capture no longer satisfies it


def test_it_ends_when_no_capture_comes(stream: Stream) -> None:
    stream.add(FIRST)
    report = stream.follow(Log(), threading.Event(), idle_timeout="500ms")
    assert report.stream is not None
    assert (report.stream.ended_by, report.stream.batches) == ("idle", 1)
    assert stream.commits() == ["0"]
    assert stream.tables() == rows_after(FIRST)


# Ranges


@dataclass
class Ranges:
    """Files in the order in which they came, as a source in ranges of at most ``step``; notes what it was asked."""

    folder: Path
    step: int
    asked: list[str]

    def prepare(self) -> int | None:
        return None

    def read(self, spark: SparkSession, mapping: TransformMapping) -> RawBatch:
        return RawBatch(FileSource(str(self.folder), {}).read(spark, mapping).frame, ("ranges", "all"))

    def dataset(self, mapping: TransformMapping) -> tuple[str, str]:
        return "ranges", "all"

    def next_range(self, spark: SparkSession, mapping: TransformMapping, after: str | None) -> str | None:
        begin = json.loads(after)[1] if after else 0
        there = len(list(self.folder.rglob("*.json")))
        return json.dumps([begin, min(there, begin + self.step)]) if there > begin else None

    def read_range(self, spark: SparkSession, mapping: TransformMapping, range: str) -> RawBatch:
        self.asked.append(range)
        begin, end = json.loads(range)
        files = sorted(self.folder.rglob("*.json"), key=lambda file: (file.stat().st_mtime_ns, file))[begin:end]
        frames = [FileSource(str(file), {}).read(spark, mapping).frame for file in files]
        return RawBatch(reduce(lambda one, other: one.unionByName(other), frames), ("ranges", "all"))


@pytest.fixture
def ranges(stream: Stream) -> Ranges:
    """Have the stream follow its folder in ranges of two files."""
    made = Ranges(stream.source, 2, [])

    def make(address: str, options: Mapping[str, object]) -> Ranges:
        return made

    def mlbsdk_sources() -> Iterable[SourceDecl]:
        return [SourceDecl(name="ranges", summary="Files, two at a time.", make=make)]  # type: ignore[arg-type]

    module = types.ModuleType("acme_ranges")
    module.mlbsdk_sources = hookimpl(mlbsdk_sources)  # type: ignore[attr-defined]
    stream.plugins.register(module, name="ranges")
    stream.request["source"] = f"ranges:{stream.source}"
    return made


def test_ranges_are_read_one_after_another_and_never_again(stream: Stream, ranges: Ranges) -> None:
    log = Log()
    stream.add([*FIRST, *SECOND])
    report = stream.start(log)
    assert log.events == ["started", "batch 0", "batch 1", "batch 2", "completed"]
    assert ranges.asked == ["[0, 2]", "[2, 4]", "[4, 5]"]
    assert report.source_dataset == ("ranges", "all")
    again = Log()
    assert stream.start(again).source_dataset == ("ranges", "all")
    assert again.events == ["started", "completed"]
    assert (stream.commits(), len(ranges.asked)) == (["0", "1", "2"], 3)
    assert stream.tables() == rows_after([*FIRST, *SECOND])


class Crash(BaseException):
    """Stands for a kill where the process must live on: nothing may catch it."""


@pytest.mark.parametrize("moment", ["begun", "read", "written"])
def test_a_range_that_was_begun_is_read_again_as_the_same_batch(
    stream: Stream, ranges: Ranges, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    from mlbsdk.runtime.checkpoint import Checkpoint

    owner, name = {
        "begun": (Ranges, "read_range"),
        "read": (DeltaWriter, "write"),
        "written": (Checkpoint, "commit_range"),
    }[moment]

    def crash(*_: object, **__: object) -> None:
        raise Crash

    stream.add(FIRST)
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, crash)
        with pytest.raises(Crash):
            stream.start()
    stream.add(SECOND)
    ranges.step = 5
    before, log = len(ranges.asked), Log()
    stream.start(log)
    assert ranges.asked[before:] == ["[0, 2]", "[2, 5]"]
    assert log.events == ["started", "batch 0", "batch 1", "completed"]
    assert stream.tables() == rows_after([*FIRST, *SECOND])


def test_ranges_follow_what_comes_and_end_between_batches(stream: Stream, ranges: Ranges) -> None:
    stop = threading.Event()
    log = Log(lambda batch_id: stop.set() if batch_id == 2 else stream.add([SECOND[batch_id]]))
    stream.add([Capture(1, 0)])
    report = stream.follow(log, stop)
    assert log.events == ["started", "batch 0", "batch 1", "batch 2", "completed"]
    assert report.stream is not None
    assert report.stream.ended_by == "stop"
    stream.add([Capture(4, 0)])
    report = stream.follow(Log(), threading.Event(), until="game_pk > 0")
    assert report.stream is not None
    assert (report.stream.ended_by, report.stream.batches) == ("until", 1)
    report = stream.follow(Log(), threading.Event(), idle_timeout="100ms")
    assert report.stream is not None
    assert (report.stream.ended_by, report.stream.batches) == ("idle", 0)


@pytest.mark.parametrize(("given", "told"), [(5, "returned int, not text"), ("same", "that it was to go on after")])
def test_a_source_that_breaks_the_rules_of_ranges_is_told(
    stream: Stream, ranges: Ranges, monkeypatch: pytest.MonkeyPatch, given: object, told: str
) -> None:
    stream.add(FIRST)
    monkeypatch.setattr(Ranges, "next_range", lambda *_: given)
    monkeypatch.setattr(Ranges, "read_range", lambda me, spark, mapping, range: me.read(spark, mapping))
    with pytest.raises(PluginContractError, match=told):
        stream.start()


def insert(database: str, captures: Iterable[Capture]) -> None:
    import psycopg
    from mlbsdk_plugin_postgres import raw_table

    with psycopg.connect(database) as connection:
        raw_table.create(connection, "mini.game")
        for capture in captures:
            connection.execute(
                "INSERT INTO mini.game (captured_at, data) VALUES (%s, %s)",
                (capture.captured_at, json.dumps(capture.document())),
            )


@pytest.mark.integration
def test_a_raw_table_in_postgresql_is_followed(stream: Stream, database: str) -> None:
    stream.request["source"] = database
    insert(database, [])
    log = Log()
    assert stream.start(log).documents.read == 0
    assert log.events == ["started", "completed"]
    insert(database, FIRST)
    assert stream.start().documents.read == 2
    insert(database, SECOND)
    report = stream.start()
    assert (report.documents.read, report.source_dataset[1].rpartition(".mini.")[2]) == (3, "game")
    assert stream.start().documents.read == 0
    assert stream.tables() == rows_after([*FIRST, *SECOND])


@pytest.mark.integration
def test_tables_in_postgresql_are_kept_up_to_date(stream: Stream, database: str, tmp_path: Path) -> None:
    import psycopg

    stream.request = {"target": database, "checkpoint": str(tmp_path / "checkpoint")}
    stream.add(FIRST)
    stream.put("bad.json", "{")
    assert stream.start().documents.rejected == 1
    stream.add(SECOND)
    stream.start()
    with psycopg.connect(database) as connection:
        games = connection.execute("SELECT game_pk, state FROM mini.games ORDER BY 1").fetchall()
    assert games == [(1, "minute 2"), (2, "minute 1"), (3, "minute 1")]


@pytest.mark.parametrize("name", ["1/0.json", "all.jsonl"])
def test_one_file_is_a_stream_of_one_batch(stream: Stream, name: str) -> None:
    stream.add(FIRST)
    stream.put("all.jsonl", json.dumps(FIRST[0].document()))
    report = stream.start(source=str(stream.source / name))
    assert (report.documents.read, stream.tables()) == (1, rows_after(FIRST[:1]))


def test_streams_of_one_target_keep_apart(stream: Stream) -> None:
    """Two folders, two checkpoints, one warehouse."""
    other = replace(stream, folder=stream.folder / "other", request={"target": f"delta:{stream.target}"})
    other.folder.mkdir()
    stream.add(FIRST)
    other.add(SECOND)
    stream.start()
    other.start()
    assert len(list((stream.target / "_mlbsdk" / "checkpoints").iterdir())) == 2
    assert stream.tables() == rows_after([*FIRST, *SECOND])
