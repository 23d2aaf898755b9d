"""The manifests that are made pass Argo's closed schema and the checks of our own, and broken ones are refused."""

from __future__ import annotations

import copy
import json
import re
from datetime import date, datetime, timezone
from typing import Any

import pytest
from mlbsdk_plugin_argo.chunks import chunks
from mlbsdk_plugin_argo.configuration import WorkflowConfiguration
from mlbsdk_plugin_argo.documents import parse_documents, to_yaml
from mlbsdk_plugin_argo.game import game_workflow
from mlbsdk_plugin_argo.lint import problems_of
from mlbsdk_plugin_argo.schema import schema_problems
from mlbsdk_plugin_argo.season import season_workflow
from mlbsdk_plugin_argo.sizes import LARGEST_OBJECT, LARGEST_PARAMETER, season_sizes

from mlbsdk.plugin import ConfigurationError

FULL = WorkflowConfiguration.model_validate(
    {
        "image": "registry.example.com/mlbsdk:0.1.0",
        "namespace": "baseball",
        "service_account": "mlbsdk",
        "labels": {"team": "analytics"},
        "target": "postgresql://mlb@db.example.com/baseball",
        "volume": {"claim": "mlbsdk-data"},
        "settings": {"config_map": "mlbsdk", "key": "mlbsdk.yaml"},
        "export": {"config_map": "mlbsdk", "key": "exports.yaml"},
        "derive": ["analytics.*"],
        "api_semaphore": {"config_map": "mlbsdk", "key": "statsapi"},
        "api_rate": 5,
        "env": {"OPENLINEAGE_URL": "http://marquez:5000"},
        "secrets": {"PGPASSWORD": {"secret": "baseball-postgres", "key": "password"}},
        "secrets_from": ["mlbsdk-s3"],
    }
)
OPENING, LAST = date(2024, 3, 20), date(2024, 10, 30)
FIRST_PITCH = datetime(2024, 7, 12, 23, 10, tzinfo=timezone.utc)


def season(configuration: WorkflowConfiguration = FULL) -> dict[str, Any]:
    return season_workflow("2024", OPENING, LAST, configuration)


def game(configuration: WorkflowConfiguration = FULL) -> dict[str, Any]:
    return game_workflow(747175, FIRST_PITCH, configuration)


def template(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in document["spec"]["templates"] if one["name"] == name)


@pytest.mark.parametrize("make", [season, game])
@pytest.mark.parametrize(
    "configuration",
    [
        FULL,
        WorkflowConfiguration(),
        WorkflowConfiguration(store="s3a://captures/mlb", target="s3a://warehouse", transforms={"season": ()}),
    ],
)
def test_what_is_made_is_valid_also_after_a_trip_through_yaml(make: Any, configuration: WorkflowConfiguration) -> None:
    document = make(configuration)
    assert problems_of(document) == []
    assert parse_documents(to_yaml(document), "x") == [document]


def test_a_season_in_a_database_of_captures_is_transformed_once_at_the_end() -> None:
    document = season(WorkflowConfiguration(store="postgresql://me@db/raw"))
    assert problems_of(document) == []
    assert [task["name"] for task in template(document, "chunk")["dag"]["tasks"]] == ["fetch"]
    tasks = {task["name"]: task for task in template(document, "season")["dag"]["tasks"]}
    assert tasks["transform"]["dependencies"] == ["season-metadata", "days"]


def test_steps_are_arguments_and_no_shell_and_can_write_nowhere_but_in_their_volumes() -> None:
    for document in (season(), game()):
        containers = [one["container"] for one in document["spec"]["templates"] if "container" in one]
        assert len(containers) >= 8
        for container in containers:
            assert container["command"] == ["mlbsdk"]
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["runAsNonRoot"]
            assert container["resources"]["limits"]["memory"]
            secret = next(one for one in container["env"] if one["name"] == "PGPASSWORD")
            assert "value" not in secret
        assert document["spec"]["automountServiceAccountToken"] is False


