"""Measure the engine: one process, one Spark session, warm; see README.md for what each line means.

Usage::

    python benchmarks/run.py                      # one game and 200 games, everything
    python benchmarks/run.py --games 20 --runs 2 --skip per-table
    python benchmarks/run.py --save NAME          # also writes benchmarks/results/NAME.txt
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from generate import Games

# The tests' PostgreSQL server.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mlbsdk.errors import ConfigurationError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import LoadedMapping, load_file
from mlbsdk.mapping.plan import Plan
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport, TableReport
from mlbsdk.runtime.cut import cut
from mlbsdk.runtime.envelopes import envelope_ddl
from mlbsdk.runtime.parse import parse
from mlbsdk.runtime.run import RunRequest, load_mapping, run
from mlbsdk.runtime.session import session
from mlbsdk.runtime.sources import FileSource
from mlbsdk.runtime.stream import StreamRequest, stream
from mlbsdk.runtime.threads import in_threads
from mlbsdk.runtime.transformation import BaseTransformation, OnError, transformation_for
from tests.postgres import Server, running

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

HERE = Path(__file__).resolve().parent
MAPPING = HERE.parent / "mappings/game/live_game_v1.yaml"
NAME = "game.live_game_v1"
LATER = 30
SECTIONS = ("floor", "delta", "parquet", "postgresql", "stream", "plain", "per-table")
STREAMED = 16
FIRST, AGAIN, NEWER = "first load", "same again", "newer captures"


@dataclass
class Measure:
    """Seconds and Spark jobs of the runs of one thing."""

    name: str
    seconds: list[float] = field(default_factory=list)
    jobs: list[int] = field(default_factory=list)

    @property
    def best(self) -> float:
        """The fastest run."""
        return min(self.seconds)

    def line(self) -> str:
        """Return the measure as a line of text."""
        every = " ".join(f"{seconds:.2f}" for seconds in self.seconds)
        return f"  {self.name:<44} {self.best:>8.2f} s {max(self.jobs):>6} jobs   runs: {every}"


@dataclass(frozen=True)
class Criterion:
    """A figure that the project promised, and what it is here; None where it was not measured."""

    text: str
    value: float | None
    limit: float

    def line(self) -> str:
        """Return the criterion as a line of text."""
        if self.value is None:
            return f"  {'-':>6}  not measured  {self.text}"
        verdict = "within" if self.value <= self.limit else "OVER"
        return f"  {self.value:>6.2f}  {verdict:<12}  {self.text} (at most {self.limit:g})"


class Output:
    """Prints lines at once and keeps them for a file."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str = "") -> None:
        print(line, flush=True)
        self.lines.append(line)

    def save(self, name: str) -> Path:
        """Write what was printed to results/NAME.txt."""
        path = HERE / "results" / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        return path


class JobCounter:
    """Counts the Spark jobs that the session starts, in whatever thread and group.

    Job ids are consecutive, so a tiny job of a known group before and after tells how many were between. Counting
    the jobs of one group would miss those that Spark puts into groups of its own, such as broadcasts.
    """

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self.probes = 0

    def mark(self) -> int:
        """Run a tiny job and return its id."""
        context = self.spark.sparkContext
        self.probes += 1
        group = f"benchmark probe {self.probes}"
        context.setJobGroup(group, "counting jobs")
        try:
            self.spark.range(1).write.format("noop").mode("overwrite").save()
        finally:
            context.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]
            context.setLocalProperty("spark.job.description", None)  # type: ignore[arg-type]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = context.statusTracker().getJobIdsForGroup(group)
            if found:
                return max(found)
            time.sleep(0.01)
        raise RuntimeError("Spark's status tracker does not show a job that has run")


