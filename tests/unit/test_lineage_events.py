"""The OpenLineage events of a run, as a backend receives them."""

from __future__ import annotations

import json
import re
import uuid
from datetime import date
from typing import Any

import pytest

from mlbsdk.errors import QualityGateError, WriteError
from mlbsdk.lineage.context import CodeLocation, JobRun, RunContext
from mlbsdk.lineage.events import RunEvents, State, run_events
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.report import RuleReport, RunReport, TableReport
from mlbsdk.runtime.batch import TableWritten
from mlbsdk.runtime.spark_lines import installed_spark
from mlbsdk.runtime.transformation import new_report
from tests.mini import MAPPING, TABLES
from tests.openlineage_schemas import require_valid

SOURCE = ("file", "/captures")
STATES = (State.START, State.RUNNING, State.COMPLETE, State.FAIL, State.ABORT)
JOBS = ("mini.game.games", "mini.game.plays", "mini.game.players", "mini.game.quality")
TABLE_JOBS = JOBS[:3]


def report(mode: str = "batch") -> RunReport:
    """Return the report of a run that wrote all three tables."""
    made = new_report(compile_mapping(load_file(MAPPING)), "captures", "delta:out", mode)
    made.source_dataset = SOURCE
    made.datasets = {name: ("file", f"/out/{name.replace('.', '/')}") for name in TABLES}
    made.tables = {
        "mini.games": TableReport(rows=1, inserted=1),
        "mini.plays": TableReport(rows=5, inserted=2, updated=1, unchanged=2, deleted=7),
        "mini.players": TableReport(rows=2, unchanged=2),
    }
    made.written = {"mini.plays": TableWritten(2, 1, 2, 7, version=7, files=1, size=4096)}
    made.quality = [RuleReport("mini.plays", "speed_usual", "warning", 1)]
    return made


def events(state: State, of: RunReport | None = None, error: BaseException | None = None) -> list[dict[str, Any]]:
    """Return events as they go over the wire."""
    found = [json.loads(event.line) for event in run_events(of or report(), state, "mlb", error)]
    for event in found:
        require_valid(event)
    return found


def of_job(found: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (event,) = [event for event in found if event["job"]["name"] == name]
    return event


def facets_below(part: Any) -> list[dict[str, Any]]:
    """Return every facet of an event, wherever it hangs."""
    if isinstance(part, list):
        return [facet for each in part for facet in facets_below(each)]
    if not isinstance(part, dict):
        return []
    own = [part] if "_schemaURL" in part else []
    return own + [facet for value in part.values() for facet in facets_below(value)]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_every_event_has_what_openlineage_requires(state: State) -> None:
    for event in events(state, error=WriteError("no") if state is State.FAIL else None):
        assert event["eventType"] == state.name
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["eventTime"])
        assert event["producer"].startswith("https://")
        assert re.search(r"openlineage\.io/spec/2-0-2/.*RunEvent$", event["schemaURL"])
        assert str(uuid.UUID(event["run"]["runId"])) == event["run"]["runId"]
        assert event["job"]["namespace"] == "mlb"
        facets = facets_below(event)
        assert facets
        assert all(facet["_producer"] and facet["_schemaURL"].startswith("https://openlineage.io/") for facet in facets)


def test_the_run_starts_first_and_ends_last() -> None:
    assert [event["job"]["name"] for event in events(State.START)] == ["mini.game", *JOBS]
    for state in (State.COMPLETE, State.FAIL, State.ABORT):
        assert [event["job"]["name"] for event in events(state)] == [*JOBS, "mini.game"]


def test_each_job_keeps_its_run_id_through_a_run_and_has_another_in_the_next() -> None:
    one, other = report(), report()
    ids = [{e["job"]["name"]: e["run"]["runId"] for e in events(state, one)} for state in STATES]
    assert all(each == ids[0] for each in ids)
    assert len(set(ids[0].values())) == 5
    assert ids[0]["mini.game"] == one.run_id
    assert not set(ids[0].values()) & {e["run"]["runId"] for e in events(State.START, other)}