def test_every_step_has_the_workflow_as_its_parent_run() -> None:
    for one in season()["spec"]["templates"]:
        if "container" not in one:
            continue
        variables = {each["name"]: each.get("value", "") for each in one["container"]["env"]}
        context = json.loads(variables["OPENLINEAGE_CONTEXT"].replace("{{workflow.uid}}", "uid"))
        assert context["parent"]["run"] == context["parent"]["root"]["run"] == {"runId": "uid"}
        assert context["parent"]["job"] == {"namespace": "mlbsdk", "name": "workflow.season"}
        assert variables["OPENLINEAGE_PARENT_ID"] == "mlbsdk/workflow.season/{{workflow.uid}}"
    assert season()["spec"]["onExit"] == "close-lineage"


def test_what_writes_to_one_target_holds_one_mutex_and_what_asks_the_api_its_semaphore() -> None:
    document, other = season(), game()
    mutex = template(document, "transform-days")["synchronization"]["mutexes"]
    assert mutex == template(document, "transform-season")["synchronization"]["mutexes"]
    assert mutex == template(other, "final")["synchronization"]["mutexes"]
    assert mutex != template(season(WorkflowConfiguration()), "transform-days")["synchronization"]["mutexes"]
    semaphore = {"configMapKeyRef": {"name": "mlbsdk", "key": "statsapi"}}
    for name in ("fetch-days", "fetch-season"):
        assert template(document, name)["synchronization"]["semaphores"] == [semaphore]
    assert template(document, "fetch-days")["retryStrategy"]["expression"] == (
        "asInt(lastRetry.exitCode) not in [2, 3]"
    )


def test_a_game_is_waited_for_then_fetched_beside_the_stream_until_both_end() -> None:
    tasks = {task["name"]: task for task in template(game(), "game")["dag"]["tasks"]}
    assert tasks["first-capture"]["dependencies"] == ["wait"]
    assert tasks["follow"]["dependencies"] == tasks["stream"]["dependencies"] == ["first-capture"]
    assert tasks["final"]["dependencies"] == ["follow", "stream"]
    stream = template(game(), "stream")["container"]["args"]
    assert stream[stream.index("--checkpoint") + 1] == "/data/checkpoints/game-{{workflow.parameters.game-pk}}"
    assert game(WorkflowConfiguration(parallelism=1))["spec"]["parallelism"] == 2
    follow = template(game(), "follow")["container"]["args"]
    assert follow[follow.index("--to") + 1] == stream[stream.index("--source") + 1]


def test_a_game_needs_a_store_that_can_be_followed_game_by_game() -> None:
    for store in ("postgresql://me@db/raw", "avro:/data/captures"):
        with pytest.raises(ConfigurationError, match="can't be followed"):
            game(WorkflowConfiguration(store=store))


def test_a_whole_season_stays_within_the_sizes_that_argo_takes() -> None:
    # 2024: 2,430 games in 225 days. At the default a chunk is a week; one a day and a bound of chunks hold as well.
    for configuration in (FULL, FULL.model_copy(update={"chunk_days": 1}), FULL.model_copy(update={"max_chunks": 80})):
        planned = chunks(OPENING, LAST, configuration.chunk_days, configuration.max_chunks)
        assert len(planned) <= configuration.max_chunks
        assert sum(chunk.days for chunk in planned) == 225
        document = season(configuration)
        sizes = season_sizes(document, planned)
        assert len(to_yaml(document).encode()) < 40_000
        assert sizes.chunks < LARGEST_PARAMETER / 20
        assert sizes.manifest + sizes.status < LARGEST_OBJECT
    # One item a game would not: that is why days are fanned out in chunks.
    games = chunks(OPENING, LAST, 1, 400) * 11
    assert season_sizes(season(), games).status > 20 * LARGEST_OBJECT


def test_chunks_cover_each_day_once() -> None:
    planned = chunks(date(2024, 2, 26), date(2024, 3, 4), 3, 60)
    assert [(str(one.start), one.days) for one in planned] == [("2024-02-26", 3), ("2024-02-29", 3), ("2024-03-03", 2)]
    assert planned[0].to_json() == {"id": "2024-02-26-3d", "start": "2024-02-26", "end": "2024-02-28", "days": "3"}
    with pytest.raises(ConfigurationError, match="before the start"):
        chunks(LAST, OPENING, 7, 60)


