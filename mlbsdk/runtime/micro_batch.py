"""One micro-batch of a stream: through the same transformation and writer as a batch run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from mlbsdk.hookspecs import Writer
from mlbsdk.mapping.load import LoadedMapping
from mlbsdk.report import MOST_BATCHES, MOST_MESSAGES, BatchFigures, BatchReport, RunReport
from mlbsdk.runtime.checkpoint import Checkpoint
from mlbsdk.runtime.ending import Ending
from mlbsdk.runtime.raw import RawBatch
from mlbsdk.runtime.standing import StandingQueries
from mlbsdk.runtime.transformation import BaseTransformation, OnError, TransformMode, new_report
from mlbsdk.runtime.watchers import Watchers, save_report

if TYPE_CHECKING:
    from mlbsdk.runtime.batch import Document
    from mlbsdk.runtime.transformation import Intake


@dataclass(frozen=True)
class MicroBatches:
    """Takes one micro-batch after another through a transformation, and adds what each did to the stream's report."""

    kind: type[BaseTransformation]
    mapping: LoadedMapping
    writer: Writer
    on_error: OnError
    report: RunReport
    watchers: Watchers
    ending: Ending
    checkpoint: Checkpoint
    standing: StandingQueries | None = None

    def write(self, raw: RawBatch, batch_id: int, triggered_at: datetime | None = None) -> None:
        """Transform and write one batch; one without captures writes nothing and is told to nobody.

        Args:
            raw: its raw rows.
            batch_id: the same for the same rows, also after a crash.
            triggered_at: when it was looked for; by default now.

        Raises:
            MlbsdkError: it could not be written; nothing of it may be committed.
        """
        plan = self.report.plan
        assert plan is not None
        # A report of its own: its rows are stamped with this batch's start, and what it says can be let go.
        part = new_report(
            plan, self.report.source, self.report.target, TransformMode.STREAMING.value, self.report.run_id
        )
        begun_at = triggered_at or part.started_at
        steps = self.kind(
            raw.frame.sparkSession,
            self.mapping,
            TransformMode.STREAMING,
            writer=self.writer,
            on_error=self.on_error,
            report=part,
            standing=self.standing,
        )
        until = self.ending.until
        try:
            with self.watchers.phase("read"):
                tables = steps.transform(steps.take(raw))
                if not steps.intake.read:
                    return
            with self.watchers.phase("write"):
                steps.write_targets(tables, batch_id)
                batch = _batch_report(part, steps.intake, batch_id, begun_at)
                # After writing, so that nobody waits for it.
                judged = until.judge(tables, steps.intake.documents) if until is not None else {}
        except BaseException:
            self.report.add(part)
            raise
        finally:
            steps.release()
        if until is not None:
            until.take(judged)
            until.save(self.checkpoint)
        self.ending.saw_captures()
        self._tell(part, batch)

    def _tell(self, part: RunReport, batch: BatchReport) -> None:
        stream = self.report.stream
        assert stream is not None
        self.report.add(part)
        stream.batches += 1
        stream.last = batch
        stream.history = [*stream.history, BatchFigures.of(batch)][-MOST_BATCHES:]
        self.watchers.batch_written(batch.batch_id)
        save_report(self.report)


def _batch_report(part: RunReport, intake: Intake, batch_id: int, begun_at: datetime) -> BatchReport:
    """Return the report of a batch that has just become visible."""
    visible_at = datetime.now(timezone.utc)
    return BatchReport(
        batch_id=batch_id,
        documents=part.documents,
        rows=sum(table.rows for table in part.tables.values()),
        seconds=(visible_at - begun_at).total_seconds(),
        lag_s=_lag(intake.documents, visible_at),
        tables=part.tables,
        quality=tuple(part.quality),
        errors=tuple(part.errors[:MOST_MESSAGES]),
    )


def _lag(documents: tuple[Document, ...], visible_at: datetime) -> float | None:
    newest = max((document.captured_at for document in documents), default=None)
    return None if newest is None else (visible_at - newest).total_seconds()
