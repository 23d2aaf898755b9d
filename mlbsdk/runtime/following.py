"""The two ways to follow a source: by Spark's Structured Streaming, or range by range in a loop of our own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from mlbsdk.errors import PluginContractError, SourceError, StorageError
from mlbsdk.hookspecs import RangeSource
from mlbsdk.runtime import spark_offsets
from mlbsdk.runtime.addresses import is_local
from mlbsdk.runtime.checkpoint import Checkpoint
from mlbsdk.runtime.ending import EndedBy, Ending
from mlbsdk.runtime.micro_batch import MicroBatches
from mlbsdk.runtime.raw import RawBatch
from mlbsdk.runtime.sources import text_size
from mlbsdk.runtime.storage import LOCAL

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from mlbsdk.mapping.model import Mapping as TransformMapping

_POLL_S = 0.1
_ABANDON_S = 5.0


class _RefusedError(Exception):
    """Spark began a batch after the stream was to end; the next start repeats it."""


@dataclass
class SparkFollower:
    """Has Structured Streaming find the batches, and keep its offsets in the checkpoint.

    Args:
        batches: what takes each batch.
        checkpoint: the claimed checkpoint.
        ending: says when to end.
        trigger_s: seconds between batches; None to read what there is and end.
        every_file_gives_rows: whether a file that gives none could not be read.
    """

    batches: MicroBatches
    checkpoint: Checkpoint
    ending: Ending
    trigger_s: float | None
    every_file_gives_rows: bool = False
    _raw: RawBatch | None = None
    _problem: BaseException | None = None
    _is_closing: bool = False
    _refused_for: EndedBy | None = None
    _running: threading.Lock = field(default_factory=threading.Lock)
    _finished: int | None = None
    """The last batch that this process wrote."""

    def follow(self, raw: RawBatch) -> EndedBy:
        """Write every batch of a streaming DataFrame until the stream is to end; return why it did.

        Raises:
            MlbsdkError: a batch could not be written, or the source not be read.
        """
        self._raw = raw
        writer = raw.frame.writeStream.foreachBatch(self._take)
        writer = writer.option("checkpointLocation", self.checkpoint.for_spark)
        if self.trigger_s is None:
            writer = writer.trigger(availableNow=True)
        else:
            writer = writer.trigger(processingTime=f"{max(1, round(self.trigger_s * 1000))} milliseconds")
        query = writer.start()
        try:
            ended_by = self._watch(query)
        except BaseException:
            self._abandon(query)
            raise
        self._raise_problem(query)
        return ended_by

    def _watch(self, query: StreamingQuery) -> EndedBy:
        """Wait until the query ends, or end it when it is to end."""
        while query.isActive:
            if not self.ending.has_looked and query.lastProgress is not None:
                self.ending.looked()
            reason = self.ending.reason()
            if reason is not None:
                self._end(query)
                return reason
            self.ending.stop.wait(_POLL_S)
        return self._refused_for or "available"

    def _end(self, query: StreamingQuery) -> None:
        """End the query between two batches: the running one is completed and committed, and no other begins."""
        self._is_closing = True
        with self._running:
            pass
        while query.isActive and not self._is_committed():
            time.sleep(_POLL_S / 5)
        query.stop()

    def _is_committed(self) -> bool:
        """Whether Spark has noted that the last batch is done, which it does after our part of it."""
        return self._finished is None or self.checkpoint.has("commits", str(self._finished))

    def _abandon(self, query: StreamingQuery) -> None:
        """Stop the query in the middle of whatever it does, without waiting for long."""
        self._is_closing = True
        stopping = threading.Thread(target=query.stop, daemon=True)
        stopping.start()
        stopping.join(_ABANDON_S)

    def _raise_problem(self, query: StreamingQuery) -> None:
        """Raise what ended the query, if it was no wish of ours: the error itself, not Spark's wrapper of it."""
        if isinstance(self._problem, _RefusedError):
            return
        if self._problem is not None:
            raise self._problem
        ended = query.exception()
        if ended is not None:
            raise SourceError(
                f"the source can't be followed any further: {_first_line(ended)}",
                fix="Nothing of the last batch is committed: mend the source and start again.",
            ) from ended

    # In Spark's own thread

    def _take(self, frame: DataFrame, batch_id: int) -> None:
        """Write one batch; Spark commits it when this returns."""
        try:
            with self._running, self.ending.busy():
                self._refused_for = self.ending.reason()
                if self._is_closing or self._refused_for is not None:
                    raise _RefusedError
                self._write(frame, batch_id)
                self._finished = batch_id
        except BaseException as problem:
            self._problem = problem
            raise

    def _write(self, frame: DataFrame, batch_id: int) -> None:
        assert self._raw is not None
        files, triggered_at = self._noted(batch_id)
        self.batches.write(replace(self._raw, frame=frame, files=files, size=_size_of(files)), batch_id, triggered_at)

    def _noted(self, batch_id: int) -> tuple[tuple[str, ...], datetime | None]:
        """Return the files of a batch and when it was triggered, as far as Spark's notes can be read."""
        storage, folder = self.checkpoint.storage, self.checkpoint.folder
        try:
            files = spark_offsets.files_of(storage, folder, batch_id) if self.every_file_gives_rows else ()
            return files, spark_offsets.triggered_at(storage, folder, batch_id)
        except (OSError, StorageError, ValueError, LookupError, TypeError) as problem:
            self.batches.report.note(
                f"Spark's notes of its files could not be read ({type(problem).__name__}: {problem}): "
                "files that Spark passed over are not counted as rejected"
            )
            return (), None


