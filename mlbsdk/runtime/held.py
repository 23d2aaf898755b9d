"""The parsed documents of one batch, held so that each is parsed once for all tables; of a large one the rows too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlbsdk.runtime.cut import RunStamp, query
from mlbsdk.runtime.envelopes import has_types
from mlbsdk.runtime.places import Places
from mlbsdk.runtime.sql import Over, name
from mlbsdk.runtime.threads import for_each_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mlbsdk.mapping.plan import Plan

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
    """Parsed documents, and the tables cut from them.

    Args:
        plan: the plan that they were parsed by.
        frame: the parsed captures, held: what :func:`mlbsdk.runtime.parse.parse` returns, with a column for each of
            ``places`` instead of ``document``.
        places: the places that the tables are cut from.
        intake: their :data:`INTAKE_COLUMNS`.
        give_back: frees what is held.
        ready: by table name, tables that are cut already from all captures of the batch: by
            :meth:`cut_from_all`, or by standing queries.
    """

    plan: Plan
    frame: DataFrame
    places: Places
    intake: DataFrame
    give_back: Callable[[], None]
    ready: Mapping[str, DataFrame] = field(default_factory=dict)
    _over: Over | None = None
    _chosen: dict[frozenset[int], Over | None] = field(default_factory=dict)
    _on_disk: list[DataFrame] = field(default_factory=list)

    def cut_from_all(self, stamp: RunStamp) -> None:
        """Prepare all tables as they are if every capture of the batch counts, as it mostly does.

        Spark analyses their queries meanwhile, which can be done while it parses.
        """
        if self.ready:
            return
        self._over = Over(self.frame).__enter__()
        self.ready = cut_all(self._over, self.plan, self.places, stamp)

    def choose(self, wanted: frozenset[int], all: frozenset[int]) -> None:
        """Prepare to cut tables from some of the captures, by document_id; from all of them unfiltered."""
        if wanted in self._chosen:
            return
        if wanted == all and self.ready:
            self._chosen[wanted] = None
        else:
            self._chosen[wanted] = Over(self._only(wanted, all - wanted)).__enter__()

    @property
    def is_typed(self) -> bool:
        """Whether some values were parsed with the type that they have in JSON."""
        return has_types(self.plan.document)

    def cut(self, table: str, stamp: RunStamp, wanted: frozenset[int]) -> DataFrame:
        """Return the rows of one table from captures that were chosen: what :func:`mlbsdk.runtime.cut.cut` returns."""
        over = self._chosen[wanted]
        if over is None:
            return self.ready[table]
        return over.run(query(self.plan.table(table), over.name, stamp, self.places.reach))

    def on_disk(self, rows: DataFrame) -> DataFrame:
        """Return the same rows of one table, held on disk from the first query that cuts them."""
        from pyspark import StorageLevel

        kept = rows_alone(rows).persist(StorageLevel.DISK_ONLY)
        self._on_disk.append(kept)
        return kept

    def release(self) -> None:
        """Give back what is held. Not before: dropping a view has Spark forget what is persisted under it."""
        for over in (self._over, *self._chosen.values()):
            if over is not None:
                over.__exit__()
        self._chosen.clear()
        for rows in self._on_disk:
            rows.unpersist()
        self._on_disk.clear()
        self.give_back()

    def _only(self, wanted: frozenset[int], others: frozenset[int]) -> DataFrame:
        """Return some of the captures, by the shorter list of ids."""
        if not others:
            return self.frame
        # As text: a Column asks Java for each id, which takes seconds for tens of thousands.
        are, ids = ("IN", wanted) if len(wanted) < len(others) else ("NOT IN", others)
        return self.frame.where(f"document_id {are} ({', '.join(map(str, sorted(ids)))})" if ids else "false")


def cut_all(parsed: Over, plan: Plan, places: Places, stamp: RunStamp) -> dict[str, DataFrame]:
    """Return the rows of all tables, by name, from parsed documents as :func:`split` returns them."""
    return for_each_table(lambda table: parsed.run(query(table, parsed.name, stamp, places.reach)), plan.tables)


def hold(parsed: DataFrame, plan: Plan, partitions: int | None = None) -> Held:
    """Hold parsed documents from the first query that reads them, each place that tables are cut from as a column.

    A table's query reads the columns of its own places alone. Documents that an executor loses are parsed again.

    Args:
        parsed: as :func:`mlbsdk.runtime.parse.parse` returns it.
        plan: the plan that it was parsed by.
        partitions: how many tasks read them; by default as many as parse.
    """
    from pyspark import StorageLevel

    places = Places.of(plan.tables)
    held = split(parsed, places).persist(StorageLevel.MEMORY_AND_DISK)

    def give_back() -> None:
        held.unpersist()

    frame = held if partitions is None else held.coalesce(partitions)
    return Held(plan, frame, places, held.select(*INTAKE_COLUMNS), give_back)


def split(parsed: DataFrame, places: Places) -> DataFrame:
    """Return parsed documents with a column for each place instead of ``document``."""
    own = [column for column in parsed.columns if column != "document"]
    return rows_alone(parsed.selectExpr(*map(name, own), *places.split()))


def rows_alone(frame: DataFrame) -> DataFrame:
    """Return the same rows without the query that gives them: every query over them would be compared with it.

    There is no public call that keeps Spark's own form of rows.
    """
    java, session = frame._jdf, frame.sparkSession
    alone = session._jsparkSession.internalCreateDataFrame(java.queryExecution().toRdd(), java.schema(), False)
    return type(frame)(alone, session)
