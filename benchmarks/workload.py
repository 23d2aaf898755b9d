"""Captures of one size, and everything that is measured with them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from captured_mapping import NAME
from cold import HELP, ColdRuns
from following import Following
from generate import Games
from measures import HEADING, Counts, Measure, megabytes
from processes import forget_peak, peak_mb, processor_s, run_for_json
from references.agree import differences
from without_checks import without_checks

from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport, TableReport
from mlbsdk.runtime.cut import cut
from mlbsdk.runtime.envelopes import envelope_ddl
from mlbsdk.runtime.parse import parse
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.runtime.sources import FileSource
from mlbsdk.runtime.stream import StreamRequest, stream
from mlbsdk.runtime.threads import in_threads
from mlbsdk.runtime.transformation import BaseTransformation, OnError, transformation_for

if TYPE_CHECKING:
    from bench import Bench
    from pyspark.sql import DataFrame

FIRST, AGAIN, NEWER = "first load", "same again", "newer captures"
FLOOR = "parse floor: from_json of the mapped paths"
STREAMED = "stream to postgresql, trigger to visible"
CHECKED, UNCHECKED = "engine to parquet, beside the next", "the same without rules and lineage"
COLD_RUN, BARE_RUN = "mlbsdk run to delta, new process", "bare pyspark to one delta table, new process"
PYTHON, DUCKDB = "python, orjson and pyarrow, to parquet", "duckdb to parquet"

_MINUTES_LATER = 30
_STREAMED_CAPTURES = 16
_HELPS = 5
_LARGE = 1000
_RUNS_OF_LARGE = 2
_KINDS = ("inserted", "updated", "unchanged", "deleted", "quarantined")
_REFERENCES = {"duckdb": DUCKDB, "python": PYTHON}
_MAKE = Path(__file__).resolve().parent / "references/make.py"


class Workload:
    """The generated captures of one size, and what was measured with them."""

    def __init__(self, bench: Bench, games: int) -> None:
        self.bench = bench
        self.spark = bench.spark
        self.games = games
        self.runs = min(bench.given.runs, _RUNS_OF_LARGE) if games > _LARGE else bench.given.runs
        self.label = f"{games:,} game{'s' if games > 1 else ''}"
        self.folder = bench.work / f"games{games}"
        self.first, self.later = self.folder / "first", self.folder / "later"
        self.measures: dict[str, Measure] = {}
        self.tables: Mapping[str, TableReport] = {}
        self.cold = ColdRuns()

    def generate(self) -> None:
        """Write the captures."""
        made = Games(self.bench.given.seed)
        begun = time.monotonic()
        files = made.write(self.first, self.games, compress=self.bench.given.gzip)
        made.write(self.later, self.games, _MINUTES_LATER, self.bench.given.gzip)
        size = sum(file.stat().st_size for file in files)
        seconds = time.monotonic() - begun
        self.bench.out()
        kind = "gzipped JSON" if self.bench.given.gzip else "JSON"
        runs = f"{self.runs} runs of each" if self.runs > 1 else "one run of each"
        self.bench.out(f"{self.label}: {size / 1e6:.1f} MB of {kind} (generated twice in {seconds:.1f} s); {runs}")
        self.bench.out(HEADING)

    def measure(self) -> None:
        """Take every measure that was not skipped; a failure is shown and ends only its own section."""
        for name, section in self._sections().items():
            if name in self.bench.given.skip:
                continue
            self._forget_peaks()
            try:
                section(self)
            except Exception as problem:  # the other sections are still worth having; the exit code tells
                self.bench.failures += 1
                why = (str(problem).strip() or "no message").splitlines()[0]
                self.bench.out(f"  {name}: FAILED: {type(problem).__name__}: {why}")
            else:
                self._say_peaks(name)
        self._rows()

    def best(self, name: str) -> float | None:
        """Return the seconds of the fastest run; None where it was not measured."""
        found = self.measures.get(name) or self.cold.measures.get(name)
        return found.best if found else None

    def _sections(self) -> dict[str, Callable[[Workload], None]]:
        """Return what is measured at this size, in order."""
        found = dict(SECTIONS)
        if self.games > 1:
            del found["stream"]
        if self.games > _LARGE:  # they say at 200 games what they have to say
            del found["plain"], found["per-table"]
        return found

    # The engine, warm

    def floor(self) -> None:
        """What reading and parsing cost, before any table is cut."""
        from pyspark.sql import functions as F

        schema = envelope_ddl(self.bench.plan.document)
        self._take(FLOOR, lambda: _noop(self._raw().select(F.from_json("data", schema))))
        self._take("parse(): that, keys and captured_at", lambda: _noop(self._parsed()))

    def noop(self) -> None:
        """Every column of every table, kept nowhere."""
        self._take("engine to noop", lambda: self._plainly(lambda table, frame: _noop(frame)))

    def delta(self) -> None:
        """Whole runs into Delta tables."""
        self._engine("delta")

    def parquet(self) -> None:
        """Whole runs into Parquet files."""
        self._engine("parquet")

    def postgresql(self) -> None:
        """Whole runs into PostgreSQL."""
        self._engine("postgresql")

    def stream(self) -> None:
        """Stream captures into PostgreSQL, each arriving when the one before is visible."""
        source = self.folder / "stream"
        source.mkdir()
        stop = threading.Event()
        following = Following(self.bench.given.seed, source, _STREAMED_CAPTURES, stop)
        with self.bench.target("postgresql") as target:
            following.capture_arrives()
            request = StreamRequest(
                name=NAME,
                source=str(source),
                target=target,
                trigger="1s",
                checkpoint=str(self.folder / "checkpoint"),
                mapping=self.bench.mapping_file,
                spark=self.bench.settings,
            )
            stream(request, self.bench.plugins, self.spark, (following,), stop)
        self.measures[STREAMED] = Measure(STREAMED, following.seconds)
        self.bench.out(self.measures[STREAMED].line())

    def unchecked(self) -> None:
        """What quality rules and lineage cost: runs with and without them, in turn."""
        for _ in range(self.runs):
            with self.bench.target("parquet") as target, self._timed(CHECKED):
                self._run(self.first, target, self.bench.plugins, keeps=False)
            with without_checks() as plugins, self.bench.target("parquet") as target, self._timed(UNCHECKED):
                self._run(self.first, target, plugins, keeps=False)
        self._say(CHECKED, UNCHECKED)

    # The same by other means

    def references(self) -> None:
        """DuckDB and plain Python, each in a process of its own; they must give the engine's tables."""
        with self.bench.fresh() as folder:
            made = [kind for kind in _REFERENCES if self._reference(kind, folder)]
            if self.games > 1:
                return
            self._run(self.first, f"parquet:{folder / 'engine'}", self.bench.plugins)
            for kind in made:
                unlike = differences(self.bench.plan, folder / "engine", folder / kind)
                if unlike:
                    raise ValueError(f"{kind} does not give the engine's tables: {'; '.join(unlike[:3])}")
            self.bench.out(f"      {' and '.join(made)}: rows and values as the engine's in all columns that they have")

    def _reference(self, kind: str, folder: Path) -> bool:
        """Measure one reference; return whether it can read the captures."""
        name = _REFERENCES[kind]
        if kind == "duckdb" and self.bench.given.gzip:
            self.bench.out(f"  {name}: left out: its read_text reads no gzip")
            return False
        command = [sys.executable, str(_MAKE), kind, str(self.first), str(folder / kind), str(self.runs)]
        command += [str(self.bench.mapping_file)] if self.bench.mapping_file else []
        found = run_for_json(command)
        self.measures[name] = Measure(name, found["seconds"], found["processor"])
        self._say(name)
        left_out = sorted({column.rpartition(".")[2] for column in found["left_out"]})
        without = f"; without the columns {', '.join(left_out)}" if left_out else ""
        self.bench.out(
            f"      {found['version']}, peak memory {megabytes([found['peak_mb']])}, "
            f"{sum(found['rows'].values())} rows{without}"
        )
        wanted = {table: one.rows for table, one in self.tables.items()}
        if wanted and found["rows"] != wanted:
            raise ValueError(f"{kind} gives {found['rows']} rows, the engine {wanted}")
        return True

    def plain(self) -> None:
        """The same DataFrames, written once by Spark without comparing them with anything."""
        for _ in range(self.runs):
            with self.bench.fresh() as target:
                for step in ("new tables", "into them"):
                    with self._timed(f"plain append to delta, {step}"):
                        self._plainly(partial(_save, "delta", target))
            with self.bench.fresh() as target, self._timed("plain write to parquet"):
                self._plainly(partial(_save, "parquet", target))
        self._say(*(name for name in self.measures if name.startswith("plain")))

    def per_table(self) -> None:
        """One parse a table: what a pipeline without a shared parse pays."""

        def one(name: str, target: Path) -> None:
            parsed = self._parsed().where("problem IS NULL")
            stamp = self._transformation().stamp
            _save("parquet", target, name, cut(parsed, self.bench.plan.table(name), stamp))

        def every() -> None:
            with self.bench.fresh() as target:
                in_threads(lambda table: one(table.name, target), list(self.bench.plan.tables))

        self._take("one parse a table, plain write to parquet", every, runs=1)

    # New processes

    def cold_runs(self) -> None:
        """Programs from their start to their end."""
        if self.games == 1:
            for _ in range(_HELPS):
                self.cold.help()
        for _ in range(self.runs if self.games == 1 else 1):
            with self.bench.fresh() as folder:
                self.cold.mlbsdk_run(COLD_RUN, self.first, f"delta:{folder / 'target'}", self.bench.mapping_file)
            if self.games == 1:
                with self.bench.fresh() as folder:
                    self.cold.bare_pyspark(BARE_RUN, self.first, folder / "target", self.bench.plan, self.spark)
        for name in (HELP, COLD_RUN, BARE_RUN):
            for line in self.cold.lines(name):
                self.bench.out(line)

    # Helpers

    def _engine(self, format: str) -> None:
        names = {step: f"engine to {format}, {step}" for step in (FIRST, AGAIN, NEWER)}
        last: dict[str, RunReport] = {}
        for _ in range(self.runs):
            with self.bench.target(format) as target:
                for step, source in ((FIRST, self.first), (AGAIN, self.first), (NEWER, self.later)):
                    with self._timed(names[step]):
                        last[step] = self._run(source, target, self.bench.plugins)
        for step, name in names.items():
            self._say(name)
            phases = ", ".join(f"{phase} {seconds:.2f}" for phase, seconds in last[step].phases.items())
            changes = [f"{sum(getattr(table, kind) for table in last[step].tables.values())} {kind}" for kind in _KINDS]
            changed = ", ".join(one for one in changes if not one.startswith("0 "))
            self.bench.out(f"      last run: {phases}; rows: {changed}")
        self.tables = last[FIRST].tables

    def _run(self, source: Path, target: str, plugins: Plugins, *, keeps: bool = True) -> RunReport:
        """Run, with queries that are kept for the next run or made for this one."""
        request = RunRequest(
            name=NAME,
            source=str(source),
            target=target,
            on_error=OnError.QUARANTINE,
            mapping=self.bench.mapping_file,
            spark=self.bench.settings,
            ends_process=not keeps,
        )
        return run(request, plugins, self.spark)

    def _plainly(self, keep: Callable[[str, DataFrame], None]) -> None:
        """Make every table with the engine, and keep each in some way, without what a run does besides."""
        transformation = self._transformation()
        try:
            tables = transformation.transform(transformation.read_source())
            in_threads(lambda item: keep(*item), list(tables.items()))
        finally:
            transformation.release()

    def _raw(self) -> DataFrame:
        return FileSource(str(self.first), {}).read(self.spark, self.bench.loaded.mapping).frame

    def _parsed(self) -> DataFrame:
        return parse(self._raw(), self.bench.plan, self._transformation().stamp)

    def _transformation(self) -> BaseTransformation:
        kind = transformation_for(NAME)
        source = FileSource(str(self.first), {})
        return kind(self.spark, self.bench.loaded, source=source, on_error=OnError.QUARANTINE)

    def _take(self, name: str, work: Callable[[], None], runs: int | None = None) -> None:
        for _ in range(runs or self.runs):
            with self._timed(name):
                work()
        self._say(name)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        last = self.bench.spark_work.last_job()
        used = self._processor()
        begun = time.perf_counter()
        yield
        seconds = time.perf_counter() - begun
        measure = self.measures.setdefault(name, Measure(name))
        measure.seconds.append(seconds)
        measure.processor.append(self._processor() - used)
        measure.counts.append(self._counted(last))

    def _counted(self, last: int) -> Counts:
        return self.bench.spark_work.since(last)

    def _processor(self) -> float:
        return time.process_time() + processor_s(self.bench.java)

    def _say(self, *names: str) -> None:
        for name in names:
            self.bench.out(self.measures[name].line())

    def _forget_peaks(self) -> None:
        for process in self.bench.processes:
            forget_peak(process)

    def _say_peaks(self, section: str) -> None:
        if section not in _OF_OTHER_PROCESSES:
            python, java = (megabytes([peak_mb(process)]) for process in self.bench.processes)
            self.bench.out(f"      peak memory in this section: Python {python}, Java (driver and executor) {java}")

    def _rows(self) -> None:
        if not self.tables:
            return
        self.bench.out(f"  rows by table ({sum(table.rows for table in self.tables.values())} in all)")
        for name, table in self.tables.items():
            refused = f"   QUARANTINED: {table.quarantined}" if table.quarantined else ""
            self.bench.out(f"      {name:<40} {table.rows:>8}{refused}")


SECTIONS: dict[str, Callable[[Workload], None]] = {
    "floor": Workload.floor,
    "noop": Workload.noop,
    "parquet": Workload.parquet,
    "references": Workload.references,
    "delta": Workload.delta,
    "postgresql": Workload.postgresql,
    "stream": Workload.stream,
    "unchecked": Workload.unchecked,
    "plain": Workload.plain,
    "per-table": Workload.per_table,
    "cold": Workload.cold_runs,
}
_OF_OTHER_PROCESSES = ("references", "cold")


def _noop(frame: DataFrame) -> None:
    """Compute every column of every row, and keep nothing."""
    frame.write.format("noop").mode("overwrite").save()


def _save(format: str, target: Path, table: str, frame: DataFrame) -> None:
    """Append rows to a table by Spark alone."""
    frame.write.format(format).mode("append").save(str(target / table))
