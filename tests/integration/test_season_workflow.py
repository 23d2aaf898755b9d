"""A week and a live game as workflows on this machine: from fetching to analytics, against a replay server."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from mlbsdk.testing import ReplayServer
from tests.oracle import feeds
from tests.oracle.analytics import boxscore, distance_km, games_of
from tests.oracle.compare import STAMPS
from tests.season import capture
from tests.spark.test_game_tables import ROWS_OF_747175, SAMPLE, document
from tests.statsapi import save_game
from tests.week import LEAGUE, SEASON, Week, write_week

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

Rows = list[dict[str, Any]]
#: What tells of runs and of times of capture, also by way of a fingerprint.
RUN = STAMPS | {"inputs_fingerprint"}
STEPS = ("fetch", "transform", "derive")
EXPORTS = """
version: "1.0"
storage: {backend: local, path: %s}
layers:
  raw: {path: "raw/{endpoint}/{method}", format: avro, partition_by: [year, month]}
"""


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Week]:
    folder = tmp_path_factory.mktemp("api")
    return folder, write_week(folder)


@pytest.fixture
def server(week: tuple[Path, Week], monkeypatch: pytest.MonkeyPatch) -> Iterator[ReplayServer]:
    with ReplayServer(week[0]) as running:
        monkeypatch.setenv("MLBSDK_STATSAPI_URL", running.url)
        yield running


class Folder:
    """A folder in which somebody works with ``mlbsdk``."""

    def __init__(self, path: Path, week: Week) -> None:
        path.mkdir()
        self.path, self.week = path, week
        self.days = ["--start", str(week.start), "--end", str(week.end)]

    def configured(self, derive: bool = True, export: bool = False) -> None:
        """Write the configuration of workflows, and of exports if wanted."""
        lines = ["store: /data/captures", "target: delta:/data/warehouse", "volume: {claim: mlb}", "api_rate: 100"]
        lines += ["derive: [analytics.*]"] if derive else []
        if export:
            lines += ["export: {config_map: exports, key: exports.yaml}"]
            (self.path / "exports.yaml").write_text(EXPORTS % (self.path / "lake"))
        (self.path / "workflow.yaml").write_text("\n".join(lines) + "\n")

    def mlbsdk(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mlbsdk.cli.main", *arguments],
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def done(self, *arguments: str) -> str:
        """Run a command to its end, which must be a good one; return what it printed."""
        process = self.mlbsdk(*arguments)
        printed, said = process.communicate(timeout=1200)
        assert process.returncode == 0, f"{printed}\n{said}"
        return printed

    def journal(self) -> Rows:
        """Return what the workflow has begun and ended; the last line may be half written."""
        found = []
        for file in self.path.glob(".mlbsdk-workflows/*/journal.jsonl"):
            for line in file.read_text().splitlines():
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line))
        return found

    def interrupt(self, process: subprocess.Popen[str], step: str, seconds: float, how: str) -> bool:
        """Interrupt a workflow so many seconds after it began a step; return whether it was still running."""
        before = len(self.journal())
        while process.poll() is None:
            begun = [one for one in self.journal()[before:] if one["event"] == "begun" and _step(one["node"]) == step]
            if begun:
                break
            time.sleep(0.05)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        was_running = process.poll() is None
        if how == "ctrl-c":
            process.send_signal(signal.SIGINT)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if how == "power cut":  # what runs in the steps ends too; else the next call has to end it
            for group in self._running():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
        process.communicate(timeout=180)
        return was_running

    def _running(self) -> list[int]:
        running = {}
        for entry in self.journal():
            if entry["event"] == "begun":
                running[entry["node"]] = entry.get("pid")
            else:
                running.pop(entry["node"], None)
        return [pid for pid in running.values() if pid]

    def tables(self, warehouse: Path) -> dict[str, Rows]:
        """Return all tables without what tells of runs, in an order of their own."""
        found = {}
        for log in sorted(warehouse.glob("[a-z]*/*/_delta_log")):
            name = ".".join(log.parent.relative_to(warehouse).parts)
            rows = DeltaTable(log.parent).to_pyarrow_table().to_pylist()
            kept = [{key: value for key, value in row.items() if key not in RUN} for row in rows]
            found[name] = sorted(kept, key=lambda row: json.dumps(row, default=str))
        return found


def _step(node: str) -> str:
    return node.partition("#")[0].rpartition(".")[2]


def check(tables: dict[str, Rows], week: Week) -> None:
    """Check a warehouse against what is true of the week."""
    played = {game.game_pk for game in week.played}
    rows = {name: len(found) for name, found in tables.items()}
    assert len(played) >= 40
    assert {name: rows[name] for name in ROWS_OF_747175} == {
        name: count * len(played) for name, count in ROWS_OF_747175.items()
    }
    assert {row["game_pk"] for row in tables["game.live_game_metadata"]} == played
    listed = tables["schedule.schedule_games"]
    assert len(listed) == week.listings
    assert {row["game_pk"] for row in listed} == played | week.postponed
    assert (rows["schedule.schedule_dates"], rows["season.season"], rows["team.team"]) == (week.days - 1, 1, 30)
    check_travel(tables["analytics.team_travel"], week)
    performance = tables["analytics.player_performance"]
    assert not [row for row in performance if row["differences"]]
    game = boxscore(json.loads(capture(week.played[0]))["response"])
    for figure in ("batting_hits", "batting_runs", "batting_total_bases", "pitching_strike_outs"):
        each = sum(line.get(figure, 0) for line in game.values())
        assert each > 0
        assert sum(row[figure] or 0 for row in performance) == each * len(played), figure


def check_travel(rows: Rows, week: Week) -> None:
    """Check each leg of each team: from where to where, how far, after how many days."""
    by_game = {(row["team_id"], row["game_pk"]): row for row in rows}
    assert len(by_game) == len(rows) == 2 * len(week.played)
    doubleheaders = 0
    for team in LEAGUE:
        games = games_of(team, week.played)
        for number, game in enumerate(games):
            row = by_game[team.team_id, game.game_pk]
            assert row["leg_number"] == number
            assert row["is_doubleheader"] == (game.double_header != "N")
            if number == 0:
                continue
            last = games[number - 1]
            places = [(one.venue.latitude or 0.0, one.venue.longitude or 0.0) for one in (last, game)]
            assert row["distance_km"] == pytest.approx(distance_km(places[0], places[1]), abs=1e-6)
            assert row["days_off"] == (game.day - last.day).days - 1
            doubleheaders += row["is_second_game_of_day"]
    assert doubleheaders == 4  # two teams, twice


@pytest.mark.slow
def test_a_week_goes_from_fetch_to_analytics_and_survives_being_killed(
    week: tuple[Path, Week], server: ReplayServer, tmp_path: Path
) -> None:
    place = Folder(tmp_path / "work", week[1])
    place.configured()
    place.done("workflow", "season", "--season", SEASON, *place.days, "--out", "season.yaml")
    assert "no problem" in place.done("workflow", "lint", "season.yaml")
    command = ("workflow", "run-local", "season.yaml", "--wait-scale", "0.01")
    chance = random.Random()
    seconds = chance.uniform(0, 20)
    assert place.interrupt(place.mlbsdk(*command), "transform", seconds, "power cut"), "it was over too early"
    printed = place.done(*command)
    assert "Succeeded" in printed, f"killed after {seconds} s"
    warehouse = place.path / ".mlbsdk-workflows/volumes/mlb/warehouse"
    check(place.tables(warehouse), week[1])
    captures = list((place.path / ".mlbsdk-workflows/volumes/mlb/captures").rglob("*.json.gz"))
    assert len(captures) == week[1].documents
    asked = Counter(request.path for request in server.requests)
    assert not [path for pk in week[1].postponed for path in asked if str(pk) in path]
    # All is done: called again, it asks nothing and says so.
    before = server.count()
    assert "was done before" in place.done(*command)
    assert server.count() == before


@pytest.mark.slow
def test_in_one_command_or_interrupted_again_and_again_the_tables_are_the_same(
    week: tuple[Path, Week], server: ReplayServer, tmp_path: Path
) -> None:
    whole = Folder(tmp_path / "whole", week[1])
    (whole.path / "exports.yaml").write_text(EXPORTS % (whole.path / "lake"))
    options = ["--derive", "analytics.*", "--export", "exports.yaml", "--json"]
    report = json.loads(whole.done("season", "run", "--season", SEASON, *whole.days, *options))
    assert (report["status"], report["errors"]) == ("Succeeded", [])
    assert {"season.derive", "season.export"} <= {node["node"] for node in report["nodes"]}
    expected = whole.tables(whole.path / "warehouse")
    check(expected, week[1])

    place = Folder(tmp_path / "broken", week[1])
    place.configured(export=True)
    place.done("workflow", "season", "--season", SEASON, *place.days, "--chunk-days", "4", "--out", "season.yaml")
    command = ("workflow", "run-local", "season.yaml", "--wait-scale", "0.01", "--volume", f"export={place.path}")
    chance = random.Random()
    told = []
    for how in ("ctrl-c", "kill", "power cut", "ctrl-c", "power cut"):
        step, seconds = chance.choice(STEPS), chance.uniform(0, 25)
        told.append((how, step, round(seconds, 2), place.interrupt(place.mlbsdk(*command), step, seconds, how)))
    assert any(was_running for *_, was_running in told), told
    place.done(*command)
    found = place.tables(place.path / ".mlbsdk-workflows/volumes/mlb/warehouse")
    assert found.keys() == expected.keys()
    for name, rows in found.items():
        assert rows == expected[name], (name, told)
    assert sum(1 for _ in (place.path / "lake/raw").rglob("*.avro")) > 0


CUTS = 10


def live_game(folder: Path) -> None:
    """Write a game's captures as it was played: before its start, then every quarter of an hour, then final."""
    feed = document(SAMPLE)
    first = timedelta(minutes=15)
    start = feeds_start(feed)
    plays = len(feed["liveData"]["plays"]["allPlays"])
    for number in range(CUTS + 1):
        cut = copy.deepcopy(feed)
        moment = start + first * (number - 1)
        cut["metaData"]["timeStamp"] = f"{moment:%Y%m%d_%H%M%S}"
        if number < CUTS:
            feeds.keep_plays(cut, plays * number // CUTS)
            feeds.state(cut, *(("Live", "In Progress", "I") if number else ("Preview", "Scheduled", "S")))
        save_game(folder, 747175, cut, moment)


class Clock:
    """Seconds that pass, but stand still at some moments until a path is there.

    A step takes a while to start, on a busy machine longer than a compressed game lasts.
    """

    def __init__(self, *stops: tuple[float, Path]) -> None:
        self._stops = stops
        self._seconds, self._last = 0.0, time.monotonic()

    def __call__(self) -> float:
        now = time.monotonic()
        passed, self._last = self._seconds + now - self._last, now
        for moment, awaited in self._stops:
            if self._seconds <= moment < passed and not awaited.exists():
                passed = moment
        self._seconds = passed
        return passed


def feeds_start(feed: dict[str, Any]) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(feed["gameData"]["datetime"]["dateTime"].replace("Z", "+00:00"))


@pytest.mark.slow
def test_a_game_is_followed_from_before_its_start_to_its_end_and_its_final_batch(
    week: tuple[Path, Week], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_game(tmp_path / "api")
    place = Folder(tmp_path / "work", week[1])
    place.configured(derive=False)
    data = place.path / ".mlbsdk-workflows/volumes/mlb"
    start = ["--start-time", "2024-07-13T01:40:00Z", "--every", "1s"]
    place.done("workflow", "game", "--game-pk", "747175", *start, "--store", "/data/captures", "--out", "game.yaml")
    # Two hours and a half in half a minute, besides two breaks: until it is followed, and at half time until tables
    # are there, so that the stream sees it both played and over.
    written = data / "warehouse/game/live_game_plays/_delta_log/00000000000000000000.json"
    clock = Clock((0.0, data / "captures/game-747175/game"), (16.0, written))
    with ReplayServer(tmp_path / "api", speed=300, clock=clock) as server:
        monkeypatch.setenv("MLBSDK_STATSAPI_URL", server.url)
        command = ("workflow", "run-local", "game.yaml", "--wait-scale", "0.01", "--json")
        report = json.loads(place.done(*command))
    nodes = {node["node"].rpartition(".")[2]: node for node in report["nodes"]}
    assert report["status"] == "Succeeded"
    assert list(nodes)[-1] == "onExit"
    assert {"plan", "wait", "first-capture", "follow", "stream", "final"} <= nodes.keys()
    captures = sorted((data / "captures/game-747175").rglob("*.json.gz"))
    states = [document(path)["gameData"]["status"]["abstractGameState"] for path in captures]
    assert len(captures) > CUTS // 2
    assert (states[0], states[-1]) == ("Preview", "Final")
    assert states == sorted(states, key=["Preview", "Live", "Final"].index)
    tables = place.tables(data / "warehouse")
    assert {name: len(tables[name]) for name in ROWS_OF_747175} == ROWS_OF_747175
    assert tables["game.live_game_metadata"][0]["abstract_game_state"] == "Final"
    told = Path(f"{nodes['stream']['log']}.out").read_text()
    batches = re.search(r"(\d+) batch(es)?; ended: every document satisfies --until", told)
    assert batches, told
    assert int(batches[1]) >= 2, "the stream did not follow the game"
    # The stream had written all of it: the batch over all captures found nothing to change.
    final = Path(f"{nodes['final']['log']}.out").read_text()
    plays = next(line.split() for line in final.splitlines() if line.startswith("game.live_game_plays"))
    assert plays[1:6] == ["75", "0", "0", "75", "0"]
