"""The parsed documents of one batch, held so that each is parsed once for all tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlbsdk.runtime.cut import RunStamp, query
from mlbsdk.runtime.sql import Over

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mlbsdk.mapping.plan import Table

#: The columns that tell what each capture is, without its document.
INTAKE_COLUMNS = (
    "document_id",
    "row_id",
    "origin",
    "captured_at",
    "captured_from",
    "problem",
    "data_bytes",
    "document_columns",
)


@dataclass
class Held:
    """Parsed documents, as :func:`mlbsdk.runtime.parse.parse` returns them, and the tables cut from them.

    Args:
        frame: the parsed captures, held.
        intake: their :data:`INTAKE_COLUMNS`.
        give_back: frees what is held.
        ready: by table name, tables that are cut already from all captures of the batch.
    """

    frame: DataFrame
    intake: DataFrame
    give_back: Callable[[], None]
    ready: Mapping[str, DataFrame] = field(default_factory=dict)
    _chosen: dict[frozenset[int], Over | None] = field(default_factory=dict)

    def choose(self, wanted: frozenset[int], all: frozenset[int]) -> None:
        """Prepare to cut tables from some of the captures, by document_id; from all of them unfiltered."""
        if wanted in self._chosen:
            return
        if wanted == all and self.ready:
            self._chosen[wanted] = None
        else:
            self._chosen[wanted] = Over(self._only(wanted, all - wanted)).__enter__()

    def cut(self, table: Table, stamp: RunStamp, wanted: frozenset[int]) -> DataFrame:
        """Return the rows of one table from captures that were chosen: what :func:`mlbsdk.runtime.cut.cut` returns."""
        over = self._chosen[wanted]
        return self.ready[table.name] if over is None else over.run(query(table, over.name, stamp))

    def release(self) -> None:
        """Give back what is held. Not before: dropping a view has Spark forget what is persisted under it."""
        for over in self._chosen.values():
            if over is not None:
                over.__exit__()
        self._chosen.clear()
        self.give_back()

    def _only(self, wanted: frozenset[int], others: frozenset[int]) -> DataFrame:
        """Return some of the captures, by the shorter list of ids."""
        if not others:
            return self.frame
        # As text: a Column asks Java for each id, which takes seconds for tens of thousands.
        are, ids = ("IN", wanted) if len(wanted) < len(others) else ("NOT IN", others)
        return self.frame.where(f"document_id {are} ({', '.join(map(str, sorted(ids)))})" if ids else "false")


def hold_here(parsed: DataFrame, partitions: int) -> Held:
    """Hold parsed documents where Spark runs on this machine, as they are.

    Reading persisted structs back costs 0.2 s a table, and every table's planning compares plans of a thousand fields.
    """
    held = parsed.localCheckpoint()

    def give_back() -> None:
        # Without it the rows stay until Java's next full collection: long, in a stream. There is no public call.
        held._jdf.logicalPlan().rdd().unpersist(False)

    frame = held.coalesce(partitions)
    return Held(frame, frame.select(*INTAKE_COLUMNS), give_back)


def hold_on_executors(parsed: DataFrame) -> Held:
    """Hold parsed documents where executors can be lost: those that are lost are parsed again."""
    from pyspark import StorageLevel

    held = parsed.persist(StorageLevel.MEMORY_AND_DISK)

    def give_back() -> None:
        held.unpersist()

    return Held(held, held.select(*INTAKE_COLUMNS), give_back)
