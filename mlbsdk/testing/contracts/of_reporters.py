"""What every lineage reporter keeps: it takes any report, the same one again, and says so where it could not."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mlbsdk.errors import QualityGateError
from mlbsdk.hookspecs import LineageColumn, LineageReporter, LineageTable
from mlbsdk.lineage.reporting import ReportingListener
from mlbsdk.plugins import Plugins
from mlbsdk.testing.running import run_listeners

#: Seconds that a run may be delayed by a backend that is down, and that a reporter may take to say so.
SLOWEST, LONGEST = 2.0, 30.0
SOURCE = LineageTable(
    "mini.game_v1", "file", "/captures", (LineageColumn("gamePk", "json"), LineageColumn("plays[*].speed", "json"))
)
TABLE = LineageTable(
    "mini.plays",
    "file",
    "/warehouse/mini/plays",
    (
        LineageColumn("game_pk", "BIGINT", "Game.", ("gamePk",)),
        LineageColumn("speed_kmh", "DOUBLE", "", ("plays[*].speed",), "`speed_mph` * 1.609344"),
        LineageColumn("source_captured_at", "TIMESTAMPTZ"),
    ),
    "One row for each play.",
)


def metrics(state: str, run_id: str = "01a2-run") -> dict[str, Any]:
    """Return the figures of a run in a state."""
    found: dict[str, Any] = {
        "run_id": run_id,
        "state": state,
        "mode": "batch",
        "started_at": "2024-07-13T04:19:09.000Z",
        "at": "2024-07-13T04:20:09.000Z",
        "duration_s": 60.0,
        "documents": {"read": 2, "newest": 1, "rejected": 1},
        "tables": {} if state == "START" else {"mini.plays": _ROWS},
        "quality": [{"table": "mini.plays", "rule": "speed_usual", "severity": "warning", "failed": 1}],
    }
    return found | ({"error": "no more disk"} if state == "FAIL" else {})


_ROWS = {"rows": 5, "inserted": 3, "updated": 1, "unchanged": 1, "deleted": 0, "quarantined": 0}


@pytest.fixture
def reporter(contract_reporter_name: str, contract_reporter_backend: None) -> LineageReporter:
    """Return a new reporter, made as a run makes it, with its backend."""
    return _made(contract_reporter_name)


def _made(name: str) -> LineageReporter:
    plugins = Plugins.load()
    declared = plugins.reporter(name)
    found = plugins.call(declared, declared.make, {"timeout_s": 5.0})
    assert found is not None, "the backend is configured, so there is a reporter"
    return found


@pytest.mark.parametrize("states", [("START", "COMPLETE"), ("START", "FAIL"), ("START", "RUNNING", "ABORT")])
def test_a_run_is_taken(reporter: LineageReporter, states: Sequence[str]) -> None:
    for state in states:
        reporter.report_transform(SOURCE, [TABLE], "mini.game", metrics(state))


def test_the_end_of_a_run_is_taken_alone_and_again_by_another_reporter(
    reporter: LineageReporter, contract_reporter_name: str
) -> None:
    for each in (reporter, reporter, _made(contract_reporter_name)):
        each.report_transform(SOURCE, [TABLE], "mini.game", metrics("COMPLETE"))


def test_a_table_that_has_got_another_column_is_taken(reporter: LineageReporter) -> None:
    reporter.report_transform(SOURCE, [TABLE], "mini.game", metrics("COMPLETE"))
    more = LineageTable(
        TABLE.name, TABLE.namespace, TABLE.dataset, (*TABLE.columns, LineageColumn("inning", "INT")), TABLE.description
    )
    reporter.report_transform(SOURCE, [more], "mini.game", metrics("COMPLETE", "01a2-later"))


def test_any_names_and_many_columns_are_taken(reporter: LineageReporter) -> None:
    odd = """é'"\\<script>`${x}\n@#,;%2F 選手"""
    paths = tuple(LineageColumn(f"a['{odd}'][*].b{number}", "json") for number in range(300))
    columns = tuple(
        LineageColumn(f"c{number}", "VARCHAR(10)", odd * 50, (path.name,), f"concat(`x`, '{odd}')")
        for number, path in enumerate(paths)
    )
    source = LineageTable("odd.raw", "file", f"/captures/{odd}", paths)
    tables = [LineageTable(f"odd.t{number}", "file", f"/out/{odd}/{number}", columns[:150]) for number in range(2)]
    reporter.report_transform(source, tables, "odd.transform", metrics("COMPLETE"))


def test_what_it_is_given_stays_as_it_was(reporter: LineageReporter) -> None:
    given = metrics("COMPLETE")
    before = copy.deepcopy(given)
    reporter.report_transform(SOURCE, [TABLE], "mini.game", given)
    assert given == before


def test_a_backend_that_is_down_is_told_as_an_error(
    contract_reporter_name: str, contract_reporter_down: None, contract_reporter_secrets: Sequence[str]
) -> None:
    begun = time.monotonic()
    with pytest.raises(Exception) as found:  # noqa: PT011  (any kind: it is only told)
        _made(contract_reporter_name).report_transform(SOURCE, [TABLE], "mini.game", metrics("COMPLETE"))
    assert time.monotonic() - begun < LONGEST
    assert not [secret for secret in contract_reporter_secrets if secret in str(found.value)]


def _told(name: str, folder: Path, error: BaseException | None = None) -> tuple[list[str], list[Path]]:
    """Tell of a run as the engine does; return its notes about the backend, and the reports that are kept for it."""
    report = run_listeners([ReportingListener(Plugins.load())], folder, error)
    kept = sorted((folder / "_mlbsdk" / "lineage-reports" / name).glob("*.json"))
    return [note for note in report.notes if f"'{name}'" in note], kept


def test_a_run_is_told_of_and_nothing_is_kept(
    contract_reporter_name: str, contract_reporter_backend: None, tmp_path: Path
) -> None:
    assert _told(contract_reporter_name, tmp_path / "one") == ([], [])
    failed = QualityGateError("rows break 1 rule of severity error")
    assert _told(contract_reporter_name, tmp_path / "two", failed) == ([], [])


def test_a_run_is_not_delayed_by_a_backend_that_is_down_and_its_report_is_kept(
    contract_reporter_name: str, contract_reporter_down: None, contract_reporter_secrets: Sequence[str], tmp_path: Path
) -> None:
    begun = time.monotonic()
    notes, kept = _told(contract_reporter_name, tmp_path)
    assert time.monotonic() - begun < SLOWEST
    assert len(notes) == 1
    assert "mlbsdk lineage flush" in notes[0]
    assert len(kept) == 2  # its start and its end
    written = "".join(path.read_text(encoding="utf-8") for path in kept)
    assert not [secret for secret in contract_reporter_secrets if secret in notes[0] + written]
