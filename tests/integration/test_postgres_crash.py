"""Killed at any moment, several at once: readers of PostgreSQL see whole batches, and the next try completes.

Small batches, which leave Spark as Arrow; those that Spark's tasks copy are in test_postgres_tasks.py.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import random
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mlbsdk_plugin_postgres.writer import PostgresWriter
from psycopg import IsolationLevel
from psycopg.rows import dict_row

from tests.contract.test_writers import _arrow_batch, postgres_rows
from tests.integration.test_crash import BEFORE, KILLED, LATE, Victims, rows_after
from tests.mini import TABLES, Capture, newest, ordered

pytestmark = pytest.mark.integration


def write(address: str, captures: Sequence[Capture]) -> None:
    """Write one batch, as a run does."""
    with contextlib.closing(PostgresWriter(address, {})) as writer:
        writer.prepare()
        writer.write(_arrow_batch(captures, 0))


def tables(address: str) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables; no rows where there is no table."""
    return {name: ordered(postgres_rows(address, name)) for name in TABLES}


def ledger(address: str) -> dict[str, Any]:
    """Return the newest captured_at of each document that the database has noted."""
    return {row["document"]: row["captured_at"] for row in postgres_rows(address, "mlbsdk.documents")}


def noted(captures: Iterable[Capture]) -> dict[str, Any]:
    """Return what the ledger must hold once these captures were written."""
    return {f"[{game}]": capture.captured_at for game, capture in newest(captures).items()}


def staging(address: str) -> list[str]:
    """Return the staging tables that there are, temporary ones of any session included."""
    with psycopg.connect(address) as connection:
        found = connection.execute("SELECT oid::regclass::text FROM pg_class WHERE relname LIKE 'staging%'")
        return [name for (name,) in found]


def wait_until_nothing_is_staged(address: str) -> None:
    """Wait for the sessions of the dead to end: PostgreSQL notices a lost client between two statements."""
    deadline = time.monotonic() + 20
    while found := staging(address):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def check_after_crash(address: str, before: Sequence[Capture], late: Sequence[Capture] = ()) -> bool:
    """Compare every row now, after late captures, and after a second try; return whether the batch was published."""
    found = tables(address)
    whole = rows_after([*before, *KILLED])
    assert found in (rows_after(before), whole)
    if late:
        write(address, late)
    with contextlib.closing(PostgresWriter(address, {})) as writer:
        writer.prepare()
    wait_until_nothing_is_staged(address)
    for _ in range(2):
        write(address, KILLED)
        seen = [*before, *KILLED, *late]
        assert tables(address) == rows_after(seen)
        assert ledger(address) == noted(seen)
    return found == whole


