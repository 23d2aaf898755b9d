"""The OpenLineage events of a run, as a backend receives them."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest
from openlineage.client.event_v2 import RunState
from openlineage.client.serde import Serde

from mlbsdk.errors import WriteError
from mlbsdk.lineage.delivery import event_line
from mlbsdk.lineage.events import run_events
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.report import RuleReport, RunReport, TableReport
from mlbsdk.runtime.transformation import new_report
from tests.mini import MAPPING, TABLES

SOURCE = ("file", "/captures")
STATES = (RunState.START, RunState.RUNNING, RunState.COMPLETE, RunState.FAIL, RunState.ABORT)
JOBS = ("mini.game.games", "mini.game.plays", "mini.game.players")


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
    made.quality = [RuleReport("mini.plays", "speed_usual", "warning", 1)]
    return made


def events(state: RunState, of: RunReport | None = None, error: BaseException | None = None) -> list[dict[str, Any]]:
    """Return events as they go over the wire."""
    return [json.loads(Serde.to_json(event)) for event in run_events(of or report(), state, "mlb", error)]


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
def test_every_event_has_what_openlineage_requires(state: RunState) -> None:
    for event in events(state, error=WriteError("no") if state is RunState.FAIL else None):
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
    assert [event["job"]["name"] for event in events(RunState.START)] == ["mini.game", *JOBS]
    for state in (RunState.COMPLETE, RunState.FAIL, RunState.ABORT):
        assert [event["job"]["name"] for event in events(state)] == [*JOBS, "mini.game"]


def test_each_job_keeps_its_run_id_through_a_run_and_has_another_in_the_next() -> None:
    one, other = report(), report()
    ids = [{e["job"]["name"]: e["run"]["runId"] for e in events(state, one)} for state in STATES]
    assert all(each == ids[0] for each in ids)
    assert len(set(ids[0].values())) == 4
    assert ids[0]["mini.game"] == one.run_id
    assert not set(ids[0].values()) & {e["run"]["runId"] for e in events(RunState.START, other)}


def test_a_tables_run_names_its_parent_and_the_parent_none() -> None:
    run = report()
    found = events(RunState.START, run)
    assert "parent" not in of_job(found, "mini.game")["run"]["facets"]
    for name in JOBS:
        parent = of_job(found, name)["run"]["facets"]["parent"]
        assert parent["run"]["runId"] == run.run_id
        assert (parent["job"]["namespace"], parent["job"]["name"]) == ("mlb", "mini.game")
        assert parent["root"]["run"]["runId"] == run.run_id


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_every_event_repeats_all_inputs_and_outputs_with_their_schemas(state: RunState) -> None:
    found = events(state)
    assert [dataset["name"] for dataset in of_job(found, "mini.game")["outputs"]] == [
        "/out/mini/games",
        "/out/mini/plays",
        "/out/mini/players",
    ]
    assert [dataset["name"] for dataset in of_job(found, "mini.game.plays")["outputs"]] == ["/out/mini/plays"]
    for event in found:
        assert [(dataset["namespace"], dataset["name"]) for dataset in event["inputs"]] == [SOURCE]
        for dataset in (*event["inputs"], *event["outputs"]):
            assert dataset["facets"]["schema"]["fields"]


def test_the_schema_lists_every_column_with_its_type() -> None:
    (plays,) = of_job(events(RunState.START), "mini.game.plays")["outputs"]
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
    for event in events(RunState.COMPLETE):
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
    (plays,) = of_job(events(RunState.COMPLETE), "mini.game.plays")["outputs"]
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
        is_complete = state is RunState.COMPLETE
        assert ("outputStatistics" in plays.get("outputFacets", {})) == is_complete
        assert ("dataQualityAssertions" in plays["facets"]) == is_complete


def test_the_figures_are_the_rows_written() -> None:
    found = of_job(events(RunState.COMPLETE), "mini.game")["outputs"]
    assert [dataset["outputFacets"]["outputStatistics"]["rowCount"] for dataset in found] == [1, 3, 0]


def test_each_rule_is_an_assertion_that_held_or_not() -> None:
    (plays,) = of_job(events(RunState.COMPLETE), "mini.game.plays")["outputs"]
    held = {each["assertion"]: each["success"] for each in plays["facets"]["dataQualityAssertions"]["assertions"]}
    assert held == {"speed_plausible": True, "speed_usual": False}


@pytest.mark.parametrize("kind", [WriteError, ConnectionError])
def test_a_failure_carries_its_message_without_passwords(kind: type[Exception]) -> None:
    error = kind("postgresql://mlb:hunter2@db/stats went away")
    for event in events(RunState.FAIL, error=error):
        message = event["run"]["facets"]["errorMessage"]
        assert "postgresql://mlb:***@db/stats" in message["message"]
        assert message["programmingLanguage"] == "Python"
        assert "hunter2" not in json.dumps(event)
    assert all("errorMessage" not in event["run"]["facets"] for event in events(RunState.COMPLETE))


@pytest.mark.parametrize(("mode", "processing"), [("batch", "BATCH"), ("streaming", "STREAMING")])
def test_engine_and_job_type_are_what_backends_ask_for(mode: str, processing: str) -> None:
    for event in events(RunState.START, report(mode)):
        engine = event["run"]["facets"]["processing_engine"]
        assert engine["name"] == "spark"
        assert engine["version"].startswith("3.5")
        assert engine["openlineageAdapterVersion"]
        job = event["job"]["facets"]["jobType"]
        assert (job["processingType"], job["integration"], job["jobType"]) == (processing, "MLBSDK", "TRANSFORM")


def test_an_unknown_failure_is_told_by_its_type() -> None:
    (event, *_) = events(RunState.ABORT, error=KeyboardInterrupt())
    assert event["run"]["facets"]["errorMessage"]["message"] == "KeyboardInterrupt"


def test_lines_that_share_datasets_say_what_the_client_says() -> None:
    seen: dict[int, Any] = {}
    for event in run_events(report(), RunState.COMPLETE, "mlb"):
        assert json.loads(event_line(event, seen)) == json.loads(Serde.to_json(event))
    assert len(seen) == 1 + len(report().plan.tables)  # type: ignore[union-attr]  # the raw data, and each table once
