"""The run that an orchestrator names becomes the parent; what can't be read is told, and harms none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlbsdk.lineage.context import JobRun
from mlbsdk.lineage.parents import parent_run

# Fixed, since they are in the names of tests: processes that share the tests have to find the same ones.
ONE, OTHER = "01a215d8-beee-7ef7-8829-03c58eb06bac", "01a215d8-beee-7ef7-8829-03c58eb06bad"


def named(namespace: str, name: str, run_id: str) -> dict[str, Any]:
    return {"run": {"runId": run_id}, "job": {"namespace": namespace, "name": name}}


def test_nothing_is_said_and_nothing_is_the_parent() -> None:
    assert parent_run({}) == (None, None)
    assert parent_run({"OPENLINEAGE_CONTEXT": " ", "OPENLINEAGE_PARENT_ID": ""}) == (None, None)
    assert parent_run({"OPENLINEAGE_CONTEXT": "{}"}) == (None, None)


def test_the_standards_context_names_parent_and_root() -> None:
    parent = named("argo", "season/day-1", ONE) | {"root": named("argo", "season", OTHER)}
    found, wrong = parent_run({"OPENLINEAGE_CONTEXT": json.dumps({"parent": parent})})
    assert found == JobRun("argo", "season/day-1", ONE, JobRun("argo", "season", OTHER))
    assert wrong is None


def test_the_context_goes_before_the_older_variables() -> None:
    context = json.dumps({"parent": named("argo", "day", ONE)})
    found, _ = parent_run({"OPENLINEAGE_CONTEXT": context, "OPENLINEAGE_PARENT_ID": f"airflow/dag/{OTHER}"})
    assert found == JobRun("argo", "day", ONE)


def test_the_older_variables_may_have_slashes_in_the_name() -> None:
    variables = {
        "OPENLINEAGE_PARENT_ID": f"airflow/season/day/1/{ONE}",
        "OPENLINEAGE_ROOT_PARENT_ID": f"airflow/season/{OTHER}",
    }
    found, wrong = parent_run(variables)
    assert found == JobRun("airflow", "season/day/1", ONE, JobRun("airflow", "season", OTHER))
    assert wrong is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "null",
        "7",
        '"text"',
        "[" * 100_000,
        '{"parent": 1}',
        '{"parent": {"run": {"runId": "x"}}}',
        json.dumps({"parent": named("argo", "day", "no-uuid")}),
        json.dumps({"parent": named("", "day", ONE)}),
        json.dumps({"parent": {"run": None, "job": []}}),
        json.dumps({"parent": named("argo", "day", ONE) | {"root": {"run": {}}}}),
    ],
)
def test_a_context_that_cant_be_read_is_told(text: str) -> None:
    found, wrong = parent_run({"OPENLINEAGE_CONTEXT": text})
    assert found is None
    assert wrong is not None
    assert wrong.startswith("OPENLINEAGE_CONTEXT can't be read, so the run has no parent: ")


@pytest.mark.parametrize("text", ["x", f"x/{ONE}", "a/b/c", f"//{ONE}", "/" * 9])
def test_an_older_variable_that_cant_be_read_is_told(text: str) -> None:
    found, wrong = parent_run({"OPENLINEAGE_PARENT_ID": text})
    assert found is None
    assert "OPENLINEAGE_PARENT_ID" in str(wrong)
    good = {"OPENLINEAGE_PARENT_ID": f"airflow/dag/{ONE}", "OPENLINEAGE_ROOT_PARENT_ID": text}
    found, wrong = parent_run(good)
    assert found == JobRun("airflow", "dag", ONE)
    assert "OPENLINEAGE_ROOT_PARENT_ID" in str(wrong)
