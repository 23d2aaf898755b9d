"""Figures of quality over time: kept, read back, and called unusual only where they are. Starts no Spark."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from mlbsdk.errors import SourceError
from mlbsdk.hookspecs import CheckResult, Verification
from mlbsdk.quality.metrics import Figure, MetricsHistory, anomalies, of_profile, of_verification
from mlbsdk.quality.profile import ColumnProfile, TableProfile

_START = datetime(2024, 7, 1, tzinfo=timezone.utc)


def figures(*values: float, metric: str = "mean", scope: str = "table") -> list[Figure]:
    return [
        Figure(_START + timedelta(days=n), "", scope, "mini.plays", "native", metric, "speed", value)  # type: ignore[arg-type]
        for n, value in enumerate(values)
    ]


def is_unusual(*values: float, metric: str = "mean", scope: str = "table") -> bool:
    *earlier, now = figures(*values, metric=metric, scope=scope)
    return bool(anomalies(earlier, [now]))


def test_figures_are_kept_by_table_and_come_back_in_order(tmp_path: Path) -> None:
    history = MetricsHistory(str(tmp_path / "_mlbsdk"))
    assert history.of(["mini.plays"]) == []
    verified = Verification(4, (CheckResult("fast", 1, "error"), CheckResult("slow", 0)))
    label = {"engine": "native", "scope": "run", "run_id": "r1"}
    later = of_verification(verified, "mini.plays", at=_START + timedelta(days=1), **label)  # type: ignore[arg-type]
    other = of_verification(verified, "mini.games", at=_START, **label)  # type: ignore[arg-type]
    speed = ColumnProfile("speed", "double", 0.5, 2, 1.0, 3.0, 2.0, 1.0, (("1.0", 1), (None, 2), ("3.0", 1)))
    profiled = of_profile(TableProfile("mini.plays", 4, (speed,)), engine="native", run_id="", at=_START)
    for some in (later, other, profiled):
        history.add(some)
    assert history.of(["mini.plays"]) == [*profiled, *later]
    assert [(one.instance, one.value) for one in history.of(["mini.plays"], "compliance")] == [
        ("fast", 0.75),
        ("slow", 1.0),
    ]
    assert {one.metric: one.value for one in profiled if one.instance} == {
        "completeness": 0.5,
        "distinct": 2.0,
        "mean": 2.0,
        "standard_deviation": 1.0,
        "minimum": 1.0,
        "maximum": 3.0,
    }


def test_a_damaged_history_is_an_error_that_names_it(tmp_path: Path) -> None:
    history = MetricsHistory(str(tmp_path))
    history.add(figures(1.0))
    log = next(Path(history.path).glob("_delta_log/*.json"))
    log.write_text("{", encoding="utf-8")
    with pytest.raises(SourceError, match="quality/metrics' can't be read"):
        history.of(["mini.plays"])


def test_a_mean_that_jumps_is_unusual_and_one_that_wanders_is_not() -> None:
    assert is_unusual(90, 91, 89, 90, 91, 40)
    assert not is_unusual(90, 91, 89, 90, 91, 95)
    assert not is_unusual(90, 60, 120, 75, 105, 130)
    assert not is_unusual(90, 91, 90, 89, 40), "four figures are too few to say"


def test_one_outlier_in_the_past_hides_nothing() -> None:
    assert is_unusual(90, 91, 1000, 89, 90, 91, 40)


def test_a_share_that_was_always_whole_may_lose_a_row_but_not_many() -> None:
    assert not is_unusual(1, 1, 1, 1, 1, 0.99, metric="completeness")
    assert is_unusual(1, 1, 1, 1, 1, 0.9, metric="completeness")


def test_a_table_that_loses_rows_is_unusual_and_one_that_grows_is_not() -> None:
    assert is_unusual(1000, 500, metric="rows")
    assert not is_unusual(1000, 950, metric="rows")
    assert not is_unusual(75, 150, 225, 300, 375, 45_000, metric="rows")
    assert not is_unusual(45_000, 75, metric="rows", scope="run"), "a run has as many rows as its source"
    assert not is_unusual(10, metric="rows")


def test_figures_of_runs_and_of_tables_are_not_compared() -> None:
    assert not anomalies(figures(90, 91, 89, 90, 91, scope="run"), figures(40))


def test_an_anomaly_says_what_it_compares() -> None:
    *earlier, now = figures(90, 91, 89, 90, 91, 40)
    (found,) = anomalies(earlier, [now])
    assert str(found) == "unusual: mini.plays mean of speed is 40, usually 90 (5 earlier figures)"
