"""Figures of quality over time: kept beside the tables that they are about, and looked through for what is unusual.

They are rows of a small Delta table, ``TARGET/_mlbsdk/quality/metrics``, whatever format the target's own tables have:
writers that add at the same time do not harm each other, on an object store neither, and reading it starts no Java.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from mlbsdk.errors import SourceError
from mlbsdk.hookspecs import Storage, Verification
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.storage import storage_of

if TYPE_CHECKING:
    import pyarrow as pa

    from mlbsdk.quality.profile import TableProfile

Scope = Literal["table", "run"]

#: Earlier figures that a new one needs to be called unusual, and how many of the newest it is compared with.
FEWEST, MOST = 5, 50
#: How many robust standard deviations from the median are unusual.
_DEVIATIONS = 6.0
#: The least difference that counts: of shares (0 to 1), and of other figures as a part of their median.
_SHARE, _PART = 0.02, 0.25
#: A stored table that has fewer rows than this part of what it had lost some.
_ROWS_LEFT = 0.9
_SHARES = ("compliance", "completeness")
#: Figures whose usual value means nothing: one row further out moves them.
_NOT_JUDGED = ("minimum", "maximum", "distinct")


@dataclass(frozen=True)
class Figure:
    """One figure about a table, at one moment."""

    recorded_at: datetime
    run_id: str
    scope: Scope
    """``table``: all rows that are stored; ``run``: the rows of one run."""
    table: str
    engine: str
    metric: str
    """``rows``; ``compliance`` of a check, the share of rows that passes; ``completeness``, ``distinct``, ``mean``,
    ``minimum``, ``maximum``, ``standard_deviation`` of a column."""
    instance: str
    """The check or column; empty for the table."""
    value: float

    @property
    def series(self) -> tuple[str, str, str, str]:
        """What it is a figure of: those of one series are compared."""
        return (self.scope, self.table, self.metric, self.instance)


@dataclass(frozen=True)
class Anomaly:
    """A figure unlike those before it."""

    figure: Figure
    usual: float
    """The median of the earlier figures; of ``rows`` the last one."""
    earlier: int

    def __str__(self) -> str:
        what = f"{self.figure.metric} of {self.figure.instance}" if self.figure.instance else self.figure.metric
        return (
            f"unusual: {self.figure.table} {what} is {self.figure.value:.6g}, usually {self.usual:.6g} "
            f"({self.earlier} earlier figures)"
        )


class MetricsHistory:
    """The figures kept in one folder.

    Args:
        folder: the housekeeping of a target, or any other.
        storage: what keeps it; by default found by the folder, with the environment's own settings.
    """

    def __init__(self, folder: str, storage: Storage | None = None) -> None:
        self.path = child(folder, "quality", "metrics")
        self._options = (storage or storage_of(folder)).delta_options(self.path) or None

    def add(self, figures: Sequence[Figure]) -> None:
        """Add figures, in one commit.

        Raises:
            OSError, deltalake.exceptions.DeltaError: they can't be stored.
        """
        import pyarrow as pa
        from deltalake import write_deltalake

        if figures:
            rows = pa.Table.from_pylist([asdict(figure) for figure in figures], schema=_schema())
            description = "Figures of quality, by table and run."
            write_deltalake(self.path, rows, mode="append", description=description, storage_options=self._options)

    def of(self, tables: Iterable[str], metric: str | None = None) -> list[Figure]:
        """Return the figures of some tables, the oldest first.

        Raises:
            SourceError: there are figures, but they can't be read.
        """
        import pyarrow.compute as pc
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            if not DeltaTable.is_deltatable(self.path, self._options):
                return []
            wanted = pc.field("table").isin(list(tables))
            if metric is not None:
                wanted = wanted & (pc.field("metric") == metric)
            stored = DeltaTable(self.path, storage_options=self._options)
            found = stored.to_pyarrow_dataset().to_table(filter=wanted)
        except (OSError, DeltaError) as problem:
            raise SourceError(f"the figures at '{self.path}' can't be read: {problem}") from problem
        return sorted((Figure(**row) for row in found.to_pylist()), key=lambda figure: figure.recorded_at)


def of_verification(
    found: Verification, table: str, *, engine: str, scope: Scope, run_id: str, at: datetime
) -> list[Figure]:
    """Return the figures of a table's checks."""
    rows = Figure(at, run_id, scope, table, engine, "rows", "", float(found.rows))
    shares = [
        Figure(at, run_id, scope, table, engine, "compliance", result.check, 1 - result.failed / found.rows)
        for result in found.results
        if found.rows
    ]
    return [rows, *shares]


def of_profile(found: TableProfile, *, engine: str, run_id: str, at: datetime) -> list[Figure]:
    """Return the figures of a stored table's profile."""
    figures = [Figure(at, run_id, "table", found.table, engine, "rows", "", float(found.rows))]
    for column in found.columns if found.rows else ():
        values: dict[str, Any] = {"completeness": column.completeness, "distinct": column.distinct}
        if column.mean is not None:
            values |= {"mean": column.mean, "standard_deviation": column.standard_deviation}
            values |= {"minimum": column.minimum, "maximum": column.maximum}
        figures += [
            Figure(at, run_id, "table", found.table, engine, metric, column.name, float(value))
            for metric, value in values.items()
            if value is not None
        ]
    return figures


def anomalies(earlier: Iterable[Figure], now: Iterable[Figure]) -> list[Anomaly]:
    """Return the figures that are unlike those of their series before.

    A share, mean or standard deviation is unusual when it is further from the median of the earlier ones than six
    robust standard deviations (1.4826 times the median absolute deviation, which a few outliers do not move), and than
    0.02 (shares) or a quarter of the median. A stored table's rows are unusual when a tenth of them is gone since the
    last figure. How many rows a run has says nothing.
    """
    series: dict[tuple[str, str, str, str], list[float]] = {}
    for figure in earlier:
        series.setdefault(figure.series, []).append(figure.value)
    found = (_unusual(figure, series.get(figure.series, [])[-MOST:]) for figure in now)
    return [anomaly for anomaly in found if anomaly is not None]


def _unusual(figure: Figure, earlier: Sequence[float]) -> Anomaly | None:
    if figure.metric == "rows":
        lost = figure.scope == "table" and bool(earlier) and figure.value < _ROWS_LEFT * earlier[-1]
        return Anomaly(figure, earlier[-1], len(earlier)) if lost else None
    if len(earlier) < FEWEST or figure.metric in _NOT_JUDGED:
        return None
    median = statistics.median(earlier)
    spread = 1.4826 * statistics.median(abs(value - median) for value in earlier)
    least = _SHARE if figure.metric in _SHARES else _PART * abs(median)
    is_unusual = abs(figure.value - median) > max(_DEVIATIONS * spread, least)
    return Anomaly(figure, median, len(earlier)) if is_unusual else None


def _schema() -> pa.Schema:
    import pyarrow as pa

    texts = ("run_id", "scope", "table", "engine", "metric", "instance")
    fields = [("recorded_at", pa.timestamp("us", tz="UTC")), *((name, pa.string()) for name in texts)]
    return pa.schema([*fields, ("value", pa.float64())])
