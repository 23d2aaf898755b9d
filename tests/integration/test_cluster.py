"""A real standalone cluster, and executors of local-cluster: the same tables as on one machine, made by executors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import LINEAGE, TRANSFORMED_AT
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import split_address
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.runtime.transformation import OnError
from tests.cluster import LOCAL_CLUSTER, Cluster, Events, events_of, mlbsdk, running, spark_of, submit
from tests.conftest import REPOSITORY
from tests.mini import MAPPING, TABLES, Capture, save

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tests.postgres import Server

pytestmark = pytest.mark.integration

GAME = "game.live_game_v1"
GAME_TABLES = tuple(target.name for target in load_file(REPOSITORY / "mappings/game/live_game_v1.yaml").mapping.targets)
FEW_TABLES = ("game.live_game_metadata", "game.live_game_plays", "game.live_game_runners")
LATER = 30
#: What a task tells the driver beside rows: the figures of its stage.
FIGURES_OF_A_TASK = 64 * 1024


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Return a standalone cluster of two workers, which all tests of this process share."""
    with running() as cluster:
        yield cluster


def games(folder: Path, count: int, later: int = 0, long: int = 0) -> Path:
    """Write captures of real size of as many games to a folder; the last has at least ``long`` bytes."""
    sys.path.insert(0, str(REPOSITORY / "benchmarks"))
    try:
        from extra_innings import extra_innings
        from generate import Games
    finally:
        sys.path.pop(0)
    *_, last = Games().write(folder, count, later)
    if long:
        last.write_text(extra_innings(last.read_text(encoding="utf-8"), long), encoding="utf-8")
    return folder


def run_here(spark: SparkSession, name: str, source: Path, target: str, **more: Any) -> None:
    run(RunRequest(name=name, source=str(source), target=target, **more), spark=spark)


def rows(spark: SparkSession, target: str, table: str) -> list[str]:
    """Return all rows of a stored table as sorted texts, without what tells of the run."""
    scheme, rest = split_address(target, "delta")
    writer = Plugins.load().writer(scheme).make(rest, {})
    frame = writer.read(spark, table)
    kept = [f"`{name}`" for name in sorted(frame.columns) if name not in (TRANSFORMED_AT, LINEAGE)]
    return sorted(map(str, frame.select(*kept).collect()))


def assert_same(spark: SparkSession, one: str, other: str, tables: tuple[str, ...]) -> None:
    counts = {}
    for table in tables:
        found = rows(spark, one, table)
        assert found == rows(spark, other, table), table
        counts[table] = len(found)
    assert all(counts.values()), counts


def assert_by_executors(found: Events, documents: int) -> None:
    """Executors did all the work, each document was read and parsed once, and the driver was sent figures only."""
    assert found.executors
    assert "driver" not in found.executors
    assert found.rows_parsed == documents
    assert found.largest_result <= FIGURES_OF_A_TASK


def test_a_standalone_cluster_makes_the_tables_that_this_machine_makes(
    cluster: Cluster, spark: SparkSession, tmp_path: Path
) -> None:
    source = games(tmp_path / "in", 3)
    chosen = ",".join(FEW_TABLES)
    arguments = ("run", GAME, "--source", str(source), "--tables", chosen, "--json")
    done = mlbsdk(
        *arguments, "--target", "delta:out", cwd=tmp_path, spark=spark_of(cluster.master, tmp_path / "events")
    )
    report = json.loads(done.stdout)
    assert report["documents"] == {"read": 3, "newest": 3, "rejected": 0}
    assert report["tables"]["game.live_game_plays"]["inserted"] == 225
    run_here(spark, GAME, source, f"delta:{tmp_path / 'here'}", tables=FEW_TABLES)
    assert_same(spark, f"delta:{tmp_path / 'out'}", f"delta:{tmp_path / 'here'}", FEW_TABLES)
    assert_by_executors(events_of(tmp_path / "events"), documents=3)
    assert cluster.executor_logs()


