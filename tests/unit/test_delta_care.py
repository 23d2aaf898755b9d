"""Care of Delta tables: history, fewer files, old files removed; rows stay."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from typer.testing import CliRunner

from mlbsdk.cli.main import build
from mlbsdk.errors import ConfigurationError, MlbsdkError
from mlbsdk.writers.delta_care import DeltaTarget

COMMITS = 4


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return a target with a table of some small commits, a partitioned one, and mlbsdk's own."""
    root = tmp_path / "warehouse"
    for number in range(COMMITS):
        rows = pa.table({"id": [number, number + 10], "day": ["a", "b"], "speed": [90.5, 88.0 + number]})
        write_deltalake(root / "game" / "plays", rows, mode="append")
        write_deltalake(root / "game" / "games", rows, mode="append", partition_by=["day"])
    write_deltalake(root / "_mlbsdk" / "documents", pa.table({"document": ["[1]"]}))
    return root


def rows_of(folder: Path, version: int | None = None) -> list[object]:
    table = DeltaTable(str(folder), version=version).to_pyarrow_table()
    return sorted(map(repr, table.to_pylist()))


def test_tables_are_found_by_pattern(target: Path) -> None:
    care = DeltaTarget(f"delta:{target}")
    assert care.tables() == ("game.games", "game.plays")
    assert care.tables(["game.p*"]) == ("game.plays",)
    with pytest.raises(ConfigurationError, match=r"no Delta table 'game\.play'.*Did you mean 'game\.plays'"):
        care.tables(["game.play"])


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("parquet:x", "holds no Delta tables"),
        ("delta:/nowhere/at/all", "there is no target at"),
        ("delta:gs://bucket/x", "no plugin provides the storage 'gs'"),
    ],
)
def test_what_is_no_target_is_told(address: str, told: str) -> None:
    with pytest.raises(MlbsdkError, match=told):
        DeltaTarget(address)


def test_history_tells_the_newest_first(target: Path) -> None:
    found = DeltaTarget(str(target)).history("game.plays", 2)
    assert [(commit.version, commit.operation) for commit in found] == [(3, "WRITE"), (2, "WRITE")]
    assert found[0].at >= found[1].at
    assert found[0].figures["num_added_rows"] == 2


@pytest.mark.parametrize("z_order", [(), ("id", "speed")])
def test_optimize_leaves_rows_and_versions(target: Path, z_order: tuple[str, ...]) -> None:
    folder = target / "game" / "plays"
    before, first = rows_of(folder), rows_of(folder, 0)
    plays, games = DeltaTarget(str(target)).optimize(["game.plays", "game.games"], z_order)
    assert (plays.files_before, plays.files_after) == (COMMITS, 1)
    assert (games.files_before, games.files_after) == (2 * COMMITS, 2)
    assert rows_of(folder) == before
    assert rows_of(folder, 0) == first


def test_a_column_that_can_not_order_leaves_every_table_alone(target: Path) -> None:
    care = DeltaTarget(str(target))
    with pytest.raises(ConfigurationError, match=r"has no column 'sped'\. Did you mean 'speed'"):
        care.optimize(["game.plays"], ["sped"])
    with pytest.raises(ConfigurationError, match=r"'game\.games' is partitioned by 'day' already"):
        care.optimize(["game.plays", "game.games"], ["day"])
    assert [care.history(name)[0].version for name in care.tables()] == [3, 3]


def test_vacuum_removes_what_no_kept_version_needs_and_only_when_told(target: Path) -> None:
    care = DeltaTarget(str(target))
    care.optimize(["game.plays"])
    before = rows_of(target / "game" / "plays")
    files = set(target.glob("game/plays/*.parquet"))
    told = care.vacuum("game.plays", 0)
    assert len(told.files) == COMMITS
    assert set(target.glob("game/plays/*.parquet")) == files
    assert care.vacuum("game.plays").files == ()  # a week is kept
    assert care.vacuum("game.plays", 0, dry_run=False).files == told.files
    assert len(list(target.glob("game/plays/*.parquet"))) == 1
    assert rows_of(target / "game" / "plays") == before
    assert len(list(target.glob("game/games/**/*.parquet"))) == 2 * COMMITS


def test_the_commands(target: Path) -> None:
    run = CliRunner()
    common = ["--target", f"delta:{target}"]
    done = run.invoke(build(), ["table", "optimize", "game.*", *common, "--json"])
    assert [each["files_after"] for each in json.loads(done.stdout)["tables"]] == [2, 1]
    done = run.invoke(build(), ["table", "history", "game.plays", *common])
    assert done.stdout.splitlines()[1].split()[0] == str(COMMITS)
    assert "OPTIMIZE" in done.stdout
    done = run.invoke(build(), ["table", "vacuum", "game.plays", *common, "--retention-hours", "0"])
    assert f"game.plays: {COMMITS} files would be removed" in done.stdout
    assert "--yes removes them" in done.stderr
    done = run.invoke(build(), ["table", "vacuum", "game.plays", *common, "--retention-hours", "0", "--yes", "--json"])
    said = json.loads(done.stdout)
    assert (said["removed"], len(said["tables"][0]["files"])) == (True, COMMITS)