def test_a_tables_run_names_its_parent_and_the_parent_none() -> None:
    run = report()
    found = events(State.START, run)
    assert "parent" not in of_job(found, "mini.game")["run"]["facets"]
    for name in JOBS:
        parent = of_job(found, name)["run"]["facets"]["parent"]
        assert parent["run"]["runId"] == run.run_id
        assert (parent["job"]["namespace"], parent["job"]["name"]) == ("mlb", "mini.game")
        assert parent["root"]["run"]["runId"] == run.run_id


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_every_event_repeats_all_inputs_and_outputs_with_their_schemas(state: State) -> None:
    found = events(state)
    assert [dataset["name"] for dataset in of_job(found, "mini.game")["outputs"]] == [
        "/out/mini/games",
        "/out/mini/plays",
        "/out/mini/players",
    ]
    assert [dataset["name"] for dataset in of_job(found, "mini.game.plays")["outputs"]] == ["/out/mini/plays"]
    for event in found:
        if event["job"]["name"] == "mini.game.quality":
            assert [dataset["name"] for dataset in event["inputs"]] == [
                "/out/mini/games",
                "/out/mini/plays",
                "/out/mini/players",
            ]
            assert event["outputs"] == []
        else:
            assert [(dataset["namespace"], dataset["name"]) for dataset in event["inputs"]] == [SOURCE]
        for dataset in (*event["inputs"], *event["outputs"]):
            assert dataset["facets"]["schema"]["fields"]


def test_the_schema_lists_every_column_with_its_type() -> None:
    (plays,) = of_job(events(State.START), "mini.game.plays")["outputs"]
    assert {field["name"]: field["type"] for field in plays["facets"]["schema"]["fields"]} == {
        "game_pk": "BIGINT",
        "game_date": "DATE",
        "play_index": "INT",
        "event": "TEXT",
        "speed": "NUMERIC(5,2)",
        "source_captured_at": "TIMESTAMPTZ",
        "transform_timestamp": "TIMESTAMPTZ",
        "lineage_metadata": "STRUCT",
    }
    assert plays["facets"]["documentation"]["description"] == "One row a play"


def test_the_lineage_of_each_column_ends_at_a_field_of_the_raw_data() -> None:
    found = events(State.COMPLETE)
    for event in (of_job(found, name) for name in TABLE_JOBS):
        (raw,) = event["inputs"]
        known = {field["name"] for field in raw["facets"]["schema"]["fields"]}
        for dataset in event["outputs"]:
            columns = {field["name"] for field in dataset["facets"]["schema"]["fields"]}
            lineage = dataset["facets"]["columnLineage"]["fields"]
            assert set(lineage) <= columns
            for column in lineage.values():
                for field in column["inputFields"]:
                    assert (field["namespace"], field["name"]) == SOURCE
                    assert field["field"] in known


def test_a_column_tells_its_path_and_what_was_done_to_it() -> None:
    (plays,) = of_job(events(State.COMPLETE), "mini.game.plays")["outputs"]
    fields = plays["facets"]["columnLineage"]["fields"]
    (speed,) = fields["speed"]["inputFields"]
    assert speed["field"] == "plays[*].speed"
    (transformation,) = speed["transformations"]
    assert (transformation["type"], transformation["subtype"]) == ("DIRECT", "IDENTITY")
    assert fields["speed"]["transformationType"] == "IDENTITY"
    (inherited,) = fields["game_pk"]["inputFields"]
    assert inherited["field"] == "gamePk"


def test_only_completion_has_figures_and_assertions() -> None:
    for state in STATES:
        (plays,) = of_job(events(state), "mini.game.plays")["outputs"]
        is_complete = state is State.COMPLETE
        assert ("outputStatistics" in plays.get("outputFacets", {})) == is_complete
        assert ("dataQualityAssertions" in plays["facets"]) == is_complete


def test_the_figures_are_the_rows_written() -> None:
    found = of_job(events(State.COMPLETE), "mini.game")["outputs"]
    assert [dataset["outputFacets"]["outputStatistics"]["rowCount"] for dataset in found] == [1, 3, 0]


def test_each_rule_is_an_assertion_that_held_or_not() -> None:
    (plays,) = of_job(events(State.COMPLETE), "mini.game.plays")["outputs"]
    assertions = plays["facets"]["dataQualityAssertions"]["assertions"]
    held = {each["assertion"]: each["success"] for each in assertions}
    keys = {"unique:primary_key": True, "not_null:game_pk": True, "not_null:play_index": True}
    assert held == keys | {"speed_plausible": True, "speed_usual": False}
    assert {each["column"] for each in assertions if "speed" in each["assertion"]} == {"speed"}