@pytest.mark.slow
@pytest.mark.timeout(1800)  # three new drivers with new executors, some minutes each where other work goes on
@pytest.mark.parametrize("format", ["delta", "parquet", "avro", "postgresql"])
def test_all_tables_of_games_first_again_and_newer(
    cluster: Cluster, spark: SparkSession, postgres_server: Server, tmp_path: Path, format: str
) -> None:
    first, newer = games(tmp_path / "first", 4), games(tmp_path / "newer", 4, LATER)
    there, here = (
        postgres_server.database_of(tmp_path / name) if format == "postgresql" else f"{format}:{tmp_path / name}"
        for name in ("there", "here")
    )
    settings = spark_of(cluster.master, tmp_path / "events")

    def run_there(source: Path) -> dict[str, Any]:
        done = mlbsdk("run", GAME, "--source", str(source), "--target", there, "--json", cwd=tmp_path, spark=settings)
        found: dict[str, Any] = json.loads(done.stdout)["tables"]
        return found

    loaded = run_there(first)
    again = run_there(first)
    changed = run_there(newer)
    for table, figures in loaded.items():
        assert figures["inserted"] == figures["rows"] > 0, table
        assert again[table]["unchanged"] == figures["rows"], table
        assert changed[table]["updated"] > 0, table
    for source in (first, newer):
        run_here(spark, GAME, source, here)
    assert_same(spark, there, here, GAME_TABLES)
    assert_by_executors(events_of(tmp_path / "events"), documents=3 * 4)


@pytest.mark.slow
def test_a_stream_on_a_cluster(cluster: Cluster, spark: SparkSession, tmp_path: Path) -> None:
    source = save(tmp_path / "in", [Capture(1, 0), Capture(2, 1), Capture(1, 2)])
    arguments = ("stream", "mini.game", "--mapping", str(MAPPING), "--source", str(source), "--target", "delta:out")
    settings = spark_of(cluster.master, tmp_path / "events")
    mlbsdk(*arguments, "--trigger", "available-now", cwd=tmp_path, spark=settings)
    (source / "more.json").write_text(json.dumps(Capture(3, 4).document()))
    mlbsdk(*arguments, "--trigger", "available-now", cwd=tmp_path, spark=settings)
    run_here(spark, "mini.game", source, f"delta:{tmp_path / 'here'}", mapping=MAPPING)
    assert_same(spark, f"delta:{tmp_path / 'out'}", f"delta:{tmp_path / 'here'}", TABLES)
    found = events_of(tmp_path / "events")
    assert "driver" not in found.executors
    assert found.largest_result <= FIGURES_OF_A_TASK


@pytest.mark.slow
@pytest.mark.parametrize("target", ["delta", "parquet"])
def test_quarantine_and_closed_gate_on_a_cluster(
    cluster: Cluster, spark: SparkSession, tmp_path: Path, target: str
) -> None:
    source = save(tmp_path / "in", [Capture(1, 0), Capture(2, 1)])
    bad = Capture(3, 1).document()
    bad["plays"].append({"event": "impossible", "speed": 500.0})
    (source / "bad.json").write_text(json.dumps(bad))
    arguments = ("run", "mini.game", "--mapping", str(MAPPING), "--source", str(source), "--target", f"{target}:out")
    settings = spark_of(cluster.master)
    refused = mlbsdk(*arguments, "--json", cwd=tmp_path, spark=settings, check=False)
    assert refused.returncode == 3
    assert "speed_plausible" in refused.stdout
    (source / "broken.json").write_text('{"gamePk": 9')
    done = mlbsdk(*arguments, "--on-error", "quarantine", "--json", cwd=tmp_path, spark=settings)
    report = json.loads(done.stdout)
    assert report["tables"]["mini.plays"]["quarantined"] == 1
    assert report["documents"]["rejected"] == 1
    there, here = f"{target}:{tmp_path / 'out'}", f"{target}:{tmp_path / 'here'}"
    run_here(spark, "mini.game", source, here, mapping=MAPPING, on_error=OnError.QUARANTINE)
    assert_same(spark, there, here, TABLES)
    # run_id and source differ; the reason, the row and its identity do not.
    told = [
        sorted(
            (row["quarantine_id"], row["checks"], row["row_json"])
            for row in Plugins.load()
            .writer(target)
            .make(str(tmp_path / folder), {})
            .read(spark, "mlbsdk.quarantine")
            .collect()
        )
        for folder in ("out", "here")
    ]
    assert told[0] == told[1]
    assert len(told[0]) == 2