def test_executors_of_spark_are_asked_for_by_transforms_alone() -> None:
    configuration = FULL.model_copy(update={"spark": {"spark.master": "k8s://https://kubernetes.default.svc"}})
    document = season(configuration)
    assert problems_of(document) == []
    transform = template(document, "transform-days")
    spark = next(one for one in transform["container"]["env"] if one["name"] == "MLBSDK_SPARK")
    assert json.loads(spark["value"])["spark.driver.host"] == "$(POD_IP)"
    assert transform["automountServiceAccountToken"] is True
    assert "automountServiceAccountToken" not in template(document, "fetch-days")


def _set(path: str, value: Any) -> Any:
    """Return a change of a document: ``spec.templates.chunk.dag`` finds templates and tasks by name."""

    def change(document: dict[str, Any]) -> None:
        *parts, last = path.split("/")
        at: Any = document
        for part in parts:
            at = next(one for one in at if one["name"] == part) if isinstance(at, list) else at[part]
        if value is KeyError:
            del at[last]
        elif isinstance(at, list) and last.isdigit():
            at[int(last)] = value
        elif isinstance(at, list):
            at.append(value)
        else:
            at[last] = value

    return change


FETCH = "spec/templates/fetch-days"
CHUNK = "spec/templates/chunk/dag/tasks"
SEASON = "spec/templates/season/dag/tasks"
BROKEN = {
    "a misspelt field of a retry": (
        _set(f"{FETCH}/retryStrategy/limt", "3"),
        r"Argo knows no field 'limt' here. Did you mean 'limit'\?",
    ),
    "a field that Argo 4 took away": (_set("spec/schedule", "* * * * *"), "no field 'schedule'"),
    "an unknown field of a container": (_set(f"{FETCH}/container/cmd", ["x"]), "no field 'cmd'"),
    "a limit that is a number": (_set(f"{FETCH}/retryStrategy/limit", 3), "written as text"),
    "an entrypoint that is not there": (_set("spec/entrypoint", "seeson"), r"no template 'seeson'. Did you mean"),
    "an exit handler that is not there": (_set("spec/onExit", "close"), "spec.onExit: there is no template"),
    "a task of a template that is not there": (_set(f"{CHUNK}/fetch/template", "fetch-day"), "no template 'fetch-day'"),
    "a dependency that is not there": (_set(f"{CHUNK}/transform/dependencies", ["fetsch"]), "depends on 'fetsch'"),
    "a circle": (_set(f"{CHUNK}/fetch/dependencies", ["transform"]), "depends on itself"),
    "an input that is not supplied": (_set(f"{CHUNK}/transform/arguments", {}), "not given its inputs: id"),
    "an input that is not declared": (
        _set(f"{CHUNK}/transform/arguments/parameters/new", {"name": "idd", "value": "x"}),
        "has no input 'idd'",
    ),
    "a parameter of the workflow that is not there": (
        _set(f"{FETCH}/container/args/new", "{{workflow.parameters.sesaon}}"),
        "no parameter of the workflow 'sesaon'",
    ),
    "an input that the template has not": (
        _set(f"{FETCH}/container/args/new", "{{inputs.parameters.day}}"),
        "no input 'day'",
    ),
    "an output of a task that may run later": (
        _set(f"{SEASON}/season-metadata/when", "{{tasks.days.status}} == Succeeded"),
        "'days' may not be over by then",
    ),
    "an output that a task has not": (
        _set(f"{SEASON}/days/withParam", "{{tasks.plan.outputs.parameters.chonks}}"),
        "has no such output. Did you mean 'chunks'",
    ),
    "an item outside of a loop": (
        _set(f"{SEASON}/season-metadata/when", "{{item.id}} == x"),
        "only there in a loop",
    ),
    "a list that is no JSON": (_set(f"{SEASON}/days/withParam", "[1,"), "withParam: it is no JSON"),
    "a name in capitals": (_set(f"{SEASON}/days/name", "Days"), "RFC 1123"),
    "a name of 64 characters": (_set("spec/templates/plan/name", "p" * 64), "RFC 1123"),
    "a quantity": (_set(f"{FETCH}/container/resources/limits/memory", "1GB"), "'1GB' is no quantity"),
    "a parameter in a shell": (
        _set(f"{FETCH}/container/command", ["/bin/sh", "-c", "-e", "mlbsdk fetch {{inputs.parameters.id}}"]),
        "pass it as an argument",
    ),
    "a parameter in a shell, as an argument of its own": (
        _set(f"{FETCH}/container", {"image": "x", "command": ["sh", "-c"], "args": ["echo {{inputs.parameters.id}}"]}),
        "pass it as an argument",
    ),
    "a secret": (
        _set(f"{FETCH}/container/env/new", {"name": "AWS_SECRET_ACCESS_KEY", "value": "abc"}),
        "looks like a secret",
    ),
    "a password in an address": (
        _set(f"{FETCH}/container/env/new", {"name": "URL", "value": "http://me:secret@x"}),
        "has a password",
    ),
    "a volume that is not there": (_set("spec/volumes", []), "there is no volume 'scratch'"),
    "the state of the workflow before its end": (
        _set(f"{FETCH}/container/args/new", "{{workflow.status}}"),
        "only known to the exit handler",
    ),
    "two kinds": (_set(f"{FETCH}/suspend", {}), "container and suspend"),
    "an expression of a retry": (
        _set(f"{FETCH}/retryStrategy/expression", "lastRetry.exitCod == 2"),
        "lastRetry.exitCod",
    ),
    "a condition": (_set(f"{SEASON}/days/when", "1 =="), "when: "),
    "a template twice": (_set("spec/templates/new", {"name": "chunk", "suspend": {}}), "'chunk' is there 2 times"),
    "no name": (_set("metadata/generateName", KeyError), "neither name nor generateName"),
    "a name that gets too long": (_set("metadata/generateName", "s" * 60), "generateName"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_manifest_is_refused(what: str) -> None:
    document = copy.deepcopy(season())
    change, expected = BROKEN[what]
    change(document)
    assert any(re.search(expected, problem) for problem in problems_of(document)), problems_of(document)


def test_what_argo_takes_is_not_refused() -> None:
    document = season()
    for change in (
        _set(f"{SEASON}/days/when", "{{workflow.parameters.season}} && !({{tasks.plan.status}} == Failed)"),
        _set(f"{FETCH}/container/command", ["sh", "-c", 'mlbsdk fetch day --date "$1"', "sh"]),
        _set(f"{FETCH}/container/args", ["{{inputs.parameters.start}}"]),
        _set(f"{CHUNK}/transform/dependencies", KeyError),
        _set(f"{CHUNK}/transform/depends", "fetch.Succeeded || fetch.Skipped"),
        _set(f"{FETCH}/inputs/artifacts", [{"name": "seed", "path": "/scratch/seed"}]),
        _set("spec/templates/new", {"name": "by-steps", "steps": [[{"name": "one", "template": "plan"}]]}),
    ):
        change(document)
    assert problems_of(document) == []


def test_a_program_with_a_parameter_in_it_is_refused() -> None:
    document = season()
    script = {"image": "python", "command": ["python"], "source": "print('{{workflow.parameters.season}}')"}
    document["spec"]["templates"].append({"name": "inject", "script": script})
    assert any("script.source" in problem for problem in problems_of(document))


def test_the_published_schema_alone_would_take_a_misspelt_field() -> None:
    """Why it is closed: see mlbsdk_plugin_argo.schema."""
    from jsonschema import Draft202012Validator
    from mlbsdk_plugin_argo import schema

    definitions = schema._closed_definitions()
    opened = {
        name: {key: value for key, value in one.items() if key != "additionalProperties" or value is not False}
        for name, one in definitions.items()
    }
    document = season()
    template(document, "fetch-days")["retryStrategy"]["limt"] = "3"
    published = Draft202012Validator(
        {"$ref": "#/definitions/io.argoproj.workflow.v1alpha1.Workflow", "definitions": opened}
    )
    assert list(published.iter_errors(document)) == []
    assert len(schema_problems(document)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", "'a' is there twice"),
        ("a: &x [1]\nb: *x\n", "aliases are not allowed"),
        ("a: !!python/object:os.system x\n", "could not determine a constructor"),
        ("a: [\n", "can't be read"),
    ],
)
def test_yaml_that_means_something_else_than_it_says_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        parse_documents(text, "w.yaml")


def test_dates_in_yaml_are_texts_as_they_are_for_kubernetes() -> None:
    assert parse_documents("value: 2024-03-20\n", "w.yaml") == [{"value": "2024-03-20"}]