def test_the_checks_are_a_job_that_reads_the_tables() -> None:
    done = of_job(events(State.COMPLETE), "mini.game.quality")
    assert done["job"]["facets"]["jobType"]["jobType"] == "QUALITY"
    assert done["run"]["facets"]["parent"]["job"]["name"] == "mini.game"
    plays = next(dataset for dataset in done["inputs"] if dataset["name"] == "/out/mini/plays")
    usual = next(
        one for one in plays["inputFacets"]["dataQualityAssertions"]["assertions"] if one["assertion"] == "speed_usual"
    )
    assert (usual["success"], usual["severity"], usual["actual"]) == (False, "warn", "1 failing rows")
    assert (usual["content"], usual["expected"]) == ("speed > 40", "0 failing rows")
    plausible = next(
        one
        for one in plays["inputFacets"]["dataQualityAssertions"]["assertions"]
        if one["assertion"] == "speed_plausible"
    )
    assert (plausible["severity"], plausible["description"]) == ("error", "no pitch is faster")
    metrics = plays["inputFacets"]["dataQualityMetrics"]
    assert (metrics["rowCount"], metrics["fileCount"], metrics["bytes"]) == (5, 1, 4096)
    assert metrics["columnMetrics"]["play_index"]["nullCount"] == 0
    assert "inputFacets" not in of_job(events(State.START), "mini.game.quality")["inputs"][0]


def test_a_closed_gate_tells_which_check_closed_it() -> None:
    run = report()
    run.quality = [
        RuleReport("mini.plays", "speed_plausible", "error", 3),
        RuleReport("mini.plays", "type:speed", "error", 2),
    ]
    failed = of_job(events(State.FAIL, run, QualityGateError("rows break rules")), "mini.game.quality")
    plays = next(dataset for dataset in failed["inputs"] if dataset["name"] == "/out/mini/plays")
    broken = [one for one in plays["inputFacets"]["dataQualityAssertions"]["assertions"] if not one["success"]]
    assert [(one["assertion"], one.get("column")) for one in broken] == [
        ("speed_plausible", "speed"),
        ("type:speed", "speed"),
    ]
    other = of_job(events(State.FAIL, run, WriteError("no disk")), "mini.game.quality")
    assert all("inputFacets" not in dataset for dataset in other["inputs"])


def test_what_the_store_says_of_a_commit_is_told() -> None:
    (plays,) = of_job(events(State.COMPLETE), "mini.game.plays")["outputs"]
    assert plays["facets"]["version"]["datasetVersion"] == "7"
    written = plays["outputFacets"]["outputStatistics"]
    assert (written["rowCount"], written["size"], written["fileCount"]) == (3, 4096, 1)
    (games,) = of_job(events(State.COMPLETE), "mini.game.games")["outputs"]
    assert "version" not in games["facets"]
    (begun,) = of_job(events(State.START), "mini.game.plays")["outputs"]
    assert "version" not in begun["facets"]


def test_a_run_tells_what_it_was_asked_of_whom_and_by_which_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAME_DAY_QUEUE", "blue")
    monkeypatch.setenv("STATS_TOKEN", "hunter2")
    run = report()
    run.context = RunContext(
        parameters={"source": "postgresql://mlb:hunter2@db/stats", "where.date": "2024-07-01"},
        day=date(2024, 7, 1),
        code=CodeLocation(
            "git", "https://example.org/a/blob/1/b.yaml", "https://example.org/a.git", "b.yaml", "1", "main"
        ),
        owners=("team:analytics",),
        tags={"domain": "baseball"},
    )
    made = RunEvents(run, "mlb", None, ("GAME_DAY_QUEUE", "STATS_TOKEN", "NOT_SET"))
    found = [json.loads(event.line) for event in made.at(State.START)]
    assert "hunter2" not in json.dumps(found)
    for event in found:
        require_valid(event)
        facets = event["run"]["facets"]
        assert facets["nominalTime"]["nominalStartTime"] == "2024-07-01T00:00:00Z"
        assert facets["nominalTime"]["nominalEndTime"] == "2024-07-02T00:00:00Z"
        parameters = {each["key"]: each["value"] for each in facets["executionParameters"]["parameters"]}
        assert parameters == {"source": "postgresql://mlb:***@db/stats", "where.date": "2024-07-01"}
        assert [each["name"] for each in facets["environmentVariables"]["environmentVariables"]] == ["GAME_DAY_QUEUE"]
        assert {"domain", "mlbsdk", "python"} == {each["key"] for each in facets["tags"]["tags"]}
        job = event["job"]["facets"]
        assert job["ownership"]["owners"] == [{"name": "team:analytics", "type": "OWNER"}]
        assert job["sourceCodeLocation"]["version"] == "1"
        assert {each["key"]: each["value"] for each in job["tags"]["tags"]} == {"domain": "baseball"}
    (plays,) = of_job(found, "mini.game.plays")["outputs"]
    assert plays["facets"]["ownership"]["owners"][0]["name"] == "team:analytics"


