"""What every run listener keeps: it watches, and neither breaks, changes nor slows what it watches."""

from __future__ import annotations

import copy
import time
from pathlib import Path

import pytest

from mlbsdk.errors import QualityGateError
from mlbsdk.hookspecs import RunListener
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport
from mlbsdk.testing.running import PHASES, new_report, run_listeners

#: Seconds that a listener may take for all events of a small run.
SLOWEST = 5.0


@pytest.fixture
def listener(contract_listener_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunListener:
    """Return a new listener, made as a run makes it, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return _made(contract_listener_name)


def _made(name: str) -> RunListener:
    plugins = Plugins.load()
    declared = plugins.listener(name)
    return plugins.call(declared, declared.make, {})


def test_it_has_every_method(listener: RunListener) -> None:
    assert isinstance(listener, RunListener)


def test_a_run_that_completes_is_watched_without_a_fault(listener: RunListener, tmp_path: Path) -> None:
    report = run_listeners([listener], tmp_path)
    assert (report.status, report.notes) == ("completed", [])


def test_a_run_that_fails_is_watched_without_a_fault(listener: RunListener, tmp_path: Path) -> None:
    report = run_listeners([listener], tmp_path, QualityGateError("rows break 1 rule of severity error"))
    assert (report.status, report.notes) == ("failed", [])


def test_a_stream_of_many_batches_is_watched_without_a_fault(listener: RunListener, tmp_path: Path) -> None:
    assert run_listeners([listener], tmp_path, batches=20).notes == []


def test_a_run_that_fails_before_it_has_read_anything_is_watched_without_a_fault(
    listener: RunListener, tmp_path: Path
) -> None:
    report = new_report(f"parquet:{tmp_path}")
    report.plan = None
    report.source_dataset = ("", "")
    listener.phase_changed(report, PHASES[0])
    report.status = "failed"
    listener.run_failed(report, RuntimeError("no Java"))


def test_one_run_after_the_other_is_watched_without_a_fault(
    listener: RunListener, contract_listener_name: str, tmp_path: Path
) -> None:
    for number, each in enumerate((listener, listener, _made(contract_listener_name))):
        assert run_listeners([each], tmp_path / str(number)).notes == []


def test_the_report_stays_as_it_was(listener: RunListener, tmp_path: Path) -> None:
    report = new_report(f"parquet:{tmp_path}")
    report.location = str(tmp_path / "_mlbsdk")

    def changed_by(event: str, *details: object) -> bool:
        before = copy.deepcopy(report)
        getattr(listener, event)(report, *details)
        return bool(_data(before) != _data(report))

    events: list[tuple[str, tuple[object, ...]]] = [("phase_changed", (phase,)) for phase in PHASES]
    events.insert(2, ("run_started", ()))
    events += [("batch_written", (0,)), ("run_completed", ())]
    assert [event for event, details in events if changed_by(event, *details)] == []


def _data(report: RunReport) -> dict[str, object]:
    return report.to_json() | {"datasets": report.datasets, "location": report.location}


def test_it_is_not_slow(listener: RunListener, tmp_path: Path) -> None:
    begun = time.monotonic()
    run_listeners([listener], tmp_path)
    assert time.monotonic() - begun < SLOWEST, "a listener is called in the run's own thread"