class Workload:
    """The generated captures of one size, and everything that is measured with them."""

    def __init__(self, bench: Bench, games: int) -> None:
        self.bench = bench
        self.spark = bench.spark
        self.games = games
        self.runs = bench.given.runs
        self.label = f"{games} game{'s' if games > 1 else ''}"
        self.folder = bench.work / f"games{games}"
        self.first, self.later = self.folder / "first", self.folder / "later"
        self.measures: dict[str, Measure] = {}
        self.tables: Mapping[str, TableReport] = {}

    def generate(self) -> None:
        """Write the captures."""
        made = Games(self.bench.given.seed)
        begun = time.monotonic()
        files = made.write(self.first, self.games, compress=self.bench.given.gzip)
        made.write(self.later, self.games, LATER, self.bench.given.gzip)
        size = sum(file.stat().st_size for file in files)
        seconds = time.monotonic() - begun
        self.bench.out()
        kind = "gzipped JSON" if self.bench.given.gzip else "JSON"
        self.bench.out(f"{self.label}: {size / 1e6:.1f} MB of {kind} (generated twice in {seconds:.1f} s)")

    def measure(self) -> None:
        """Take every measure that was not skipped; a failure is shown and ends only its own section."""
        sections: dict[str, Callable[[], None]] = {
            "floor": self._floor,
            "delta": lambda: self._engine("delta"),
            "parquet": lambda: self._engine("parquet"),
            "postgresql": lambda: self._engine("postgresql"),
            "stream": self._stream,
            "plain": self._plain,
            "per-table": self._per_table,
        }
        for name, section in sections.items():
            if name in self.bench.given.skip:
                continue
            try:
                section()
            except Exception as problem:  # the other sections are still worth having; the exit code tells
                self.bench.failures += 1
                self.bench.out(f"  {name}: FAILED: {type(problem).__name__}: {str(problem).splitlines()[0]}")
            if name == "parquet":
                self.bench.out(f"  {'peak memory so far':<44} {peak_memory(self.spark)}")
        self._rows()

    def best(self, name: str) -> float | None:
        """Return the seconds of the fastest run; None where it was not measured."""
        return self.measures[name].best if name in self.measures else None

    # Sections

    def _floor(self) -> None:
        from pyspark.sql import functions as F

        schema = envelope_ddl(self.bench.plan.document)

        def json_only() -> None:
            noop(self._raw().select(F.from_json("data", schema)))

        self._take("parse floor: from_json of the mapped paths", json_only)
        self._take("parse(): that, keys and captured_at", lambda: noop(self._parsed()))

    def _engine(self, format: str) -> None:
        names = {step: f"engine to {format}, {step}" for step in (FIRST, AGAIN, NEWER)}
        last: dict[str, RunReport] = {}
        for _ in range(self.runs):
            with self.bench.target(format) as target:
                for step, source in ((FIRST, self.first), (AGAIN, self.first), (NEWER, self.later)):
                    with self._timed(names[step]):
                        last[step] = self._run(source, target)
        for step, name in names.items():
            self.bench.out(self.measures[name].line())
            phases = ", ".join(f"{phase} {seconds:.2f}" for phase, seconds in last[step].phases.items())
            changes = [f"{sum(getattr(table, kind) for table in last[step].tables.values())} {kind}" for kind in _KINDS]
            changed = ", ".join(one for one in changes if not one.startswith("0 "))
            self.bench.out(f"      last run: {phases}; rows: {changed}")
        self.tables = last[FIRST].tables

    def _stream(self) -> None:
        """Stream captures into PostgreSQL, each arriving when the one before is visible."""
        if self.games > 1:
            return
        source = self.folder / "stream"
        source.mkdir()
        stop = threading.Event()
        following = _Following(self.bench.given.seed, source, stop)
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
        name = "stream to postgresql, one capture, from trigger to visible"
        self.measures[name] = Measure(name, following.seconds, [0])
        self.bench.out(self.measures[name].line())

    def _plain(self) -> None:
        """The same DataFrames, written once by Spark without comparing them with anything."""

        def write(format: str, target: Path) -> None:
            transformation = self._transformation()
            try:
                tables = transformation.transform(transformation.read_source())
                in_threads(lambda item: save(item[1], format, target / item[0]), list(tables.items()))
            finally:
                transformation.release()

        def transform_only() -> None:
            transformation = self._transformation()
            try:
                transformation.transform(transformation.read_source())
            finally:
                transformation.release()

        self._take("transform() alone, in each plain line too", transform_only)
        for _ in range(self.runs):
            with self.bench.fresh() as target:
                for step in (FIRST, AGAIN):
                    with self._timed(f"plain append to delta, {_PLAIN[step]}"):
                        write("delta", target)
            with self.bench.fresh() as target, self._timed(f"plain write to parquet, {_PLAIN[FIRST]}"):
                write("parquet", target)
        for name, measure in self.measures.items():
            if name.startswith("plain"):
                self.bench.out(measure.line())

    def _per_table(self) -> None:
        """One parse a table: what a pipeline without a shared parse pays."""

        def one(name: str, target: Path) -> None:
            parsed = self._parsed().where("problem IS NULL")
            stamp = self._transformation().stamp
            save(cut(parsed, self.bench.plan.table(name), stamp), "parquet", target / name)

        def every() -> None:
            with self.bench.fresh() as target:
                in_threads(lambda table: one(table.name, target), list(self.bench.plan.tables))

        self._take("one parse a table, plain write to parquet", every, runs=1)

    def _rows(self) -> None:
        if not self.tables:
            return
        self.bench.out(f"  rows by table ({sum(table.rows for table in self.tables.values())} in all)")
        for name, table in self.tables.items():
            refused = f"   QUARANTINED: {table.quarantined}" if table.quarantined else ""
            self.bench.out(f"      {name:<40} {table.rows:>8}{refused}")

    # Helpers

    def _raw(self) -> DataFrame:
        return FileSource(str(self.first), {}).read(self.spark, self.bench.loaded.mapping).frame

    def _parsed(self) -> DataFrame:
        return parse(self._raw(), self.bench.plan, self._transformation().stamp)

    def _transformation(self) -> BaseTransformation:
        kind = transformation_for(NAME)
        source = FileSource(str(self.first), {})
        return kind(self.spark, self.bench.loaded, source=source, on_error=OnError.QUARANTINE)

    def _run(self, source: Path, target: str) -> RunReport:
        request = RunRequest(
            name=NAME,
            source=str(source),
            target=target,
            on_error=OnError.QUARANTINE,
            mapping=self.bench.mapping_file,
            spark=self.bench.settings,
        )
        return run(request, self.bench.plugins, self.spark)

    def _take(self, name: str, work: Callable[[], None], runs: int | None = None) -> None:
        for _ in range(runs or self.runs):
            with self._timed(name):
                work()
        self.bench.out(self.measures[name].line())

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        before = self.bench.counter.mark()
        begun = time.perf_counter()
        yield
        seconds = time.perf_counter() - begun
        measure = self.measures.setdefault(name, Measure(name))
        measure.seconds.append(seconds)
        measure.jobs.append(self.bench.counter.mark() - before - 1)


