"""Killed at any moment and run again, every writer ends in the right tables; a reader in between never stumbles.

Run as a script this file is the process that gets killed: it reads orders from its input, forks for each, and never
touches a store itself, since delta-rs does not live through a fork.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from tests.conftest import REPOSITORY
from tests.mini import MAPPING, TABLES, Capture, expected, ordered, save

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.integration

#: Every target holds these before the batch that is killed.
BEFORE = [Capture(1, 1), Capture(2, 1), Capture(3, 1)]
#: Replaces games 1 and 2 (2 moves to another day), brings game 4, and an older capture of 3 that changes little.
KILLED = [Capture(1, 2), Capture(2, 2), Capture(4, 0), Capture(3, 0)]
#: Arrives between the crash and the second try: older than what was being written, and a new game.
LATE = [Capture(1, 0), Capture(2, 0), Capture(5, 1)]
QUICK = ("delta", "parquet")


# Writing and reading without Spark


def write(scheme: str, target: Path | str, captures: Sequence[Capture]) -> None:
    """Write one batch as the engine does where it is small."""
    from tests.contract.test_writers import _arrow_batch, writer_of

    writer = writer_of(scheme, str(target))
    writer.prepare()
    writer.write(_arrow_batch(captures, 0))


def read(scheme: str, target: Path) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables, as any other process reads them."""
    return {name: ordered(read_table(scheme, target.joinpath(*name.split(".")))) for name in TABLES}


def read_table(scheme: str, folder: Path) -> list[dict[str, Any]]:
    from deltalake import DeltaTable

    if scheme == "delta":
        there = DeltaTable.is_deltatable(str(folder))
        return list(DeltaTable(str(folder)).to_pyarrow_table().to_pylist()) if there else []
    if not folder.exists():
        return []
    if scheme == "avro":
        return avro_rows(folder)
    partitioning = ds.partitioning(pa.schema([("game_date", pa.date32())]), flavor="hive")
    named = partitioning if any(folder.glob("game_date=*")) else None
    return list(ds.dataset(folder, format="parquet", partitioning=named).to_table().to_pylist())


def avro_rows(folder: Path) -> list[dict[str, Any]]:
    """Read by the session of the test: fastavro alone reads no snappy."""
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    assert session
    rows = [row.asDict() for row in session.read.format("avro").load(str(folder)).collect()]
    return [row | {"source_captured_at": row["source_captured_at"].astimezone(timezone.utc)} for row in rows]


def rows_after(captures: Sequence[Capture]) -> dict[str, list[dict[str, Any]]]:
    return {name: ordered(rows) for name, rows in expected(captures).items()}


def debris(target: Path) -> list[Path]:
    """Return what is still staged or to be published, and files that readers of a table would take for its own."""
    tables = [target.joinpath(*name.split(".")) for name in TABLES]
    files = [file for table in tables for file in table.rglob("[!._]*") if file.is_file()]
    odd = [file for file in files if "_delta_log" not in file.parts and file.suffix not in (".parquet", ".avro")]
    kept = target / "_mlbsdk"
    return [*odd, *kept.glob("staging/**/*"), *kept.glob("publications/*")]


def check_after_crash(scheme: str, target: Path, before: Sequence[Capture], late: Sequence[Capture] = ()) -> None:
    """Read, let late captures arrive, run the killed batch again, and compare every row."""
    found = read(scheme, target)
    if scheme == "delta":  # each table is as before or as after, whole
        for name, rows in found.items():
            assert rows in (rows_after(before)[name], rows_after([*before, *KILLED])[name])
    if late:
        write(scheme, target, late)
        read(scheme, target)
    write(scheme, target, KILLED)
    assert read(scheme, target) == rows_after([*before, *KILLED, *late])
    assert not debris(target)
    write(scheme, target, KILLED)
    assert read(scheme, target) == rows_after([*before, *KILLED, *late])


# The process that is killed


class Victims:
    """A process without any store open, that forks one writing process after another."""

    def __init__(self, folder: Path) -> None:
        self.steps = folder / "steps"
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )

    def write(
        self, scheme: str, target: Path | str, *, die_at: int = 0, kill_after: float = 0
    ) -> tuple[int, int, float]:
        """Write KILLED; return the signal that ended the writer, or 0, the steps it did, and the seconds it took."""
        assert self.process.stdin
        assert self.process.stdout
        order = [scheme, str(target), str(self.steps), die_at, kill_after]
        print(json.dumps(order), file=self.process.stdin, flush=True)
        ended, done, seconds = json.loads(self.process.stdout.readline())
        return ended, done, seconds

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(30)


@pytest.fixture(scope="module")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victims]:
    made = Victims(tmp_path_factory.mktemp("victims"))
    yield made
    made.close()


