"""Refused rows tried again: what passes now is published, its entry settled, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable

from mlbsdk.errors import UnknownNameError
from mlbsdk.plugins import Plugins
from mlbsdk.quality.page.html import quality_report
from mlbsdk.quality.quarantine import QuarantineQuery
from mlbsdk.report import RunReport
from mlbsdk.runtime.replay import ReplayReport, ReplayRequest, replay
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.runtime.transformation import OnError
from mlbsdk.writers.delta import DeltaWriter
from mlbsdk.writers.files import FileWriter
from tests.mini import MAPPING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

PLUGINS = Plugins.load()


def document(game: int, minute: int, plays: list[Any], players: dict[int, str] | None = None) -> dict[str, Any]:
    found = {f"ID{number}": {"id": number, "name": name} for number, name in (players or {}).items()}
    return {
        "gamePk": game,
        "time": f"20240701_00{minute:02d}00",
        "date": "2024-07-01",
        "state": "x",
        "plays": [{"event": f"play {n}", "speed": speed} for n, speed in enumerate(plays)],
        "players": found,
    }


class Target:
    """A target, its captures, and the mapping as it is and as it is after the fix."""

    def __init__(self, folder: Path, format: str, spark: SparkSession) -> None:
        self.format, self.spark = format, spark
        self.root = folder / "warehouse"
        self.address = f"{format}:{self.root}"
        self.captures = folder / "captures"
        self.captures.mkdir()
        self.strict, self.fixed = folder / "strict.yaml", folder / "fixed.yaml"
        text = MAPPING.read_text(encoding="utf-8")
        self.fixed.write_text(text, encoding="utf-8")
        rule = '      - {rule: "player_id < 90", name: player_known, reason: "ids are small"}\n'
        text = text.replace("BETWEEN 0 AND 120", "BETWEEN 0 AND 100") + f"    data_quality:\n{rule}"
        self.strict.write_text(text, encoding="utf-8")

    def save(self, name: str, *documents: dict[str, Any]) -> Path:
        file = self.captures / name
        file.write_text("\n".join(json.dumps(one) for one in documents) + "\n", encoding="utf-8")
        return file

    def run(self, source: Path, mapping: Path | None = None) -> RunReport:
        request = RunRequest(
            name="mini.game",
            source=str(source),
            target=self.address,
            mapping=mapping or self.strict,
            on_error=OnError.QUARANTINE,
        )
        return run(request, PLUGINS, self.spark)

    def replay(self, mapping: Path | None = None, **asked: Any) -> ReplayReport:
        request = ReplayRequest(target=self.address, mapping=mapping or self.fixed, **asked)
        return replay(request, PLUGINS, self.spark)

    @property
    def writer(self) -> DeltaWriter | FileWriter:
        address = str(self.root)
        return DeltaWriter(address, {}) if self.format == "delta" else FileWriter(self.format, address, {})

    def entries(self, **asked: Any) -> list[dict[str, Any]]:
        return self.writer.quarantined(QuarantineQuery(**asked)).to_pylist()

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        path = self.root.joinpath(*table.split("."))
        if self.format == "delta":
            found = DeltaTable(str(path)).to_pyarrow_table(columns=list(columns))
        else:
            found = ds.dataset(path, partitioning="hive").to_table(columns=list(columns))
        return sorted(tuple(row.values()) for row in found.to_pylist())


@pytest.fixture
def target(tmp_path: Path, spark: SparkSession) -> Target:
    return Target(tmp_path, "delta", spark)


@pytest.fixture(params=["delta", pytest.param("parquet", marks=pytest.mark.slow)])
def any_target(tmp_path: Path, spark: SparkSession, request: pytest.FixtureRequest) -> Target:
    return Target(tmp_path, request.param, spark)


def outcomes(report: ReplayReport) -> dict[str, int]:
    (one,) = report.transforms
    return {name: count for name, count in one.outcomes.items() if count}


def test_rows_appear_after_the_fix_of_a_rule_and_a_second_replay_changes_nothing(target: Target) -> None:
    target.save("1.json", document(1, 0, [90.0, 110.0, 130.0], {5: "five", 95: "ninety-five"}))
    target.save("2.json", document(2, 0, [105.0, 91.0]))
    bad = target.save("3.json", {"gamePk": "no number", "time": "20240701_000000"})
    lines = target.save("more.jsonl", document(4, 0, [101.0]), document(5, 0, [80.0]))
    first = target.run(target.captures)
    assert first.documents.rejected == 1
    assert target.rows("mini.plays", "game_pk", "play_index") == [(1, 0), (2, 1), (5, 0)]
    assert len(target.entries(is_open=True)) == 6  # 110, 130, player 95, 105, 101 and the capture

    dry = target.replay(dry_run=True)
    assert outcomes(dry) == {"published": 4, "still_refused": 2}
    assert len(target.entries(is_open=True)) == 6

    bad.write_text(json.dumps(document(3, 0, [70.0])), encoding="utf-8")
    done = target.replay()
    assert outcomes(done) == {"published": 5, "still_refused": 1}
    expected = [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (4, 0), (5, 0)]
    assert target.rows("mini.plays", "game_pk", "play_index") == expected
    assert (95,) in target.rows("mini.players", "player_id")
    assert done.transforms[0].tables["mini.plays"].inserted == 4
    settled = [entry for entry in target.entries() if entry["resolution"]]
    assert {entry["resolved_by_run"] for entry in settled} == {done.transforms[0].run_id}
    assert all(entry["resolved_at"] for entry in settled)
    (left,) = target.entries(is_open=True)
    assert json.loads(left["row_json"])["speed"] == 130.0
    assert left["run_id"] == first.run_id

    again = target.replay()
    assert outcomes(again) == {"still_refused": 1}
    assert target.rows("mini.plays", "game_pk", "play_index") == expected
    changes = again.transforms[0].tables.values()
    assert not any(table.inserted or table.updated or table.deleted for table in changes)
    assert lines.exists()

    page = quality_report(first.run_id, target.address, plugins=PLUGINS)
    assert "1 open, 5 published" in page
    # A run that refuses a row again opens its entry again.
    target.run(target.captures)
    assert len(target.entries(is_open=True)) == 5


def test_a_newer_capture_that_arrived_meanwhile_stays(target: Target) -> None:
    old = target.save("old.json", document(1, 0, [110.0, 90.0], {95: "old name"}))
    target.run(old)
    new = target.save("new.json", document(1, 5, [70.0], {95: "new name"}))
    target.run(new, target.fixed)
    done = target.replay()
    assert outcomes(done) == {"superseded": 1, "published": 1}  # the player is merged by key, and the newer row stays
    assert target.rows("mini.plays", "play_index", "event") == [(0, "play 0")]
    assert target.rows("mini.players", "player_id", "full_name") == [(95, "new name")]
    assert target.entries(is_open=True) == []


def test_only_the_table_that_is_asked_for_is_tried(target: Target) -> None:
    target.run(target.save("1.json", document(1, 0, [110.0], {95: "name"})))
    # Nobody provides the transform, and no mapping is given.
    lost = replay(ReplayRequest(target=target.address), PLUGINS, target.spark)
    assert outcomes(lost) == {"not_replayed": 2}
    assert "mini.game" in lost.transforms[0].unreplayed[0].why
    with pytest.raises(UnknownNameError):
        replay(ReplayRequest(target=target.address, transform="mini.game"), PLUGINS, target.spark)
    done = target.replay(table="players")
    assert outcomes(done) == {"published": 1}
    assert target.rows("mini.players", "player_id") == [(95,)]
    assert [entry["table_name"] for entry in target.entries(is_open=True)] == ["mini.plays"]
    assert replay(ReplayRequest(target=target.address, run_id="another"), PLUGINS, target.spark).transforms == []


def test_rows_whose_captures_are_gone_are_tried_from_what_is_kept_of_them(any_target: Target) -> None:
    files = [
        any_target.save("1.json", document(1, 0, [110.0, 130.0, 90.0], {95: "kept"})),
        any_target.save("2.json", document(2, 0, [111.0])),
        any_target.save("3.json", document(3, 0, ["fast"])),
    ]
    any_target.run(any_target.captures)
    newer = any_target.save("2-newer.json", document(2, 9, [60.0]))
    any_target.run(newer, any_target.fixed)
    for file in files:
        file.unlink()
    done = any_target.replay()
    # 110 joins what is stored of its capture; 130 still fails; 111 has a newer capture; 'fast' is not kept.
    assert outcomes(done) == {"published": 2, "superseded": 1, "still_refused": 1, "not_replayed": 1}
    assert any_target.rows("mini.plays", "game_pk", "play_index") == [(1, 0), (1, 2), (2, 0)]
    assert any_target.rows("mini.players", "player_id", "full_name") == [(95, "kept")]
    (why,) = done.transforms[0].unreplayed
    assert why.table == "mini.plays"
    assert "its file is gone" in why.why
    assert "what did not fit its type is not kept (speed)" in why.why
    assert outcomes(any_target.replay()) == {"still_refused": 1, "not_replayed": 1}


def test_a_replay_that_is_killed_before_it_settles_is_completed_by_the_next(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.run(target.save("1.json", document(1, 0, [110.0])))
    from mlbsdk.runtime.replay import _Replay

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_Replay, "_resolved", killed)
        with pytest.raises(KeyboardInterrupt):
            target.replay()
    assert len(target.entries(is_open=True)) == 1
    assert target.rows("mini.plays", "play_index") == [(0,)]
    done = target.replay()
    assert outcomes(done) == {"published": 1}
    assert done.transforms[0].tables["mini.plays"].unchanged == 1
    assert target.entries(is_open=True) == []
    assert pa.types.is_timestamp(target.writer.quarantined(QuarantineQuery()).schema.field("resolved_at").type)