class Reader:
    """Polls the tables, and keeps what it saw that no batch has written.

    In turn by several queries of one snapshot, and by one query that joins, outside of any transaction.
    """

    _JOINED = (
        "SELECT game_pk, g.state, g.source_captured_at, count(p.play_index) AS plays, "
        "array_agg(DISTINCT p.source_captured_at) FILTER (WHERE p.play_index IS NOT NULL) AS moments "
        "FROM mini.games g FULL JOIN mini.plays p USING (game_pk) GROUP BY 1, 2, 3"
    )

    def __init__(self, address: str) -> None:
        self.address = address
        self.wrong: list[str] = []
        self.seen = 0
        """How often there were games to look at."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        assert not self.wrong, self.wrong[:3]
        assert self.seen > 10

    def _poll(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(self.address, row_factory=dict_row, options="-c timezone=UTC") as connection:
                    self._look(connection)
            except psycopg.OperationalError:  # the server was killed
                time.sleep(0.05)
            except Exception as problem:  # a thread's error would go unseen
                self.wrong.append(repr(problem))
                return

    def _look(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        while not self._stop.is_set():
            # Tables that are not there yet, or no longer as a test begins anew.
            with contextlib.suppress(psycopg.errors.UndefinedTable):
                with connection.transaction():
                    self._snapshot(connection)
                connection.rollback()
                connection.autocommit = True
                self._joined(connection)
            connection.rollback()
            connection.autocommit = False
            time.sleep(0.005)

    def _snapshot(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        names = [*TABLES, "mlbsdk.documents"]
        games, plays, players, noted = (connection.execute(f"SELECT * FROM {name}").fetchall() for name in names)
        captures = [Capture(row["game_pk"], int(row["state"].split()[1])) for row in games]
        rows = [capture.rows() for capture in captures]
        self.seen += bool(games)
        for name, found in (("mini.games", games), ("mini.plays", plays)):
            wanted = ordered(row for one in rows for row in one[name])
            if ordered(found) != wanted:
                self.wrong.append(f"{name} holds {ordered(found)}, the games say {wanted}")
        if {row["document"]: row["captured_at"] for row in noted} != {
            f"[{capture.game}]": capture.captured_at for capture in captures
        }:
            self.wrong.append(f"the ledger holds {noted}, the games say {captures}")
        # A game's newest capture wrote this player, and no later one can have.
        moments = {row["player_id"]: row["source_captured_at"] for row in players}
        for one in captures:
            if moments.get(10 + one.game * 10 + one.minute % 2) != one.captured_at:
                self.wrong.append(f"{one} has no player of its own: {moments}")

    def _joined(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        for row in connection.execute(self._JOINED).fetchall():
            capture = Capture(row["game_pk"], int(row["state"].split()[1])) if row["state"] else None
            if capture is None or (
                row["source_captured_at"] != capture.captured_at
                or row["plays"] != len(capture.plays)
                or row["moments"] not in ([capture.captured_at], None)
            ):
                self.wrong.append(f"joined: {row}")


# The writing process is killed


@pytest.fixture(scope="module")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victims]:
    made = Victims(tmp_path_factory.mktemp("victims"))
    yield made
    made.close()


def begin_anew(address: str, captures: Sequence[Capture]) -> None:
    """Leave the database with these captures and nothing else."""
    with psycopg.connect(address) as connection:
        if postgres_rows(address, "mini.games"):  # in the order of the reader, or they would wait for each other
            connection.execute("LOCK TABLE mini.games, mini.plays, mini.players, mlbsdk.documents")
        connection.execute("DROP SCHEMA IF EXISTS mini, mlbsdk CASCADE")
    if captures:
        write(address, captures)


@pytest.mark.parametrize("start", ["filled", pytest.param("nothing", marks=pytest.mark.slow)])
def test_killed_at_every_step(victims: Victims, database: str, start: str) -> None:
    """Before and after each statement, also those that make tables, with late captures before the second try."""
    before = BEFORE if start == "filled" else []
    begin_anew(database, before)
    ended, steps, _ = victims.write("postgresql", database)
    assert (ended, tables(database)) == (0, rows_after([*before, *KILLED]))
    assert steps > 50
    published = []
    with Reader(database):
        # Steps come in pairs; what is after one statement is before the next.
        for number in [*range(1, steps, 2), steps]:
            begin_anew(database, before)
            ended, done, _ = victims.write("postgresql", database, die_at=number)
            assert (ended, done) == (signal.SIGKILL, number)
            published.append(check_after_crash(database, before, LATE if number % 4 == 1 else ()))
    # Nothing until the last statement, which commits; then everything.
    assert published == sorted(published)
    assert published[-2:] == [False, True]


def test_killed_at_random_moments(victims: Victims, database: str) -> None:
    """Inside statements too, and while rows are copied."""
    chance = random.Random(1)
    begin_anew(database, BEFORE)
    _, _, whole = victims.write("postgresql", database)
    killed = 0
    with Reader(database):
        for number in range(100):
            before = BEFORE if number % 4 else []
            begin_anew(database, before)
            ended, _, _ = victims.write("postgresql", database, kill_after=chance.uniform(0.01, whole))
            check_after_crash(database, before, LATE if number % 2 else ())
            killed += ended == signal.SIGKILL
            if killed == 20:
                return
            whole *= 1.0 if ended else 0.9
    raise AssertionError(f"only {killed} of 100 were killed before they were done")


def test_killed_again_and_again(victims: Victims, database: str) -> None:
    begin_anew(database, BEFORE)
    for number in (41, 7, 33, 25, 3, 12, 2):
        victims.write("postgresql", database, die_at=number)
    check_after_crash(database, BEFORE, LATE)


# Several write at once


def write_many(address: str, seed: int) -> None:
    """Write captures of the same few games in an order of its own, one to three a batch: the body of a process."""
    chance = random.Random(seed)
    captures = [Capture(game, minute) for game in range(1, 6) for minute in range(seed, 60, 2)]
    chance.shuffle(captures)
    with contextlib.closing(PostgresWriter(address, {})) as writer:
        writer.prepare()
        for number in itertools.count():
            batch = [captures.pop() for _ in range(min(chance.randint(1, 3), len(captures)))]
            if not batch:
                return
            writer.write(_arrow_batch(batch, number))


def test_two_runs_at_once_and_a_reader(database: str) -> None:
    """No deadlock, not even one that PostgreSQL resolves, and the newest capture of each game wins."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(database, seed)) for seed in (0, 1)]
    with Reader(database):
        for process in writers:
            process.start()
        for process in writers:
            process.join(120)
    assert [process.exitcode for process in writers] == [0, 0]
    every = [Capture(game, minute) for game in range(1, 6) for minute in range(60)]
    assert tables(database) == rows_after(every)
    assert ledger(database) == noted(every)
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert found.fetchone() == (0,)


def test_a_database_whose_default_is_one_snapshot_a_transaction(database: str) -> None:
    """The ledger is read after the wait for the other run, so what that one wrote is seen."""
    name = Path(database).name
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    held, reached = threading.Event(), threading.Event()
    with contextlib.closing(PostgresWriter(database, {})) as slow:
        slow.prepare()
        publish = slow._publish

        def publish_late(*arguments: Any) -> Any:
            reached.set()
            held.wait(20)
            return publish(*arguments)

        slow._publish = publish_late  # type: ignore[method-assign]
        with ThreadPoolExecutor() as pool:
            writing = pool.submit(slow.write, _arrow_batch([Capture(1, 1)], 0))
            reached.wait(20)
            write(database, [Capture(2, 1)])  # player 9 is in both games
            held.set()
            writing.result()
    assert tables(database) == rows_after([Capture(1, 1), Capture(2, 1)])
