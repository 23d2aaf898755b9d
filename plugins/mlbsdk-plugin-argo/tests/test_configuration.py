"""``workflow.yaml``, and the small commands that are steps of workflows."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from mlbsdk_plugin_argo.configuration import load_configuration
from mlbsdk_plugin_argo.season_command import app as season
from mlbsdk_plugin_argo.waiting import moment, wait_for
from mlbsdk_plugin_argo.workflow_command import app
from typer.testing import CliRunner

from mlbsdk.plugin import ConfigurationError, MlbsdkError


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "workflow.yaml"
    file.write_text("version: '1.0'\nstore: s3a://a\ntarget: delta:/b\n")
    found = load_configuration(file, {"store": "s3a://c", "target": None})
    assert (found.store, found.target) == ("s3a://c", "delta:/b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("paralelism: 3", "'paralelism' is no key.*Did you mean 'parallelism'"),
        ("resources: {fetsch: {}}", "Did you mean 'fetch'"),
        ("env: {PGPASSWORD: x}", "looks like a secret"),
        ("env: {A: 'http://me:pw@x'}", "has a password"),
        ("env: {A: '{{workflow.name}}'}", "take it for a variable"),
        ("target: postgresql://me:pw@db/x", "must hold no password"),
        ("namespace: Baseball", "no name of a namespace"),
        ("resources: {fetch: {memory: 2GB}}", "no quantity"),
        ("secrets: {A: {secret: s, key: k}}\nenv: {A: b}", "under 'env' and under 'secrets'"),
        ("parallelism: 0", "parallelism"),
        ("- 1", "one YAML object"),
    ],
)
def test_a_wrong_configuration_is_refused_by_its_place(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "workflow.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=expected) as raised:
        load_configuration(file, {})
    assert str(raised.value.where).startswith(str(file))
    assert "pw" not in str(raised.value)


def test_a_workflow_waits_until_half_an_hour_before_the_start() -> None:
    start = moment("2024-07-12T19:10:00-04:00")
    assert wait_for(start, "30m", datetime(2024, 7, 12, 22, 0, tzinfo=timezone.utc)) == "2400s"
    assert wait_for(start, "30m", datetime(2024, 7, 13, tzinfo=timezone.utc)) == "0s"
    with pytest.raises(ConfigurationError, match="does not say its offset"):
        moment("2024-07-12T19:10:00")


def test_the_steps_of_workflows_write_what_argo_reads(tmp_path: Path) -> None:
    runner = CliRunner()
    planned = tmp_path / "scratch" / "chunks.json"
    done = runner.invoke(app, ["plan", "--start", "2024-07-01", "--end", "2024-07-09", "--out", str(planned)])
    assert done.exit_code == 0
    assert [chunk["id"] for chunk in json.loads(planned.read_text())] == ["2024-07-01-7d", "2024-07-08-2d"]
    waits = tmp_path / "wait"
    assert runner.invoke(app, ["wait", "--start-time", "2020-07-01T00:00Z", "--out", str(waits)]).exit_code == 0
    assert waits.read_text() == "0s"


def test_the_workflow_is_told_of_as_the_parent_of_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLBSDK_HOME", str(tmp_path))
    monkeypatch.setenv("MLBSDK_LINEAGE_NAMESPACE", "baseball")
    for name in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    run = "5b0e2c3a-1111-4222-8333-444455556666"
    for status in ("Running", "Failed"):
        done = CliRunner().invoke(app, ["tell", "--job", "workflow.season", "--run-id", run, "--status", status])
        assert done.exit_code == 0, done.output
    events: list[dict[str, Any]] = [json.loads(line) for line in (tmp_path / "lineage.jsonl").read_text().splitlines()]
    assert [event["eventType"] for event in events] == ["START", "FAIL"]
    assert {event["run"]["runId"] for event in events} == {run}
    assert events[0]["job"]["namespace"] == "baseball"
    assert events[0]["job"]["facets"]["jobType"]["jobType"] == "WORKFLOW"
    assert "errorMessage" in events[1]["run"]["facets"]
    wrong = CliRunner().invoke(app, ["tell", "--job", "workflow.season", "--run-id", "7", "--status", "Failed"])
    assert isinstance(wrong.exception, ConfigurationError)


@pytest.mark.parametrize(
    ("loaded", "options", "told"),
    [
        ("argo,game,schedule,team", [], "mlbsdk-plugin-statsapi"),
        ("argo,statsapi,game,team", [], "mlbsdk-plugin-schedule"),
        ("argo,statsapi,game,schedule,team", ["--derive", "analytics.*"], "mlbsdk-plugin-analytics"),
        ("argo,statsapi,game,schedule,team", ["--export", "none.yaml"], "there is no file 'none.yaml'"),
        ("argo,statsapi,game,schedule,team", ["--end", "2024-06-30"], "2024-06-30"),
    ],
)
def test_a_season_that_lacks_something_is_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: str, options: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLBSDK_LOAD_PLUGINS", loaded)
    days = ["--season", "2024", "--start", "2024-07-01", "--end", "2024-07-07"]
    done = CliRunner().invoke(season, ["run", *days, *options])
    assert isinstance(done.exception, MlbsdkError)
    assert done.exception.exit_code == 2
    assert told in str(done.exception)
    assert list(tmp_path.iterdir()) == []