def serve() -> None:
    """Fork a writer for every order."""
    from tests.contract.test_writers import _arrow_batch

    _arrow_batch(KILLED, 0)  # what is imported for it is imported once, before forking
    for line in sys.stdin:
        scheme, target, counted, die_at, kill_after = json.loads(line)
        steps = Path(counted)
        steps.unlink(missing_ok=True)
        begun = time.monotonic()
        pid = os.fork()
        if not pid:
            code = 1
            try:
                if not kill_after:
                    end_at(die_at, steps)
                write(scheme, target, KILLED)
                code = 0
            finally:
                os._exit(code)
        if kill_after:
            time.sleep(kill_after)
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        done = int(steps.read_text()) if steps.exists() else 0
        print(json.dumps([ended, done, time.monotonic() - begun]), flush=True)


def end_at(number: int, count: Path) -> None:
    """Have this process kill itself at a step: before or after one of the calls that change a target."""
    import deltalake
    import psycopg
    from deltalake.table import TableMerger

    import mlbsdk.writers.delta
    import mlbsdk.writers.files
    from mlbsdk.writers.files import Publication
    from mlbsdk.writers.lakehouse import Ledger

    done = itertools.count(1)

    def step() -> None:
        now = next(done)
        count.write_text(str(now))
        if now == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def act(*arguments: Any, **named: Any) -> Any:
            step()
            result = original(*arguments, **named)
            step()
            return result

        setattr(owner, name, act)

    def in_turn(work: Callable[[Any], Any], tables: list[Any]) -> dict[str, Any]:
        return {table.name: work(table) for table in tables}

    # One table after another: each number is then one place.
    mlbsdk.writers.delta.for_each_table = in_turn  # type: ignore[attr-defined]
    mlbsdk.writers.files.for_each_table = in_turn  # type: ignore[attr-defined]
    for owner, names in {
        deltalake: ("write_deltalake",),
        TableMerger: ("execute",),
        ds: ("write_dataset",),
        Path: ("replace", "unlink"),
        shutil: ("rmtree",),
        Ledger: ("record",),
        Publication: ("save", "apply"),
        # Every statement goes through it, also those that begin and end transactions and copies.
        psycopg.Connection: ("wait",),
    }.items():
        for name in names:
            watch(owner, name)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a target for each quick way that holds BEFORE: tests work on copies."""
    folder = tmp_path_factory.mktemp("before")
    for scheme in QUICK:
        write(scheme, folder / scheme, BEFORE)
    return {scheme: folder / scheme for scheme in QUICK}


@pytest.mark.parametrize("start", ["filled", pytest.param("nothing", marks=pytest.mark.slow)])
@pytest.mark.parametrize("scheme", QUICK)
def test_killed_at_every_step(
    victims: Victims, written: dict[str, Path], tmp_path: Path, scheme: str, start: str
) -> None:
    """Also while the first tables of a target are made, and with an older capture that comes before the second try."""
    before = BEFORE if start == "filled" else []

    def target(number: int) -> Path:
        made = tmp_path / f"{number}"
        if before:
            shutil.copytree(written[scheme], made)
        return made

    ended, steps, _ = victims.write(scheme, target(0))
    assert (ended, read(scheme, tmp_path / "0")) == (0, rows_after([*before, *KILLED]))
    assert steps > 10
    for number in range(1, steps + 1):
        killed = target(number)
        ended, done, _ = victims.write(scheme, killed, die_at=number)
        assert (ended, done) == (signal.SIGKILL, number)
        check_after_crash(scheme, killed, before, LATE if number % 2 else ())
        shutil.rmtree(killed)


@pytest.mark.parametrize("scheme", QUICK)
def test_killed_at_random_moments(victims: Victims, written: dict[str, Path], tmp_path: Path, scheme: str) -> None:
    """Inside Delta's commits too, where no step is."""
    chance = random.Random(f"{scheme} 1")
    shutil.copytree(written[scheme], tmp_path / "whole")
    _, _, whole = victims.write(scheme, tmp_path / "whole")
    killed = 0
    for number in range(20):
        target = tmp_path / str(number)
        before = BEFORE if number % 4 else []
        if before:
            shutil.copytree(written[scheme], target)
        ended, _, _ = victims.write(scheme, target, kill_after=chance.uniform(0.01, whole))
        killed += ended == signal.SIGKILL
        check_after_crash(scheme, target, before, LATE if number % 2 else ())
        shutil.rmtree(target)
    assert killed >= 10


@pytest.mark.parametrize("scheme", QUICK)
def test_killed_again_and_again(victims: Victims, tmp_path: Path, scheme: str) -> None:
    """A second crash may strike while the first is being mended."""
    target = tmp_path / "out"
    write(scheme, target, BEFORE)
    for number in (25, 7, 16, 12, 3, 9, 2):
        victims.write(scheme, target, die_at=number)
        read(scheme, target)
    check_after_crash(scheme, target, BEFORE if scheme == "parquet" else [*BEFORE, *KILLED], LATE)