def test_a_trace_is_told_only_where_it_is_allowed() -> None:
    def failing() -> None:
        raise WriteError("postgresql://mlb:hunter2@db/stats went away")

    run = report()
    for allowed in (False, True):
        run.context = RunContext(stack_traces=allowed)
        try:
            failing()
        except WriteError as problem:
            (event, *_) = events(State.FAIL, run, problem)
        message = event["run"]["facets"]["errorMessage"]
        assert ("in failing" in message.get("stackTrace", "")) == allowed
        assert "hunter2" not in json.dumps(message)


def test_an_orchestrators_run_is_the_parent_and_the_root_of_all() -> None:
    root = JobRun("argo", "season", str(uuid.uuid4()))
    parent = JobRun("argo", "season/day", str(uuid.uuid4()), root)
    run = report()
    found = [json.loads(event.line) for event in run_events(run, State.START, "mlb", parent=parent)]
    for event in found:
        require_valid(event)
        facet = event["run"]["facets"]["parent"]
        above = ("argo", "season/day") if event["job"]["name"] == "mini.game" else ("mlb", "mini.game")
        assert (facet["job"]["namespace"], facet["job"]["name"]) == above
        assert facet["root"] == {"run": {"runId": root.run_id}, "job": {"namespace": "argo", "name": "season"}}


def test_a_batch_of_a_stream_tells_of_the_tables_that_it_changed() -> None:
    made = RunEvents(report("streaming"), "mlb")
    told = [json.loads(event.line) for event in made.at(State.RUNNING, changed=["mini.plays"])]
    assert [event["job"]["name"] for event in told] == ["mini.game.plays", "mini.game.quality", "mini.game"]
    assert [dataset["name"] for dataset in told[1]["inputs"]] == ["/out/mini/plays"]
    assert len(told[2]["outputs"]) == 3
    for event in told:
        require_valid(event)


@pytest.mark.parametrize("kind", [WriteError, ConnectionError])
def test_a_failure_carries_its_message_without_passwords(kind: type[Exception]) -> None:
    error = kind("postgresql://mlb:hunter2@db/stats went away")
    for event in events(State.FAIL, error=error):
        message = event["run"]["facets"]["errorMessage"]
        assert "postgresql://mlb:***@db/stats" in message["message"]
        assert message["programmingLanguage"] == "Python"
        assert "hunter2" not in json.dumps(event)
    assert all("errorMessage" not in event["run"]["facets"] for event in events(State.COMPLETE))


@pytest.mark.parametrize(("mode", "processing"), [("batch", "BATCH"), ("streaming", "STREAMING")])
def test_engine_and_job_type_are_what_backends_ask_for(mode: str, processing: str) -> None:
    for event in events(State.START, report(mode)):
        engine = event["run"]["facets"]["processing_engine"]
        assert engine["name"] == "spark"
        assert engine["version"].startswith(f"{installed_spark().name}.")
        assert engine["openlineageAdapterVersion"]
        job = event["job"]["facets"]["jobType"]
        assert (job["processingType"], job["integration"]) == (processing, "MLBSDK")
        assert job["jobType"] == ("QUALITY" if event["job"]["name"].endswith(".quality") else "TRANSFORM")


def test_an_unknown_failure_is_told_by_its_type() -> None:
    (event, *_) = events(State.ABORT, error=KeyboardInterrupt())
    assert event["run"]["facets"]["errorMessage"]["message"] == "KeyboardInterrupt"