@dataclass
class RangeFollower:
    """Asks a source for one range after the other, and writes each into the checkpoint before it is read.

    Args:
        batches: what takes each batch.
        checkpoint: the claimed checkpoint.
        ending: says when to end.
        trigger_s: seconds between looks for what is new; None to read what there is and end.
        opened: called with the OpenLineage (namespace, name) of the raw data, before the first batch.
    """

    batches: MicroBatches
    checkpoint: Checkpoint
    ending: Ending
    trigger_s: float | None
    opened: Callable[[tuple[str, str]], None]

    def follow(self, spark: SparkSession, mapping: TransformMapping, source: RangeSource) -> EndedBy:
        """Write every range of a source until the stream is to end; return why it did.

        Raises:
            MlbsdkError: a range could not be read or written.
        """
        self.opened(source.dataset(mapping))
        batch_id, after = self._resumed(spark, mapping, source)
        while True:
            reason = self.ending.reason()
            if reason is not None:
                return reason
            looked_at = datetime.now(timezone.utc)
            found = source.next_range(spark, mapping, after)
            if found is not None:
                _check_range(source, found, after)
                self.checkpoint.begin_range(batch_id, found)
                self._write(spark, mapping, source, batch_id, found, looked_at)
                batch_id, after = batch_id + 1, found
                continue
            self.ending.looked()
            if self.trigger_s is None:
                return "available"
            self._wait(self.trigger_s)

    def _resumed(self, spark: SparkSession, mapping: TransformMapping, source: RangeSource) -> tuple[int, str | None]:
        """Repeat the batch that was begun and not committed, if there is one; return the next batch, and after what."""
        last = self.checkpoint.last_range()
        if last is None:
            return 0, None
        batch_id, found, is_committed = last
        if not is_committed:
            self._write(spark, mapping, source, batch_id, found, datetime.now(timezone.utc))
        return batch_id + 1, found

    def _write(
        self,
        spark: SparkSession,
        mapping: TransformMapping,
        source: RangeSource,
        batch_id: int,
        found: str,
        looked_at: datetime,
    ) -> None:
        raw = source.read_range(spark, mapping, found)
        with self.ending.busy():
            self.batches.write(raw, batch_id, looked_at)
        self.checkpoint.commit_range(batch_id)

    def _wait(self, seconds: float) -> None:
        """Wait for the next look, or until the stream is to end."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and self.ending.reason() is None:
            self.ending.stop.wait(min(left, _POLL_S) if self.ending.idle_s is not None else left)


def _size_of(files: tuple[str, ...]) -> int | None:
    """Return the bytes of a batch's text; None where it has no files, one is gone, or asking takes a request each."""
    if not files or not is_local(files[0]):
        return None
    found = [one for file in files for one in LOCAL.files(file)]
    return text_size(found) if len(found) == len(files) else None


def _check_range(source: RangeSource, found: object, after: str | None) -> None:
    kind = type(source).__name__
    if not isinstance(found, str):
        raise PluginContractError(f"{kind}.next_range returned {type(found).__name__}, not text or None")
    if found == after:
        raise PluginContractError(f"{kind}.next_range returned the range that it was to go on after: {found:.80}")


def _first_line(problem: BaseException) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return lines[0] if lines else type(problem).__name__