class _Following:
    """Hands a stream the next capture when the last one is visible, and notes the seconds that each took."""

    def __init__(self, seed: int, folder: Path, stop: threading.Event) -> None:
        self.games = Games(seed)
        self.folder = folder
        self.stop = stop
        self.seconds: list[float] = []

    def capture_arrives(self) -> None:
        """Move the same game into the folder, captured another half hour later."""
        number = len(self.seconds)
        made = self.games.write(self.folder / ".new", 1, LATER * (number + 1), False)
        made[0].rename(self.folder / f"{number}.json")

    def phase_changed(self, report: RunReport, phase: str) -> None: ...

    def run_started(self, report: RunReport) -> None: ...

    def run_completed(self, report: RunReport) -> None: ...

    def run_failed(self, report: RunReport, error: BaseException) -> None: ...

    def batch_written(self, report: RunReport, batch_id: int) -> None:
        if report.stream is not None and report.stream.last is not None:
            self.seconds.append(report.stream.last.seconds)
        if len(self.seconds) == STREAMED:
            self.stop.set()
        else:
            self.capture_arrives()


_KINDS = ("inserted", "updated", "unchanged", "deleted", "quarantined")
_PLAIN = {FIRST: "new tables", AGAIN: "into them"}


class Bench:
    """One benchmark: the session, the mapping and the workloads."""

    def __init__(self, given: argparse.Namespace, work: Path) -> None:
        self.given = given
        self.work = work
        self.out = Output()
        self.failures = 0
        self.plugins = Plugins.load()
        self.mapping_file, self.loaded = mapping(given.mapping, self.plugins)
        self.plan: Plan = compile_mapping(self.loaded)
        self.settings: dict[str, str] = dict(setting.split("=", 1) for setting in given.spark)
        if given.without_arrow:
            self.settings["spark.mlbsdk.arrow"] = "false"
        needs = [self.plugins.writer(format).spark for format in ("delta", "parquet")]
        self.spark = session(needs, self.settings, work / "spark.log")
        self.counter = JobCounter(self.spark)
        self.server: Server | None = None
        self._exits = ExitStack()

    def measure(self) -> None:
        """Measure everything and print it."""
        self._machine()
        workloads = [Workload(self, games) for games in sorted(set(self.given.games))]
        for workload in workloads:
            workload.generate()
            workload.measure()
            shutil.rmtree(workload.folder)
        self.out()
        self.out(f"peak memory of the whole benchmark: {peak_memory(self.spark)}")
        self.out(f"load of the machine at the end: {load()}")
        self._criteria(workloads)

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """Give a new folder, and remove it after use."""
        folder = Path(tempfile.mkdtemp(prefix="target-", dir=self.work))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def target(self, format: str) -> Iterator[str]:
        """Give the address of an empty target."""
        if format == "postgresql":
            self.server = self.server or self._exits.enter_context(running())
            with self.server.database() as address:
                yield address
            return
        with self.fresh() as folder:
            yield f"{format}:{folder}"

    def close(self) -> None:
        """End what was started."""
        self.spark.stop()
        self._exits.close()

    def _machine(self) -> None:
        java = self.spark._jvm.System.getProperty("java.version")  # type: ignore[union-attr]
        versions = {name: importlib.metadata.version(name) for name in ("pyspark", "deltalake", "pyarrow", "mlbsdk")}
        self.out(f"mlbsdk benchmark, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit()}")
        packages = ", ".join(f"{name} {version}" for name, version in versions.items())
        settings = self.settings or "settings as the engine makes them"
        driver = self.spark.conf.get("spark.driver.memory")
        columns = sum(len(table.columns) for table in self.plan.tables)
        self.out(f"machine: {cores()} cores, {memory()}, {platform.system()} {platform.machine()}, load {load()}")
        self.out(f"versions: Python {platform.python_version()}, Java {java}, {packages}")
        self.out(f"session: {self.spark.sparkContext.master}, driver memory {driver}, {settings}")
        self.out(f"mapping: {self.mapping_file or 'of the plugin'}, {len(self.plan.tables)} tables, {columns} columns")
        self.out(f"each measure: the fastest of {self.given.runs} runs, all runs beside it; most Spark jobs in a run")

    def _criteria(self, workloads: list[Workload]) -> None:
        self.out()
        self.out("criteria")
        tables = len(self.plan.tables)
        found: list[Criterion] = []
        one = next((workload for workload in workloads if workload.games == 1), None)
        for step, plain in ((FIRST, FIRST), (AGAIN, AGAIN), (NEWER, AGAIN)):
            text = f"one game, warm, to Delta, {step}: whole run / parse and plain append ({_PLAIN[plain]})"
            baseline = one.best(f"plain append to delta, {_PLAIN[plain]}") if one else None
            found.append(Criterion(text, ratio(one.best(f"engine to delta, {step}") if one else None, baseline), 3))
        many = workloads[-1]
        for step in (FIRST, AGAIN, NEWER):
            floor = many.best("parse floor: from_json of the mapped paths")
            text = f"{many.label} to Parquet, {step}: whole run / parse floor"
            found.append(Criterion(text, ratio(many.best(f"engine to parquet, {step}"), floor), 4))
        for step in (FIRST, AGAIN, NEWER):
            text = f"{many.label} to PostgreSQL, {step}: whole run / to Delta"
            value = ratio(many.best(f"engine to postgresql, {step}"), many.best(f"engine to delta, {step}"))
            found.append(Criterion(text, value, 2))
        visible = one.best("stream to postgresql, one capture, from trigger to visible") if one else None
        found.append(
            Criterion("one capture streamed into PostgreSQL, warm: seconds from trigger to visible", visible, 2.5)
        )
        jobs = [
            (max(measure.jobs), f"{name}, {workload.label}")
            for workload in workloads
            for name, measure in workload.measures.items()
            if name.startswith("engine")
        ]
        most, where = max(jobs, default=(0, "no run"))
        found.append(Criterion(f"Spark jobs a table, most in a run ({where})", most / tables if jobs else None, 3))
        for criterion in found:
            self.out(criterion.line())
        if many.games < 200:
            self.out(f"  The Parquet criterion is about 200 games; these are figures of {many.label}.")


