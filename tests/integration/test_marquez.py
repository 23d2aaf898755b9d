"""What a real Marquez makes of the events: job graph, column lineage, run states, errors, checks and streams.

It needs Java and Maven, so machines that have only Python skip it, with the reason shown.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mlbsdk.cli.main import build
from mlbsdk.errors import QualityGateError
from mlbsdk.lineage.listener import OpenLineageListener
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.plugins import Plugins
from mlbsdk.report import BatchReport, DocumentsReport, RuleReport, RunReport, StreamReport, TableReport
from mlbsdk.runtime.batch import TableWritten
from mlbsdk.runtime.preparation import load_mapping
from mlbsdk.runtime.transformation import new_report
from tests import marquez
from tests.marquez import Marquez
from tests.mini import MAPPING, TABLES

pytestmark = [pytest.mark.integration, pytest.mark.skipif(marquez.lacking() is not None, reason=str(marquez.lacking()))]

PLAYS = "/out/mini.plays"


@pytest.fixture(scope="session")
def server() -> Iterator[Marquez]:
    with marquez.running() as made:
        yield made


@pytest.fixture
def namespace(server: Marquez, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have events go to Marquez, to a namespace of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENLINEAGE_URL", server.url)
    name = f"test-{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv("MLBSDK_LINEAGE_NAMESPACE", name)
    return name


@pytest.fixture
def report(tmp_path: Path, namespace: str) -> RunReport:
    return report_of(tmp_path, namespace)


def report_of(folder: Path, namespace: str, mode: str = "batch") -> RunReport:
    made = new_report(compile_mapping(load_file(MAPPING)), "captures", "delta:out", mode)
    # Datasets of the test's own, in a namespace of its own.
    made.source_dataset = (f"file-{namespace}", "/captures")
    made.datasets = {name: (f"file-{namespace}", f"/out/{name}") for name in TABLES}
    made.location = str(folder / "_mlbsdk")
    made.tables = {"mini.plays": TableReport(rows=5, inserted=5)}
    made.written = {"mini.plays": TableWritten(5, version=3, files=1, size=4096)}
    return made


def tell(report: RunReport, error: BaseException | None = None) -> None:
    listener = OpenLineageListener({})
    listener.run_started(report)
    if error is None:
        report.status = "completed"
        listener.run_completed(report)
    else:
        report.status = "failed"
        listener.run_failed(report, error)
    # A machine that is busy may need longer than a run waits.
    CliRunner().invoke(build(), ["lineage", "flush", "--location", str(report.location)])


def test_the_graph_leads_from_raw_data_to_tables_and_to_their_checks(
    server: Marquez, namespace: str, report: RunReport
) -> None:
    report.quality = [RuleReport("mini.plays", "speed_usual", "warning", 1)]
    tell(report)
    job = server.job(namespace, "mini.game.plays")
    assert (job["type"], job["simpleName"], job["parentJobName"]) == ("BATCH", "plays", "mini.game")
    assert job["latestRun"]["state"] == "COMPLETED"
    raw, plays = (f"dataset:file-{namespace}:{name}" for name in ("/captures", PLAYS))
    own, table, checks = (f"job:{namespace}:{name}" for name in ("mini.game", "mini.game.plays", "mini.game.quality"))
    edges = server.edges(table)
    assert {(raw, table), (table, plays), (raw, own), (own, plays), (plays, checks)} <= edges
    dataset = server.dataset(f"file-{namespace}", PLAYS)
    assert dataset["description"] == "One row a play"
    assert {field["name"]: field["type"] for field in dataset["fields"]}["speed"] == "NUMERIC(5,2)"
    assertions = dataset["facets"]["dataQualityAssertions"]["assertions"]
    assert {one["assertion"]: one["success"] for one in assertions}["speed_usual"] is False
    assert dataset["facets"]["version"]["datasetVersion"] == "3"


def test_a_column_leads_to_its_path_in_the_raw_data(server: Marquez, namespace: str, report: RunReport) -> None:
    tell(report)
    found = server.column_inputs(f"file-{namespace}", PLAYS, "speed")
    assert found == {("/captures", "plays[*].speed")}
    assert server.column_inputs(f"file-{namespace}", PLAYS, "game_pk") == {("/captures", "gamePk")}


def test_a_failed_run_shows_its_error_and_keeps_its_edges(server: Marquez, namespace: str, report: RunReport) -> None:
    report.quality = [RuleReport("mini.plays", "speed_plausible", "error", 2)]
    tell(report, QualityGateError("rows break 1 rule of severity error"))
    for name in ("mini.game", "mini.game.plays"):
        (run,) = server.runs(namespace, name)
        assert run["state"] == "FAILED"
        assert "rows break 1 rule" in run["facets"]["errorMessage"]["message"]
    edges = server.edges(f"job:{namespace}:mini.game.plays")
    assert (f"job:{namespace}:mini.game.plays", f"dataset:file-{namespace}:{PLAYS}") in edges


def test_a_run_that_was_stopped_is_aborted(server: Marquez, namespace: str, report: RunReport) -> None:
    tell(report, KeyboardInterrupt())
    assert server.job(namespace, "mini.game")["latestRun"]["state"] == "ABORTED"


def test_a_stream_is_one_and_has_edges_while_it_runs(server: Marquez, namespace: str, tmp_path: Path) -> None:
    run = report_of(tmp_path, namespace, "streaming")
    run.stream = StreamReport("checkpoint")
    listener = OpenLineageListener({})
    listener.run_started(run)
    run.stream.last = BatchReport(0, DocumentsReport(1, 1), 5, 0.1, None, run.tables)
    listener.batch_written(run, 0)
    name = "mini.game.plays"

    def running() -> Any:
        job = server.job(namespace, name)
        return job if job["latestRun"] and job["latestRun"]["state"] == "RUNNING" and job["outputs"] else None

    job = server.eventually(running)
    assert job["type"] == "STREAM"
    edge = (f"job:{namespace}:{name}", f"dataset:file-{namespace}:{PLAYS}")
    assert edge in server.edges(f"job:{namespace}:{name}")
    run.stream.ended_by = "until"
    listener.run_completed(run)
    CliRunner().invoke(build(), ["lineage", "flush", "--location", str(run.location)])
    assert server.job(namespace, name)["latestRun"]["state"] == "COMPLETED"


def test_an_orchestrators_run_is_the_parent(
    server: Marquez, namespace: str, report: RunReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", f"{namespace}/season/{uuid.uuid4()}")
    tell(report)
    # Marquez puts the parent's name before that of a job that it starts.
    job = server.job(namespace, "season.mini.game")
    assert (job["simpleName"], job["parentJobName"]) == ("mini.game", "season")
    assert job["latestRun"]["state"] == "COMPLETED"


@pytest.mark.slow
def test_the_whole_live_feed_has_its_graph_and_columns(server: Marquez, namespace: str, tmp_path: Path) -> None:
    plan = compile_mapping(load_mapping(Plugins.load().transform("game.live_game_v1")))
    run = new_report(plan, "captures", "delta:out", "batch")
    run.source_dataset = (f"file-{namespace}", "/captures")
    run.datasets = {table.name: (f"file-{namespace}", f"/out/{table.name}") for table in plan.tables}
    run.location = str(tmp_path / "_mlbsdk")
    tell(run)
    edges = server.edges(f"job:{namespace}:game.live_game_v1")
    for table in plan.tables:
        job = f"job:{namespace}:game.live_game_v1.{table.name.partition('.')[2]}"
        assert (job, f"dataset:file-{namespace}:/out/{table.name}") in edges
    found = server.column_inputs(f"file-{namespace}", "/out/game.live_game_pitch_events", "start_speed")
    assert found == {("/captures", "liveData.plays.allPlays[*].playEvents[*].pitchData.startSpeed")}
