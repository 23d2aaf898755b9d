"""Run many games on a standalone cluster of real processes, and measure memory, results sent to the driver, and skew.

Usage::

    python benchmarks/cluster.py                            # 2,430 games to Parquet and Delta, 2 executors
    python benchmarks/cluster.py --games 200 --target delta --target postgresql --again
    python benchmarks/cluster.py --games 60 --long 5 --target parquet      # the last game has 5 MB
    python benchmarks/cluster.py --games 2430 --master 'local[*]'          # the same without executors
    python benchmarks/cluster.py --save 2-cores-cluster     # also writes benchmarks/results/2-cores-cluster.txt
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from extra_innings import extra_innings
from generate import Games
from measures import Output
from processes import peak_mb

# The tests' servers.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.cluster import EVENT_LOG, MLBSDK, Events, events_of, running
from tests.postgres import running as running_postgres

NAME = "game.live_game_v1"
LATER = 30
#: With 1,400 MB of heap an executor's process stays below 2 GB: Java's classes, code and buffers are beside the heap.
SETTINGS = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.executor.memory": "1400m",
    "spark.driver.maxResultSize": "16m",
}


class Memory:
    """The most memory that each process of a run has held, by what it is: looked at twice a second."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        self.most: dict[str, float] = {}
        self._roots = roots
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._done.set()
        self._thread.join()

    def lines(self) -> list[str]:
        """Return a line for each kind of process."""
        return [f"  {kind:<44} {size:>8.0f} MB" for kind, size in sorted(self.most.items())]

    def _watch(self) -> None:
        while not self._done.wait(0.5):
            parents = {int(name): _parent(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208
            for process in parents:
                kind = self._kind(process, parents)
                if kind:
                    self.most[kind] = max(self.most.get(kind, 0), peak_mb(process) or 0)

    def _kind(self, process: int, parents: Mapping[int, int]) -> str | None:
        """Return what a process is; None for one that is none of ours."""
        found, at = None, process
        while at > 1 and found is None:
            found = next((name for name, root in self._roots.items() if root == at), None)
            at = parents.get(at, 0)
        if found is None:
            return None
        is_java = _command(process).partition("\0")[0].endswith("java")
        if found == "driver":
            return "driver, Java" if is_java else "driver, Python"
        return f"executor on {found}" if "CoarseGrainedExecutorBackend" in _command(process) else None


def _parent(process: str) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended
        return 0


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def make_games(folder: Path, count: int, later: int, megabytes: int) -> None:
    """Write captures, the last of them of so many megabytes where that is not 0."""
    files = Games().write(folder, count, later)
    if megabytes:
        files[-1].write_text(extra_innings(files[-1].read_text(encoding="utf-8"), megabytes * 10**6), encoding="utf-8")


@contextmanager
def target_of(format: str, folder: Path) -> Iterator[str]:
    """Give the address of a target of a format: a folder that is removed, or a database of a server that is stopped."""
    if format == "postgresql":
        with running_postgres() as server:
            yield server.database_of(folder)
        return
    try:
        yield f"{format}:{folder}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(
    work: Path, source: Path, target: str, settings: Mapping[str, str], workers: Mapping[str, int], say: Output
) -> None:
    """Run mlbsdk in a process of its own and say what it did and what it took."""
    events = work / "events"
    shutil.rmtree(events, ignore_errors=True)
    events.mkdir()
    spark = {**settings, **EVENT_LOG, "spark.eventLog.dir": events.as_uri(), "spark.local.dir": str(work / "local")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLBSDK_", "SPARK_"))}
    environment |= {"MLBSDK_HOME": str(work / "home"), "MLBSDK_SPARK": json.dumps(spark), "SPARK_LOCAL_IP": "127.0.0.1"}
    begun = time.monotonic()
    process = subprocess.Popen(
        [str(MLBSDK), "run", NAME, "--source", str(source), "--target", target, "--json"],
        env=environment,
        cwd=work,
        stdout=subprocess.PIPE,
        text=True,
    )
    with Memory({"driver": process.pid, **workers}) as memory:
        printed, _ = process.communicate()
    if process.returncode:
        say(f"  FAILED with {process.returncode}: {printed[-2000:]}")
        return
    report = json.loads(printed)
    rows = sum(table["rows"] for table in report["tables"].values())
    phases = ", ".join(f"{name} {seconds:.1f}" for name, seconds in report["phases"].items())
    say(f"  {'time':<44} {time.monotonic() - begun:>8.1f} s    {phases}")
    say(f"  {'documents, rows':<44} {report['documents']['newest']:>8}     {rows}")
    for line in memory.lines():
        say(line)
    tell(events_of(events), say)


def tell(found: Events, say: Output) -> None:
    """Say what the event log has: who worked, what came to the driver, and how long tasks took."""
    say(f"  {'jobs, stages, tasks':<44} {found.jobs:>8}     {len(found.results)} {sum(found.executors.values())}")
    say(f"  {'tasks by executor':<44} {dict(sorted(found.executors.items()))}")
    say(f"  {'documents, of many their rows too, read once':<44} {found.rows_parsed:>8}")
    say(f"  {'largest result of a task':<44} {found.largest_result / 1024:>8.0f} KB")
    say(f"  {'results of all tasks':<44} {sum(found.results.values()) / 1024**2:>8.1f} MB")
    longest = sorted(found.run_times.items(), key=lambda item: -max(item[1]))[:3]
    for stage, times in longest:
        middle = sorted(times)[len(times) // 2]
        name = found.stages.get(stage, "")[:60]
        what = f"of {len(times)}, median {middle / 1000:.1f} s: {name}"
        say(f"  {'longest tasks':<44} {max(times) / 1000:>8.1f} s    {what}")


def main() -> None:
    """Run the games through a cluster."""
    parser = argparse.ArgumentParser(description="Run many games on a standalone cluster of real processes.")
    parser.add_argument("--games", type=int, default=2430, metavar="N", help="how many (default 2430)")
    parser.add_argument("--long", type=int, default=0, metavar="MB", help="let the last game have so many megabytes")
    parser.add_argument(
        "--target",
        action="append",
        metavar="FORMAT",
        help="parquet, delta, avro or postgresql (default: the first two)",
    )
    parser.add_argument("--source", type=Path, metavar="DIR", help="captures to take instead of making some")
    parser.add_argument("--again", action="store_true", help="also the same captures again, and newer ones")
    parser.add_argument("--master", default="", help="a master to use instead, such as 'local[*]'")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where files go (default: a temporary folder)")
    parser.add_argument("--spark", action="append", default=[], metavar="KEY=VALUE", help="a Spark setting")
    parser.add_argument("--save", metavar="NAME", help="also write results/NAME.txt")
    given = parser.parse_args()
    settings = SETTINGS | dict(setting.split("=", 1) for setting in given.spark)
    say = Output()
    now, load, python = time.strftime("%Y-%m-%d %H:%M"), os.getloadavg()[0], platform.python_version()
    say(f"{now}, {os.cpu_count()} cores, load {load:.1f}, Python {python}")
    with tempfile.TemporaryDirectory(prefix="mlbsdk-cluster-benchmark-", dir=given.work) as folder:
        work = Path(folder)
        sources = {"first load": given.source or work / "first"}
        if given.source is None:
            make_games(sources["first load"], given.games, 0, given.long)
        files = list(sources["first load"].iterdir())
        size, largest = sum(file.stat().st_size for file in files), max(file.stat().st_size for file in files)
        if given.again:
            sources |= {"same again": sources["first load"], "newer captures": work / "newer"}
            make_games(sources["newer captures"], given.games, LATER, given.long)
        say(f"{len(files)} games, {size / 1e6:.0f} MB of JSON, the largest of {largest / 1e6:.1f} MB")
        with nullcontext() if given.master else running(memory="2g") as cluster:
            workers = cluster.workers if cluster else {}
            settings["spark.master"] = cluster.master if cluster else given.master
            say(", ".join(f"{name}={value}" for name, value in settings.items() if name != "spark.master"))
            for format in given.target or ["parquet", "delta"]:
                with target_of(format, work / format) as target:
                    for what, source in sources.items():
                        say(f"\n{format}, {what}, on {'a standalone cluster' if cluster else given.master}")
                        run(work, source, target, settings, workers, say)
        say(f"\nload at the end {os.getloadavg()[0]:.1f}")
    if given.save:
        say.save(given.save)


if __name__ == "__main__":
    main()