def ratio(one: float | None, other: float | None) -> float | None:
    """Return one / other; None where either is missing."""
    return None if one is None or other is None else one / other


def mapping(file: Path | None, plugins: Plugins) -> tuple[Path | None, LoadedMapping]:
    """Return the mapping: a given file, else the plugin's (as file None), else the repository's."""
    if file is None:
        try:
            return None, load_mapping(plugins.transform(NAME))
        except ConfigurationError:
            file = MAPPING
    return file, load_file(file)


def noop(frame: DataFrame) -> None:
    """Compute every column of every row, and keep nothing."""
    frame.write.format("noop").mode("overwrite").save()


def save(frame: DataFrame, format: str, folder: Path) -> None:
    """Append rows to a table by Spark alone."""
    frame.write.format(format).mode("append").save(str(folder))


def peak_memory(spark: SparkSession) -> str:
    """Return the most memory that this process and its Java have had so far."""
    python = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    pid = spark._jvm.java.lang.ProcessHandle.current().pid()  # type: ignore[union-attr]
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    java = f"{int(found[1]) / 1024:.0f} MB" if found else "unknown"
    return f"Python {python / 1024**2:.0f} MB, Java {java}"


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> str:
    """Return the machine's memory."""
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1024**3:.1f} GB of memory"
    except (ValueError, OSError):
        return "memory unknown"


