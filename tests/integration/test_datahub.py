"""The contract with DataHub's OpenLineage endpoint: path, token, type and every body, checked as its server does.

The server here answers as DataHub's (GMS) does: 202 for events that it takes, 401 without the token, 415 for another
content type, 400 for what is no event, and 500 for what older ones can't place. Source: datahub-project/datahub,
docs/lineage/openlineage.md and LineageApiImpl.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from jsonschema import ValidationError
from typer.testing import CliRunner

from mlbsdk.cli.main import build
from mlbsdk.lineage.listener import OpenLineageListener
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.report import RunReport, TableReport
from mlbsdk.runtime.transformation import new_report
from tests.mini import MAPPING, TABLES
from tests.openlineage_schemas import require_valid

pytestmark = pytest.mark.integration

TOKEN = "a-personal-access-token"
PATH = "/openapi/openlineage/api/v1/lineage"


class DataHub:
    """The endpoint of a GMS."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.refused: list[tuple[int, str]] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, why = hub.answer(self.path, dict(self.headers), body)
                if status >= 300:
                    hub.refused.append((status, why))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        """Return the status for a request, and why it is no success."""
        if path != PATH:
            return 404, f"no such path: {path}"
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, "no token, or another"
        if headers.get("Content-Type") != "application/json":
            return 415, f"content type {headers.get('Content-Type')}"
        try:
            event = json.loads(body)
            require_valid(event)
        except (ValueError, KeyError, AssertionError, ValidationError) as problem:
            return 400, str(problem)
        if not event.get("eventType") or "run" not in event:
            return 400, "only RunEvents are taken"
        if event["run"]["facets"].get("processing_engine", {}).get("name") != "spark":
            return 500, "Unable to determine orchestrator"
        for dataset in (*event["inputs"], *event["outputs"]):
            if (why := _unusable(dataset)) is not None:
                return 500, why
        self.taken.append(event)
        return 202, ""

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _unusable(dataset: dict[str, Any]) -> str | None:
    """Return what a GMS makes wrong of a dataset: it knows an assertion by its dataset, column and name."""
    if "symlinks" in dataset.get("facets", {}):
        return "symlinks move a dataset to another platform"
    for facets in ("facets", "inputFacets"):
        found = dataset.get(facets, {}).get("dataQualityAssertions", {}).get("assertions", [])
        ids = [(one.get("column"), one["assertion"]) for one in found]
        if len(set(ids)) < len(ids):
            return "two assertions have one id"
    return None


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataHub]:
    """Run DataHub's endpoint, configured as docs/datahub.md says."""
    made = DataHub()
    for name in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE_API_KEY", "OPENLINEAGE_PARENT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
    address = f"http://127.0.0.1:{made.server.server_address[1]}/openapi/openlineage/"
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", address)
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__ENDPOINT", "api/v1/lineage")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__AUTH", json.dumps({"type": "api_key", "apiKey": TOKEN}))
    yield made
    made.close()


def whole_run(folder: Path, mode: str = "batch") -> RunReport:
    run = new_report(compile_mapping(load_file(MAPPING)), "captures", "delta:out", mode)
    run.source_dataset = ("file", "/captures")
    run.datasets = {name: ("file", f"/out/{name}") for name in TABLES}
    run.location = str(folder / "_mlbsdk")
    run.tables = {"mini.plays": TableReport(rows=5, inserted=5)}
    listener = OpenLineageListener({})
    listener.run_started(run)
    listener.run_completed(run)
    return run


@pytest.mark.parametrize("mode", ["batch", "streaming"])
def test_datahub_takes_every_event(hub: DataHub, tmp_path: Path, mode: str) -> None:
    run = whole_run(tmp_path, mode)
    assert hub.refused == []
    assert run.notes == []
    assert len(hub.taken) == 10
    # DataHub's flow is what stands before the first point of a job's name.
    assert {event["job"]["name"].partition(".")[0] for event in hub.taken} == {"mini"}
    checks = [event for event in hub.taken if event["job"]["name"].endswith(".quality")]
    found = [
        one for dataset in checks[-1]["inputs"] for one in dataset["inputFacets"]["dataQualityAssertions"]["assertions"]
    ]
    assert {"speed_plausible", "speed_usual"} <= {one["assertion"] for one in found}
    assert all(event["eventTime"].endswith("Z") for event in hub.taken)


def test_a_wrong_token_keeps_the_events_and_is_not_shown(
    hub: DataHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = json.dumps({"type": "api_key", "apiKey": "expired-token"})
    right = json.dumps({"type": "api_key", "apiKey": TOKEN})
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__AUTH", wrong)
    run = whole_run(tmp_path)
    assert hub.refused == [(401, "no token, or another")]
    assert "401" in run.notes[0]
    kept = "".join(file.read_text(encoding="utf-8") for file in (tmp_path / "_mlbsdk").rglob("*") if file.is_file())
    assert "expired-token" not in kept + "".join(run.notes)
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__AUTH", right)
    done = CliRunner().invoke(build(), ["lineage", "flush", "--location", str(tmp_path / "_mlbsdk")])
    assert done.stdout == "10 events sent, 0 left\n"
    assert [event["eventType"] for event in hub.taken] == ["START"] * 5 + ["COMPLETE"] * 5
