"""Rows that Spark's tasks copy into PostgreSQL: tasks, servers and whole runs are killed, and nothing is doubled."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from mlbsdk_plugin_postgres.staging import TASK, Staged, TaskStaging
from mlbsdk_plugin_postgres.writer import PostgresWriter

from mlbsdk.mapping.ddl import PostgresTable
from mlbsdk.runtime.batch import Batch, TableRows
from mlbsdk.runtime.schemas import spark_schema
from tests.conftest import REPOSITORY
from tests.contract.test_writers import _arrow_batch
from tests.integration.test_crash import BEFORE, KILLED, LATE, rows_after
from tests.integration.test_postgres_crash import (
    Reader,
    check_after_crash,
    ledger,
    noted,
    staging,
    tables,
    wait_until_nothing_is_staged,
    write,
)
from tests.mini import MAPPING, Capture, save
from tests.postgres import Server, running

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.integration]


def batch_of(spark: SparkSession, captures: Sequence[Capture]) -> Batch:
    """Return a batch whose rows have not left Spark, each table in two partitions."""
    batch = _arrow_batch(captures, 0)
    for name, rows in batch.tables.items():
        names = spark_schema(rows.table).names
        values = [tuple(row[name] for name in names) for row in rows.arrow.to_pylist()]
        frame = spark.createDataFrame(values, spark_schema(rows.table)).repartition(2)
        batch.tables[name] = TableRows(rows.table, frame, None, len(values))
    return batch


@contextlib.contextmanager
def writer_on(address: str) -> Iterator[PostgresWriter]:
    """Give a writer that is prepared."""
    with contextlib.closing(PostgresWriter(address, {})) as writer:
        writer.prepare()
        yield writer


# Attempts that Spark does not count


def copied_again(address: str, relation: str, rows: TableRows) -> None:
    """Copy what is staged once more as another attempt, as a speculated task does whose answer nobody waits for."""
    columns = ", ".join(f'"{name}"' for name in PostgresTable(rows.table).types())
    with psycopg.connect(address, options="-c lock_timeout=300") as connection:
        connection.execute(
            f"INSERT INTO {relation} ({columns}, {TASK}) SELECT {columns}, 'another' FROM {relation} WHERE {TASK} <> ''"
        )


def test_a_speculated_attempt_has_no_effect(
    spark: SparkSession, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before the batch is published, and not by coming to its end while it is published."""
    write(database, BEFORE)
    stage, keep_only = TaskStaging.stage, TaskStaging.keep_only
    staged: dict[str, TableRows] = {}

    def stage_twice(self: TaskStaging, rows: TableRows, relation: str) -> tuple[Staged, list[str]]:
        found = stage(self, rows, relation)
        staged[relation] = rows
        copied_again(database, relation, rows)
        return found

    def too_late(self: TaskStaging, relation: str, tasks: list[str]) -> None:
        keep_only(self, relation, tasks)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            copied_again(database, relation, staged[relation])

    monkeypatch.setattr(TaskStaging, "stage", stage_twice)
    monkeypatch.setattr(TaskStaging, "keep_only", too_late)
    with writer_on(database) as writer:
        batch = batch_of(spark, KILLED)
        written = writer.write(batch)
    assert len(staged) == 3
    for name, rows in batch.tables.items():
        counted = written[name]
        assert counted.inserted + counted.updated + counted.unchanged == rows.count
    assert tables(database) == rows_after([*BEFORE, *KILLED])
    assert not staging(database)


#: Put before all Python processes of a run: what happens to the commits of tasks, in their order.
_FATES = """
import itertools, os, signal, sys

def watch():
    import psycopg
    commit = psycopg.Connection.commit
    folder = os.environ["FATES"]

    def number():
        for n in itertools.count(1):
            try:
                os.close(os.open(os.path.join(folder, str(n)), os.O_CREAT | os.O_EXCL))
                return n
            except FileExistsError:
                pass

    def fated(self):
        from pyspark import TaskContext

        now = number() if TaskContext.get() else 0
        if 1 <= now <= 4:
            self.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        if now == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        commit(self)
        if now == 6:
            os.kill(os.getpid(), signal.SIGKILL)

    psycopg.Connection.commit = fated

if "FATES" in os.environ:
    watch()
"""