@pytest.mark.slow
def test_several_transforms_on_a_cluster(cluster: Cluster, spark: SparkSession, tmp_path: Path) -> None:
    names = ("schedule.schedule", "team.team", "person.person")
    done = mlbsdk("run", *names, "--target", "delta:out", "--json", cwd=tmp_path, spark=spark_of(cluster.master))
    report = json.loads(done.stdout)
    assert report["status"] == "completed"
    for one in report["runs"]:
        run(RunRequest(name=one["transform"], target=f"delta:{tmp_path / 'here'}"), spark=spark)
        tables = tuple(table for table, figures in one["tables"].items() if figures["rows"])
        assert_same(spark, f"delta:{tmp_path / 'out'}", f"delta:{tmp_path / 'here'}", tables)


@pytest.mark.slow
def test_a_long_game_among_many_has_no_others_queue_behind_it(cluster: Cluster, tmp_path: Path) -> None:
    source = games(tmp_path / "in", 10, long=5_000_000)
    sizes = sorted(file.stat().st_size for file in source.iterdir())
    *usual, long = sizes
    assert long > 5_000_000
    chosen = ",".join(FEW_TABLES)
    done = mlbsdk(
        *("run", GAME, "--source", str(source), "--tables", chosen, "--target", "parquet:out", "--json"),
        cwd=tmp_path,
        spark=spark_of(cluster.master, tmp_path / "events"),
    )
    report = json.loads(done.stdout)
    assert report["tables"]["game.live_game_plays"]["rows"] > 10 * 75
    # Two tasks have the captures; none has more than a share of all, and one game that could have gone to the other.
    read = max(events_of(tmp_path / "events").bytes_read.values(), key=sum)
    assert len(read) == 2
    assert max(read) <= sum(sizes) / 2 + max(usual)


SUBMITTED = """
import sys
from pathlib import Path
from mlbsdk.runtime.run import RunRequest, run

mapping, source, target = sys.argv[1:]
run(RunRequest(name="mini.game", mapping=Path(mapping), source=source, target=target))
"""


@pytest.mark.slow
def test_spark_submit_keeps_its_master(cluster: Cluster, spark: SparkSession, tmp_path: Path) -> None:
    source = save(tmp_path / "in", [Capture(1, 0), Capture(2, 1)])
    (tmp_path / "application.py").write_text(SUBMITTED, encoding="utf-8")
    there, here = f"parquet:{tmp_path / 'out'}", f"parquet:{tmp_path / 'here'}"
    submit(
        tmp_path / "application.py",
        str(MAPPING),
        str(source),
        there,
        spark=spark_of(cluster.master, tmp_path / "events"),
    )
    run_here(spark, "mini.game", source, here, mapping=MAPPING)
    assert_same(spark, there, here, TABLES)
    assert_by_executors(events_of(tmp_path / "events"), documents=2)


@pytest.mark.slow
def test_executors_of_local_cluster(spark: SparkSession, tmp_path: Path) -> None:
    source = games(tmp_path / "in", 3)
    done = mlbsdk(
        *("run", GAME, "--source", str(source), "--target", "parquet:out", "--json"),
        cwd=tmp_path,
        spark=spark_of(LOCAL_CLUSTER, tmp_path / "events"),
    )
    assert json.loads(done.stdout)["documents"]["newest"] == 3
    run_here(spark, GAME, source, f"parquet:{tmp_path / 'here'}")
    assert_same(spark, f"parquet:{tmp_path / 'out'}", f"parquet:{tmp_path / 'here'}", GAME_TABLES)
    assert_by_executors(events_of(tmp_path / "events"), documents=3)
