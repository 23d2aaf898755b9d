"""PostgreSQL is killed or ends connections: the writer waits and writes the batch again; nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import gc
import itertools
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from mlbsdk_plugin_postgres.writer import PostgresWriter

from tests.contract.test_writers import _arrow_batch
from tests.integration.test_crash import BEFORE, KILLED, rows_after
from tests.integration.test_postgres_crash import (
    Reader,
    ledger,
    noted,
    tables,
    wait_until_nothing_is_staged,
    write,
)
from tests.mini import Capture
from tests.postgres import Server, running

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def mortal() -> Iterator[Server]:
    """Return a server that tests kill."""
    with running() as server:
        yield server


class Writing:
    """Batches written one after another in a thread, each capture of a few games in no order, until it is left."""

    def __init__(self, address: str, seed: int) -> None:
        self.written: list[Capture] = []
        self.batches = 0
        self.tries = 0
        self.problem: BaseException | None = None
        self._chance = random.Random(seed)
        self._writer = PostgresWriter(address, {})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Writing:
        self._writer.prepare()
        original = self._writer._write

        def counted(batch: Any) -> Any:
            self.tries += 1
            return original(batch)

        self._writer._write = counted  # type: ignore[method-assign]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._writer.close()
        assert self.problem is None, self.problem

    def _write(self) -> None:
        try:
            while not self._stop.is_set():
                games = self._chance.sample(range(1, 6), 3)
                captures = [Capture(game, self._chance.randrange(self.batches + 4)) for game in games]
                self._writer.write(_arrow_batch(captures, self.batches))
                self.written += captures
                self.batches += 1
        except BaseException as problem:
            self.problem = problem


@pytest.mark.slow
def test_postgres_killed_in_the_middle_of_batches(mortal: Server) -> None:
    """The writer waits for it and writes the batch again; nothing is lost, doubled or half there."""
    chance = random.Random(2)
    with mortal.database() as address:
        with Reader(address), Writing(address, 3) as writing:
            for _ in range(22):
                time.sleep(chance.uniform(0.02, 0.3))
                mortal.kill()
            done = writing.batches
            while writing.batches < done + 2 and writing.problem is None:
                time.sleep(0.02)
        assert writing.tries - writing.batches >= 15  # nearly every kill struck a batch
        assert tables(address) == rows_after(writing.written)
        assert ledger(address) == noted(writing.written)
        write(address, BEFORE)
        gc.collect()
        wait_until_nothing_is_staged(address)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_connection_is_lost_around_the_commit(mortal: Server, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Where the answer to COMMIT is lost nobody can know whether it was done: writing again is right in both cases."""
    wait = psycopg.Connection.wait

    def wait_and_kill(self: psycopg.Connection, *arguments: Any, **options: Any) -> None:
        """Stand for the next statement after all are done: COMMIT."""
        monkeypatch.setattr(psycopg.Connection, "wait", wait)
        if moment == "after":
            wait(self, *arguments, **options)
        mortal.kill()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    with mortal.database() as address, contextlib.closing(PostgresWriter(address, {})) as writer:
        write(address, BEFORE)
        writer.prepare()
        publish, found = writer._publish, []

        def armed(*arguments: Any) -> Any:
            found.append(tables(address))
            written = publish(*arguments)
            if len(found) == 1:
                monkeypatch.setattr(psycopg.Connection, "wait", wait_and_kill)
            return written

        monkeypatch.setattr(writer, "_publish", armed)
        writer.write(_arrow_batch(KILLED, 0))
        whole = rows_after([*BEFORE, *KILLED])
        assert found == [rows_after(BEFORE), rows_after(BEFORE) if moment == "before" else whole]
        assert tables(address) == whole
        assert ledger(address) == noted([*BEFORE, *KILLED])


def test_a_connection_that_was_ended_while_it_idled(database: str) -> None:
    """As servers, poolers and firewalls do between two batches of a stream."""
    with contextlib.closing(PostgresWriter(database, {})) as writer:
        writer.prepare()
        writer.write(_arrow_batch(BEFORE, 0))
        with psycopg.connect(database, autocommit=True) as other:
            ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'mlbsdk'"
            assert other.execute(ended).fetchall() == [(True,)]
            writer.write(_arrow_batch(KILLED, 1))
    assert tables(database) == rows_after([*BEFORE, *KILLED])


def test_a_server_that_ends_idle_sessions(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c idle_session_timeout=50")
    with contextlib.closing(PostgresWriter(database, {})) as writer:
        writer.prepare()
        writer.write(_arrow_batch(BEFORE, 0))
        time.sleep(0.3)
        writer.write(_arrow_batch(KILLED, 1))
    assert tables(database) == rows_after([*BEFORE, *KILLED])


def test_patience_counts_the_waiting_and_not_the_writing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that took longer than the patience is tried again too."""
    monkeypatch.setattr("mlbsdk_plugin_postgres.writer._PATIENCE_SECONDS", 0.5)
    with contextlib.closing(PostgresWriter(database, {})) as writer:
        writer.prepare()
        publish, calls = writer._publish, itertools.count()

        def slow(*arguments: Any) -> Any:
            if not next(calls):
                time.sleep(0.6)
                raise psycopg.OperationalError("server closed the connection unexpectedly")
            return publish(*arguments)

        monkeypatch.setattr(writer, "_publish", slow)
        writer.write(_arrow_batch(BEFORE, 0))
    assert tables(database) == rows_after(BEFORE)
