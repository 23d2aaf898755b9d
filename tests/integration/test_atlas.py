"""Apache Atlas: what it holds after runs, and what becomes of reports that it does not take."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlbsdk_plugin_atlas.reporter import AtlasReporter
from mlbsdk_plugin_atlas.server import AtlasServer, AtlasSettings
from mlbsdk_plugin_atlas.types import COLUMN, COLUMN_LINEAGE, NAMES, PROCESS, type_definitions
from mlbsdk_plugin_atlas.types import TABLE as TABLE_TYPE
from typer.testing import CliRunner

from mlbsdk.cli.main import build
from mlbsdk.errors import LineageError
from mlbsdk.lineage.look import plan_of
from mlbsdk.lineage.reporting import ReportingListener, flush_reports
from mlbsdk.plugin import ConfigurationError
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport
from mlbsdk.testing.contracts.of_reporters import SOURCE, TABLE, metrics
from mlbsdk.testing.running import new_report, run_listeners
from tests import atlas
from tests.atlas import Atlas

pytestmark = pytest.mark.integration
PLUGINS = Plugins.load()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Atlas]:
    """Return a server that the environment names, and that is sent nothing wrong."""
    with atlas.running() as found:
        monkeypatch.setenv("ATLAS_ENDPOINT", found.address)
        monkeypatch.setenv("ATLAS_USER", found.user)
        monkeypatch.setenv("ATLAS_PASSWORD", found.password)
        yield found
        assert found.wrong == []


def reporter(endpoint: str, timeout_s: float = 5.0, **environment: str) -> AtlasReporter:
    """Return a reporter for a server, as an administrator unless told otherwise."""
    who = {"ATLAS_USER": "admin", "ATLAS_PASSWORD": "hush-atlas"} if not environment else {}
    settings = AtlasSettings.of({"ATLAS_ENDPOINT": endpoint} | who | environment)
    return AtlasReporter(AtlasServer(settings, timeout_s), settings.metadata_namespace)


def run(folder: Path, error: BaseException | None = None) -> RunReport:
    """Tell of a run as the engine does."""
    return run_listeners([ReportingListener(PLUGINS)], folder, error)


def kept(folder: Path) -> list[Path]:
    """Return the reports that are kept."""
    return sorted((folder / "_mlbsdk" / "lineage-reports" / "atlas").glob("*.json"))


def flush(folder: Path) -> Any:
    """Send what is kept."""
    return CliRunner().invoke(build(), ["lineage", "flush", "--location", str(folder / "_mlbsdk")])


# What Atlas holds


def test_a_run_becomes_a_process_with_inputs_outputs_columns_and_their_lineage(server: Atlas, tmp_path: Path) -> None:
    report = run(tmp_path)
    assert report.notes == []
    (process,) = server.of_type(PROCESS)
    own = process["attributes"]
    assert own["qualifiedName"] == "mini.game:file/captures@mlbsdk"
    assert [one["uniqueAttributes"]["qualifiedName"] for one in own["inputs"]] == ["file/captures@mlbsdk"]
    assert [one["uniqueAttributes"]["qualifiedName"] for one in own["outputs"]] == [
        f"file/warehouse/mini.{name}@mlbsdk" for name in ("games", "plays", "players")
    ]
    assert (own["state"], own["runId"], own["insertedByTable"]["mini.plays"]) == ("COMPLETE", report.run_id, 1)
    assert own["failedRules"] == {"mini.plays.speed_usual": 1}
    assert own["endTime"] >= own["startTime"] > 1_600_000_000_000
    assert len(server.of_type(TABLE_TYPE)) == 4
    speed = server.entities[(COLUMN, "file/warehouse/mini.plays#speed@mlbsdk")]
    assert speed["attributes"]["type"] == "NUMERIC(5,2)"
    assert speed["relationshipAttributes"]["table"]["uniqueAttributes"] == {
        "qualifiedName": "file/warehouse/mini.plays@mlbsdk"
    }
    lineage = server.entities[(COLUMN_LINEAGE, "mini.plays.speed:mini.game:file/captures@mlbsdk")]
    assert (
        lineage["attributes"]["inputs"][0]["uniqueAttributes"]["qualifiedName"] == "file/captures#plays[*].speed@mlbsdk"
    )
    assert (
        lineage["attributes"]["outputs"][0]["uniqueAttributes"]["qualifiedName"] == speed["attributes"]["qualifiedName"]
    )


def test_types_are_created_once_and_a_second_run_only_updates(server: Atlas, tmp_path: Path) -> None:
    run(tmp_path / "one")
    guids = {key: one["guid"] for key, one in server.entities.items()}
    run(tmp_path / "two", KeyboardInterrupt())
    assert {key: one["guid"] for key, one in server.entities.items()} == guids
    assert server.of_type(PROCESS)[0]["attributes"]["state"] == "ABORT"
    assert [each for each in server.requests if each[1].endswith("typedefs/")].count(
        ("POST", "/api/atlas/v2/types/typedefs/")
    ) == 1


def test_a_run_sends_what_does_not_change_once(server: Atlas) -> None:
    one = reporter(server.address)
    one.report_transform(SOURCE, [TABLE], "mini.game", metrics("START"))
    before = len(server.requests)
    one.report_transform(SOURCE, [TABLE], "mini.game", metrics("COMPLETE"))
    assert len(server.requests) - before == 1


def test_the_live_game_with_its_columns_goes_in_a_few_requests(server: Atlas, tmp_path: Path) -> None:
    report = new_report("delta:out")
    report.plan = plan_of("game.live_game_v1", PLUGINS)
    report.transform = report.plan.name
    report.datasets = {one.name: ("file", f"/out/{one.name}") for one in report.plan.tables}
    report.location = str(tmp_path)
    listener = ReportingListener(PLUGINS)
    listener.run_started(report)
    listener.run_completed(report)
    flush_reports(str(tmp_path), PLUGINS)
    assert len(server.of_type(TABLE_TYPE)) == 19
    assert len(server.of_type(COLUMN)) == 836 + 676
    assert len(server.of_type(COLUMN_LINEAGE)) > 750
    assert len(server.requests) < 40


def test_another_run_that_creates_the_types_meanwhile_is_no_fault(server: Atlas) -> None:
    server.others_create_types = True
    reporter(server.address).report_transform(SOURCE, [TABLE], "mini.game", metrics("COMPLETE"))
    assert server.of_type(PROCESS)


def test_types_of_an_older_plugin_are_brought_forward_and_newer_ones_stay(server: Atlas) -> None:
    for one in type_definitions()["entityDefs"]:
        version = "0.9" if one["name"] == PROCESS else "7.0"
        server.types[one["name"]] = one | {"typeVersion": version}
    server.types[PROCESS] = server.types[PROCESS] | {"attributeDefs": []}
    server.relations |= {one["name"]: one for one in type_definitions()["relationshipDefs"]}
    reporter(server.address).report_transform(SOURCE, [TABLE], "mini.game", metrics("COMPLETE"))
    assert [server.types[name]["typeVersion"] for name in NAMES if name in server.types] == ["7.0", "7.0", "1.0", "7.0"]
    assert server.types[PROCESS]["attributeDefs"]


def test_a_token_and_the_path_of_a_gateway_serve_too() -> None:
    with atlas.running(path="/gateway/sandbox/atlas") as server:
        reporter(server.address + "/", ATLAS_TOKEN=server.token).report_transform(
            SOURCE, [TABLE], "mini.game", metrics("COMPLETE")
        )
        assert server.of_type(PROCESS)
        assert server.wrong == []


def test_the_name_of_the_cluster_ends_every_qualified_name(server: Atlas) -> None:
    reporter(server.address, ATLAS_TOKEN=server.token, ATLAS_METADATA_NAMESPACE="prod").report_transform(
        SOURCE, [TABLE], "mini.game", metrics("COMPLETE")
    )
    assert all(name.endswith("@prod") for _, name in server.entities)


# What Atlas does not take


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ({"user": "somebody"}, "refuses who asks"),
        ({"fails_with": 302}, "refuses who asks"),
        ({"fails_with": 500}, "answered 500"),
        ({"fails_with": 429}, "answered 429"),
        ({"waits": 3.0}, "can't be reached: ReadTimeout"),
    ],
)
def test_what_goes_wrong_is_a_sentence_without_secrets(behaviour: dict[str, Any], sentence: str) -> None:
    with atlas.running(**behaviour) as server, pytest.raises(LineageError, match=sentence) as found:
        reporter(server.address, timeout_s=1.0).report_transform(SOURCE, [TABLE], "mini.game", metrics("COMPLETE"))
    assert "hush" not in str(found.value)


@pytest.mark.parametrize("behaviour", [{"waits": 30.0}, {"fails_with": 500}, {"fails_with": 429}])
def test_a_run_is_not_delayed_and_flush_delivers_later(
    behaviour: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with atlas.running(**behaviour) as server:
        monkeypatch.setenv("ATLAS_ENDPOINT", server.address)
        monkeypatch.setenv("ATLAS_USER", server.user)
        monkeypatch.setenv("ATLAS_PASSWORD", server.password)
        begun = time.monotonic()
        report = run(tmp_path)
        assert time.monotonic() - begun < 2.0
        (note,) = report.notes
        assert "'mlbsdk lineage flush --location" in note
        assert len(kept(tmp_path)) == 2
        if "fails_with" in behaviour:
            done = flush(tmp_path)
            assert isinstance(done.exception, LineageError)
            assert "0 reports sent, 1 left" in done.stdout
        server.waits, server.fails_with = 0.0, 0
        done = flush(tmp_path)
        assert (done.exit_code, done.stdout) == (0, "atlas: 1 reports sent, 0 left\n")
        assert kept(tmp_path) == []
        assert server.of_type(PROCESS)[0]["attributes"]["runId"] == report.run_id
        assert server.wrong == []


def test_flush_keeps_the_order_of_runs(server: Atlas, tmp_path: Path) -> None:
    server.fails_with = 503
    run(tmp_path)
    later = new_report("parquet:x", "0195f3c4-0000-7000-8000-0000000000ff")
    later.location = str(tmp_path / "_mlbsdk")
    listener = ReportingListener(PLUGINS)
    listener.run_started(later)
    listener.run_failed(later, OSError("no more disk"))
    server.fails_with = 0
    assert "atlas: 2 reports sent, 0 left" in flush(tmp_path).stdout
    own = server.of_type(PROCESS)[0]["attributes"]
    assert (own["runId"], own["state"], own["error"]) == (later.run_id, "FAIL", "no more disk")


def test_a_report_that_was_kept_holds_no_secret(server: Atlas, tmp_path: Path) -> None:
    server.fails_with = 500
    run(tmp_path, OSError("postgresql://me:hush-db@host/x is gone"))
    for path in kept(tmp_path):
        assert "hush" not in path.read_text(encoding="utf-8")
        assert json.loads(path.read_text(encoding="utf-8"))["version"] == 1


# How it is configured


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"ATLAS_ENDPOINT": "localhost:21000"}, "no http or https URL"),
        ({"ATLAS_ENDPOINT": "http://"}, "no http or https URL"),
        ({"ATLAS_ENDPOINT": "http://[::1"}, "no http or https URL"),
        ({"ATLAS_ENDPOINT": "http://me:hush@host"}, "has a user or password"),
        ({"ATLAS_ENDPOINT": "http://host", "ATLAS_USER": "me"}, "go together"),
    ],
)
def test_a_wrong_configuration_is_told(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as found:
        AtlasSettings.of(environment)
    assert "hush" not in str(found.value)


def test_a_wrong_configuration_costs_a_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_ENDPOINT", "nonsense")
    report = run(tmp_path)
    assert "ATLAS_ENDPOINT is no http or https URL" in report.notes[0]
    assert len(kept(tmp_path)) == 2


def test_without_an_endpoint_nothing_is_made_and_flush_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATLAS_ENDPOINT", raising=False)
    assert run(tmp_path).notes == []
    assert not (tmp_path / "_mlbsdk" / "lineage-reports").exists()


def test_settings_show_no_secret() -> None:
    settings = AtlasSettings.of(
        {"ATLAS_ENDPOINT": "http://host", "ATLAS_USER": "me", "ATLAS_PASSWORD": "hush", "ATLAS_TOKEN": "hush"}
    )
    assert "hush" not in repr(settings)