def test_a_target_that_is_moved_after_a_crash_is_completed_where_it_is(
    victims: Victims, written: dict[str, Path], tmp_path: Path
) -> None:
    for number in range(1, 100):
        target, moved = tmp_path / str(number), tmp_path / f"moved-{number}"
        shutil.copytree(written["parquet"], target)
        victims.write("parquet", target, die_at=number)
        if any(target.glob("_mlbsdk/publications/*.json")):
            target.rename(moved)
            check_after_crash("parquet", moved, BEFORE)
            assert not target.exists()
            return
    raise AssertionError("no step left a publication")


# With Spark


@pytest.fixture
def by_spark(spark: SparkSession) -> Iterator[SparkSession]:
    spark.conf.set("spark.mlbsdk.arrow", "false")
    yield spark
    spark.conf.unset("spark.mlbsdk.arrow")


def run_mini(spark: SparkSession, scheme: str, target: Path, captures: Sequence[Capture]) -> None:
    from mlbsdk.runtime.run import RunRequest, run

    source = target.parent / f"captures-{time.monotonic_ns()}"
    save(source, captures)
    run(RunRequest(name="mini.game", mapping=MAPPING, source=str(source), target=f"{scheme}:{target}"), spark=spark)


class Crash(BaseException):
    """Stands for a kill where the process must live on: nothing may catch it."""


@pytest.mark.spark
@pytest.mark.parametrize("after", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_delta_by_spark_stopped_between_its_tables(
    by_spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    from mlbsdk.writers import delta

    target = tmp_path / "out"
    run_mini(by_spark, "delta", target, BEFORE)

    def some(work: Callable[[Any], Any], tables: list[Any]) -> dict[str, Any]:
        for table in tables[:after]:
            work(table)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(delta, "for_each_table", some)
        with pytest.raises(Crash):
            run_mini(by_spark, "delta", target, KILLED)
    read("delta", target)
    run_mini(by_spark, "delta", target, LATE)
    run_mini(by_spark, "delta", target, KILLED)
    assert read("delta", target) == rows_after([*BEFORE, *KILLED, *LATE])


@pytest.mark.spark
@pytest.mark.parametrize("place", [pytest.param("Ledger.record", marks=pytest.mark.slow), "Publication.apply"])
def test_avro_stopped_while_it_publishes(
    by_spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    from mlbsdk.writers import files

    target = tmp_path / "out"
    run_mini(by_spark, "avro", target, BEFORE)

    def crash(*_: object, **__: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        owner, _, name = place.partition(".")
        patched.setattr(getattr(files, owner), name, crash)
        with pytest.raises(Crash):
            run_mini(by_spark, "avro", target, KILLED)
    read("avro", target)
    run_mini(by_spark, "avro", target, LATE)
    run_mini(by_spark, "avro", target, KILLED)
    assert read("avro", target) == rows_after([*BEFORE, *KILLED, *LATE])
    assert not debris(target)


#: Scheme, what in the target says that writing has begun, and by how many seconds later the kill comes at most.
WHOLE = [
    ("delta", "_mlbsdk/documents/_delta_log/*1.json", 4.0),
    ("delta", "mini/*/_delta_log/*1.json", 0.5),
    ("parquet", "_mlbsdk/staging/*/*", 0.5),
    ("avro", "_mlbsdk/staging/*/*", 3.0),
]


@pytest.mark.spark
@pytest.mark.parametrize(
    "number", [pytest.param(number, marks=[] if number == 2 else [pytest.mark.slow]) for number in range(len(WHOLE))]
)
def test_the_whole_run_killed_with_its_java(by_spark: SparkSession, tmp_path: Path, number: int) -> None:
    scheme, sign, seconds = WHOLE[number]
    target = tmp_path / "out"
    run_mini(by_spark, scheme, target, BEFORE)
    save(tmp_path / "in", KILLED)
    arrow = "true" if scheme == "parquet" else "false"
    (tmp_path / "mlbsdk.yaml").write_text(
        f"spark: {{spark.mlbsdk.arrow: '{arrow}', spark.master: 'local[2]'}}\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "mlbsdk.cli.main", "run", "mini.game", "--mapping", str(MAPPING)]
    process = subprocess.Popen(
        [*command, "--source", "in", "--target", f"{scheme}:{target}"],
        cwd=tmp_path,
        env=os.environ | {"MLBSDK_HOME": str(tmp_path / "home"), "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and not any(target.glob(sign)):
        time.sleep(0.005)
    time.sleep(random.Random(f"{number} 1").uniform(0, seconds))
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() in (-signal.SIGKILL, 0)
    read(scheme, target)
    run_mini(by_spark, scheme, target, LATE)
    run_mini(by_spark, scheme, target, KILLED)
    assert read(scheme, target) == rows_after([*BEFORE, *KILLED, *LATE])
    assert not debris(target)


if __name__ == "__main__":
    serve()