def load() -> str:
    """Return the load averages over 1 and 5 minutes."""
    one, five, _ = os.getloadavg()
    return f"{one:.1f} {five:.1f}"


def commit() -> str:
    """Return the commit that is measured."""
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description="Measure the engine.")
    parser.add_argument("--games", type=int, nargs="+", default=[1, 200], metavar="N", help="sizes (default 1 200)")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs of each measure (default 3)")
    parser.add_argument("--skip", nargs="+", default=[], choices=SECTIONS, help="sections to leave out")
    parser.add_argument("--save", metavar="NAME", help="write the text to benchmarks/results/NAME.txt too")
    parser.add_argument("--mapping", type=Path, metavar="FILE", help="another mapping of game.live_game_v1")
    parser.add_argument("--gzip", action="store_true", help="gzipped captures")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the captures (default 0)")
    parser.add_argument("--without-arrow", action="store_true", help="Spark commits small batches too, as on a cluster")
    parser.add_argument("--spark", action="append", default=[], metavar="KEY=VALUE", help="a Spark setting; repeatable")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where temporary files go (default: the system's)")
    given = parser.parse_args()
    if min(given.games) < 1 or given.runs < 1:
        parser.error("--games and --runs must be at least 1")
    if any("=" not in setting for setting in given.spark):
        parser.error("--spark needs KEY=VALUE")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the temporary folder goes then too
    work = Path(tempfile.mkdtemp(prefix="mlbsdk-benchmark-", dir=given.work))
    try:
        bench = Bench(given, work)
        bench.measure()
        if given.save:
            print(f"saved: {bench.out.save(given.save)}")
        bench.close()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
