"""What the project promised about its speed, and what was measured of it."""

from __future__ import annotations

from collections.abc import Callable

from cold import HELP
from measures import Criterion, ratio
from workload import (
    AGAIN,
    BARE_RUN,
    CHECKED,
    COLD_RUN,
    DUCKDB,
    FIRST,
    FLOOR,
    NEWER,
    STREAMED,
    UNCHECKED,
    Workload,
)

_MANY, _SEASON = 200, 2430


def criteria(workloads: list[Workload]) -> list[Criterion]:
    """Return every promise with its figure; those about a size that was not measured have none."""
    sizes = {workload.games: workload for workload in workloads}
    one, many, season = sizes.get(1), sizes.get(_MANY), sizes.get(_SEASON)
    parquet, delta = f"engine to parquet, {FIRST}", f"engine to delta, {FIRST}"

    def best(workload: Workload | None, name: str) -> float | None:
        return workload.best(name) if workload else None

    def over(workload: Workload | None, name: str, other: str) -> float | None:
        return ratio(best(workload, name), best(workload, other))

    a_game = [ratio(best(workload, parquet), games) for workload, games in ((season, _SEASON), (many, _MANY))]
    java = [workload.cold.java_mb(COLD_RUN) if workload else None for workload in (season, many)]
    found = [
        ("200 games to Parquet, warm / DuckDB to Parquet", over(many, parquet, DUCKDB), 2),
        ("2,430 games to Parquet, warm / DuckDB to Parquet", over(season, parquet, DUCKDB), 1.2),
        (f"200 games to Delta, {FIRST} / DuckDB to Parquet", over(many, delta, DUCKDB), 3),
        (f"200 games to Delta, {AGAIN} / DuckDB to Parquet", over(many, f"engine to delta, {AGAIN}", DUCKDB), 5),
        (f"200 games to Delta, {NEWER} / DuckDB to Parquet", over(many, f"engine to delta, {NEWER}", DUCKDB), 5),
        (f"one game to Delta, warm, {FIRST}: seconds", best(one, delta), 3),
        (f"one game to Delta, warm, {AGAIN}: seconds", best(one, f"engine to delta, {AGAIN}"), 3),
        (f"one game to Delta, warm, {NEWER}: seconds", best(one, f"engine to delta, {NEWER}"), 3),
        ("one capture streamed to PostgreSQL, warm, trigger to visible: seconds", best(one, STREAMED), 1.5),
        ("time a game to Parquet, 2,430 games / 200 games", ratio(*a_game), 1),
        ("peak memory of Java in a new process, 2,430 games / 200 games", ratio(*java), 1.2),
        ("200 games to Parquet, with rules and lineage / without", over(many, CHECKED, UNCHECKED), 1.15),
        ("one game, new process: mlbsdk run / bare pyspark", over(one, COLD_RUN, BARE_RUN), 1.6),
        ("mlbsdk --help: seconds", best(one, HELP), 0.3),
        ("200 games to Parquet, warm / parse floor", over(many, parquet, FLOOR), 4),
        *_of_postgresql(many, over),
    ]
    return [Criterion(*each) for each in [*found, _jobs(workloads)]]


def _of_postgresql(
    many: Workload | None, over: Callable[[Workload | None, str, str], float | None]
) -> list[tuple[str, float | None, float]]:
    """Return what is promised about PostgreSQL, against Delta."""
    found: list[tuple[str, float | None, float]] = []
    for step in (FIRST, AGAIN, NEWER):
        value = over(many, f"engine to postgresql, {step}", f"engine to delta, {step}")
        found.append((f"200 games, {step}: to PostgreSQL / to Delta", value, 2))
    return found


def _jobs(workloads: list[Workload]) -> tuple[str, float | None, float]:
    """Return the most Spark jobs that a run of the engine needed, a table."""
    most = [
        (measure.jobs / len(workload.bench.plan.tables), f"{name}, {workload.label}")
        for workload in workloads
        for name, measure in workload.measures.items()
        if name.startswith("engine")
    ]
    value, where = max(most, default=(None, "no run"))
    return f"Spark jobs a table, most in a run ({where})", value, 3