def start_run(folder: Path, address: str, captures: Sequence[Capture], master: str, **variables: str) -> Any:
    """Start ``mlbsdk run`` whose tasks copy, in a process group of its own."""
    if not (folder / "in").exists():
        save(folder / "in", captures)
    (folder / "mlbsdk.yaml").write_text(
        f"spark: {{spark.mlbsdk.arrow: 'false', spark.master: '{master}'}}\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "mlbsdk.cli.main", "run", "mini.game", "--mapping", str(MAPPING)]
    paths = os.pathsep.join([str(folder), str(REPOSITORY)])
    return subprocess.Popen(
        [*command, "--source", "in", "--target", address],
        cwd=folder,
        env=os.environ | {"MLBSDK_HOME": str(folder / "home"), "PYTHONPATH": paths} | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
def test_tasks_that_die_are_done_again(database: str, tmp_path: Path) -> None:
    """Connections of four attempts are ended, which ends Spark's job: the writer begins the batch again.

    Then one worker is killed before its commit and one after it, which Spark alone mends.
    """
    write(database, BEFORE)
    fates = tmp_path / "fates"
    fates.mkdir()
    (tmp_path / "sitecustomize.py").write_text(_FATES, encoding="utf-8")
    with Reader(database):
        process = start_run(tmp_path, database, KILLED, "local[2,4]", FATES=str(fates))
        _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert len(list(fates.iterdir())) == 4 + 2 + 3  # a task a table
    assert tables(database) == rows_after([*BEFORE, *KILLED])
    assert not staging(database)


# PostgreSQL is killed


@pytest.fixture(scope="module")
def mortal() -> Iterator[Server]:
    """Return a server that tests kill."""
    with running() as server:
        yield server


def test_postgres_killed_after_tasks_have_copied(
    spark: SparkSession, mortal: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unlogged tables are empty after a crash: the tasks copy again, and nothing is lost."""
    stage, keep_only = TaskStaging.stage, TaskStaging.keep_only
    calls: list[str] = []

    def stage_and_kill(self: TaskStaging, rows: TableRows, relation: str) -> tuple[Staged, list[str]]:
        found = stage(self, rows, relation)
        calls.append("stage")
        if calls == ["stage"] * 2:
            mortal.kill()
        return found

    def kill_and_keep(self: TaskStaging, relation: str, tasks: list[str]) -> None:
        calls.append("keep")
        if calls.count("keep") == 2:
            mortal.kill()
        keep_only(self, relation, tasks)

    monkeypatch.setattr(TaskStaging, "stage", stage_and_kill)
    monkeypatch.setattr(TaskStaging, "keep_only", kill_and_keep)
    with mortal.database() as address:
        write(address, BEFORE)
        with writer_on(address) as writer, Reader(address):
            writer.write(batch_of(spark, KILLED))
        assert (calls.count("stage"), calls.count("keep")) == (2 + 3 + 3, 2 + 3)
        assert tables(address) == rows_after([*BEFORE, *KILLED])
        with writer_on(address):  # drops what the crashes left
            assert not [name for name in staging(address) if "pg_temp" not in name]


@pytest.mark.slow
def test_postgres_killed_at_random_moments_while_tasks_copy(spark: SparkSession, mortal: Server) -> None:
    chance = random.Random(4)
    captures = [Capture(game, 2) for game in range(1, 6)]
    with mortal.database() as address, writer_on(address) as writer, Reader(address):
        writer.write(batch_of(spark, captures))
        for minute in range(4, 10):
            newer = [Capture(capture.game, minute) for capture in captures[:3]]
            killer = threading.Timer(chance.uniform(0, 1.5), mortal.kill)
            killer.start()
            writer.write(batch_of(spark, newer))
            killer.join()
            captures += newer
            assert tables(address) == rows_after(captures)
            assert ledger(address) == noted(captures)


# The whole run is killed


@pytest.mark.slow
def test_the_whole_run_killed_with_its_java(database: str, tmp_path: Path) -> None:
    """What it staged is dropped by the next run; what another run stages meanwhile is not."""
    plan = _arrow_batch(KILLED, 0).plan
    write(database, BEFORE)
    left, chance = 0, random.Random(5)
    with psycopg.connect(database, autocommit=True) as other, Reader(database):
        live = TaskStaging(other)
        kept = live.create(plan.tables[0]).replace('"', "")
        for most in (0.0, 1.0):
            process = start_run(tmp_path, database, KILLED, "local[2]")
            while process.poll() is None and staging(database) == [kept]:
                time.sleep(0.01)
            time.sleep(chance.uniform(0, most))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            assert process.wait() in (-signal.SIGKILL, 0)
            process.stderr.close()
            assert tables(database) in (rows_after(BEFORE), rows_after([*BEFORE, *KILLED]))
            left += len(staging(database)) > 1
            wait_until_only(database, kept)
        write(database, LATE)
        write(database, KILLED)
        assert tables(database) == rows_after([*BEFORE, *KILLED, *LATE])
        assert staging(database) == [kept]
    assert left > 0
    check_after_crash(database, [*BEFORE, *LATE])
    wait_until_nothing_is_staged(database)


def wait_until_only(address: str, kept: str) -> None:
    """Prepare runs until the sessions of the dead have ended, and their staging with them."""
    deadline = time.monotonic() + 20
    while True:
        with writer_on(address):
            pass
        if staging(address) == [kept]:
            return
        assert time.monotonic() < deadline, staging(address)
        time.sleep(0.05)
