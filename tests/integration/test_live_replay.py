"""A live game, replayed: growing captures stream into PostgreSQL, two runs write it too, and a reader watches."""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from mlbsdk.report import RunReport
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.runtime.stream import StreamRequest, stream
from tests.integration.test_postgres_game import rows_of
from tests.oracle import feeds
from tests.oracle.compare import STAMPS, Tables
from tests.spark.test_game_tables import SAMPLE, document

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tests.postgres import Server

pytestmark = [pytest.mark.spark, pytest.mark.integration]

NAME = "game.live_game_v1"
CAPTURES = 40


def captures() -> Iterator[tuple[dict[str, Any], int]]:
    """Give the real feed cut at successive plays, each with its number of plays; the last one is the feed itself."""
    feed = document(SAMPLE)
    total = len(feed["liveData"]["plays"]["allPlays"])
    end = datetime.strptime(feed["metaData"]["timeStamp"], "%Y%m%d_%H%M%S")
    for number in range(1, CAPTURES + 1):
        count = total * number // CAPTURES
        cut = copy.deepcopy(feed)
        if number < CAPTURES:
            feeds.keep_plays(cut, count)
            feeds.state(cut, "Live", "In Progress", "I")
        moment = end - timedelta(minutes=CAPTURES - number)
        cut["metaData"]["timeStamp"] = f"{moment:%Y%m%d_%H%M%S}"
        yield cut, count


class Reader:
    """Looks at the tables again and again, each time at one moment, until told to stop."""

    def __init__(self, address: str, plays_of: dict[datetime, int]) -> None:
        self.address = address
        self.plays_of = plays_of
        self.seen: set[datetime] = set()
        self.mistakes: list[str] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look_on)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look_on(self) -> None:
        try:
            self._look_until_told()
        except Exception as problem:  # a thread's error would go unseen
            self.mistakes.append(repr(problem))

    def _look_until_told(self) -> None:
        with psycopg.connect(self.address, options="-c timezone=UTC") as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            while not self._done.is_set():
                with connection.transaction():
                    self._look(connection)
                time.sleep(0.01)

    def _look(self, connection: psycopg.Connection) -> None:
        def one(query: str) -> Any:
            row = connection.execute(query).fetchone()
            assert row
            return row[0]

        if one("SELECT to_regclass('game.live_game_pitch_events')") is None:
            return
        game = connection.execute("SELECT source_captured_at FROM game.live_game_metadata").fetchall()
        times = connection.execute("SELECT DISTINCT source_captured_at FROM game.live_game_plays").fetchall()
        count = one("SELECT count(*) FROM game.live_game_plays")
        orphans = one(
            "SELECT count(*) FROM game.live_game_pitch_events e WHERE NOT EXISTS (SELECT FROM game.live_game_plays p "
            "WHERE (p.game_pk, p.at_bat_index) = (e.game_pk, e.at_bat_index))"
        )
        if not game:
            wrong = count or orphans
        else:
            moment = game[0][0].replace(tzinfo=None)
            self.seen.add(moment)
            wrong = orphans or count != self.plays_of.get(moment) or (times and times != game)
        if wrong:
            self.mistakes.append(f"game {game}, {count} plays of {times}, {orphans} pitches without a play")


def test_a_live_game_with_runs_beside_it_while_a_reader_watches(
    spark: SparkSession, postgres_server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    cuts = list(captures())
    plays_of = {datetime.strptime(cut["metaData"]["timeStamp"], "%Y%m%d_%H%M%S"): count for cut, count in cuts}

    def arrive() -> None:
        for number, (cut, _) in enumerate(cuts):
            draft = folder / ".new"
            draft.write_text(json.dumps(cut), encoding="utf-8")
            draft.rename(folder / f"747175-{number:02}.json")
            time.sleep(0.25)

    def rerun(address: str) -> None:
        """Write the same game beside the stream: captures that it has written, or has still to write."""
        for number in range(2):
            while not any(folder.glob(f"747175-{number}*.json")):
                time.sleep(0.05)
            source = f"{folder}/747175-{number}*.json"
            others.append(run(RunRequest(name=NAME, source=source, target=address), spark=spark))

    others: list[RunReport] = []
    with postgres_server.database() as live, postgres_server.database() as whole:
        beside = [threading.Thread(target=arrive), threading.Thread(target=rerun, args=(live,))]
        with Reader(live, plays_of) as reader:
            for thread in beside:
                thread.start()
            report = stream(
                StreamRequest(
                    name=NAME,
                    source=str(folder),
                    target=live,
                    trigger="1s",
                    until="detailed_state = 'Final'",
                    idle_timeout="5m",
                    checkpoint=str(tmp_path / "checkpoint"),
                ),
                spark=spark,
            )
            for thread in beside:
                thread.join()
        assert not reader.mistakes
        assert [one.status for one in others] == ["completed", "completed"]
        assert len(reader.seen) >= 2
        assert (report.status, report.documents.read) == ("completed", CAPTURES)
        last = tmp_path / "last.json"
        last.write_text(json.dumps(cuts[-1][0]), encoding="utf-8")
        run(RunRequest(name=NAME, source=str(last), target=whole), spark=spark)
        assert without_stamps(rows_of(live)) == without_stamps(rows_of(whole))


def without_stamps(tables: Tables) -> Tables:
    """Return rows without what tells of the run."""
    stamps = STAMPS - {"source_captured_at"}
    return {
        name: [{column: value for column, value in row.items() if column not in stamps} for row in rows]
        for name, rows in tables.items()
    }
