"""The local runner carries out what Argo would: order, retries, fan-out, outputs; and goes on where it was stopped."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mlbsdk_plugin_argo.conditions import ConditionError, parse_depends, retry_holds, when_holds
from mlbsdk_plugin_argo.documents import to_yaml
from mlbsdk_plugin_argo.lint import problems_of
from mlbsdk_plugin_argo.local.places import Places, read_env_file
from mlbsdk_plugin_argo.local.progress import Progress
from mlbsdk_plugin_argo.local.report import WorkflowReport
from mlbsdk_plugin_argo.local.runner import LocalOptions, run_workflow

from mlbsdk.plugin import ConfigurationError

#: Appends its arguments to the file LOG, a line each, and then does what the first one says.
STEP = """
import json, os, sys, time
log, what, *rest = sys.argv[1:]
with open(log, "a") as file:
    file.write(json.dumps([what, *rest]) + "\\n")
tries = sum(1 for line in open(log) if json.loads(line) == [what, *rest])
if what == "fail":
    print("some talk", file=sys.stderr)
    print(f"error: [X1] it went wrong with {os.environ.get('TOKEN_VALUE', 'nothing')}", file=sys.stderr)
    print("more talk", file=sys.stderr)
    sys.exit(int(rest[0]))
if what == "flaky" and tries <= int(rest[0]):
    sys.exit(int(rest[1]))
if what == "write":
    os.makedirs(os.path.dirname(rest[0]), exist_ok=True)
    open(rest[0], "w").write(rest[1])
if what == "read":
    print(open(rest[0]).read())
if what == "env":
    print(os.environ.get(rest[0], "unset"))
if what == "sleep":
    time.sleep(float(rest[0]))
print("result of", what)
"""


class Lab:
    """Builds manifests of steps that write down what they did, and runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.jsonl"
        self.script = folder / "step.py"
        self.script.write_text(STEP)

    def step(self, name: str, *arguments: str, **more: Any) -> dict[str, Any]:
        container = {"image": "x", "command": ["python"], "args": [str(self.script), str(self.log), *arguments]}
        container |= more.pop("container", {})
        return {"name": name, "container": container, **more}

    def workflow(self, *templates: dict[str, Any], **spec: Any) -> dict[str, Any]:
        document = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"generateName": "lab-"},
            "spec": {"entrypoint": templates[0]["name"], "templates": list(templates), **spec},
        }
        assert problems_of(document) == []
        return document

    def run(self, document: dict[str, Any], stop: threading.Event | None = None, **options: Any) -> WorkflowReport:
        chosen = LocalOptions(**{"state": self.folder / "state", "wait_scale": 0, **options})
        return run_workflow(document, chosen, Progress(quiet=True), stop)

    def done(self) -> list[list[str]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def dag(name: str, *tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "dag": {"tasks": list(tasks)}, **more}


def task(name: str, template: str, *after: str, **more: Any) -> dict[str, Any]:
    given = more.pop("given", None)
    found = {"name": name, "template": template, **more}
    if after:
        found["dependencies"] = list(after)
    if given:
        found["arguments"] = {"parameters": [{"name": key, "value": value} for key, value in given.items()]}
    return found


def inputs(*names: str) -> dict[str, Any]:
    return {"parameters": [{"name": name} for name in names]}


def test_tasks_run_after_what_they_depend_on_with_the_values_that_it_wrote(lab: Lab) -> None:
    hostile = "'; rm -rf / $(id) {{item}} \"&&"
    plan = lab.step(
        "plan",
        *("write", "/scratch/plan.json", "{{workflow.parameters.plan}}"),
        container={"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]},
        outputs={"parameters": [{"name": "plan", "valueFrom": {"path": "/scratch/plan.json"}}]},
    )
    document = lab.workflow(
        dag(
            "main",
            task("last", "say", "each", given={"text": "{{tasks.each.outputs.parameters.heard}}"}),
            task(
                "each",
                "inner",
                "plan",
                given={"text": "{{item.text}}"},
                withParam="{{tasks.plan.outputs.parameters.plan}}",
            ),
            task("plan", "plan"),
        ),
        dag(
            "inner",
            task("hear", "hear", given={"text": "{{inputs.parameters.text}}"}),
            inputs=inputs("text"),
            outputs={"parameters": [{"name": "heard", "valueFrom": {"parameter": "{{tasks.hear.outputs.result}}"}}]},
        ),
        lab.step("hear", "hear", "{{inputs.parameters.text}}", inputs=inputs("text")),
        lab.step("say", "say", "{{inputs.parameters.text}}", inputs=inputs("text")),
        plan,
        arguments={"parameters": [{"name": "plan", "value": json.dumps([{"text": "a"}, {"text": hostile}])}]},
        volumes=[{"name": "scratch", "emptyDir": {}}],
    )
    report = lab.run(document)
    assert report.status == "Succeeded", report.errors
    assert sorted(lab.done()[1:3]) == sorted([["hear", "a"], ["hear", hostile]])
    assert lab.done()[3] == ["say", json.dumps(["result of hear", "result of hear"])]
    # All of it is known to be done, and a second call does nothing.
    assert lab.run(document).was_done
    assert len(lab.done()) == 4
    assert lab.run(document, again=True).status == "Succeeded"
    assert len(lab.done()) == 8


def retry(limit: str = "3") -> dict[str, Any]:
    return {
        "limit": limit,
        "retryPolicy": "Always",
        "expression": "asInt(lastRetry.exitCode) not in [2, 3]",
        "backoff": {"duration": "30s", "factor": "2"},
    }


@pytest.mark.parametrize(
    ("step", "status", "tries", "exit_code"),
    [
        (("flaky", "2", "1"), "Succeeded", 3, 0),
        (("flaky", "9", "1"), "Failed", 4, 1),
        (("flaky", "9", "2"), "Failed", 1, 2),
        (("flaky", "9", "3"), "Failed", 1, 3),
        (("flaky", "9", "137"), "Failed", 4, 1),
    ],
)
def test_a_failed_step_is_tried_again_unless_its_exit_code_says_that_it_is_no_use(
    lab: Lab, step: tuple[str, ...], status: str, tries: int, exit_code: int
) -> None:
    report = lab.run(lab.workflow(lab.step("main", *step, retryStrategy=retry())))
    assert (report.status, len(lab.done()), report.exit_code) == (status, tries, exit_code)
    assert report.nodes[0].attempts == tries


def test_a_failure_stops_what_follows_shows_its_error_line_and_runs_the_exit_handler(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_VALUE", "sesame")
    secret = {"name": "TOKEN_VALUE", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    document = lab.workflow(
        dag("main", task("a", "bad"), task("b", "good", "a"), task("c", "good")),
        lab.step("bad", "fail", "3", container={"env": [secret]}),
        lab.step("good", "good"),
        lab.step("bye", "bye", "{{workflow.status}}"),
        onExit="bye",
    )
    report = lab.run(document, jobs=1)
    assert (report.status, report.exit_code) == ("Failed", 3)
    assert lab.done()[-1] == ["bye", "Failed"]
    assert len(report.errors) == 1
    assert "main.a: exit code 3: error: [X1] it went wrong with ***" in report.errors[0]
    statuses = {node.node: node.status for node in report.nodes}
    assert statuses["main.a"] == "Failed"
    assert statuses["main.b"] == "Omitted"
    # The next call runs what failed again, and not what was done.
    (lab.folder / "step.py").write_text(STEP.replace('if what == "fail":', "if False:"))
    assert lab.run(document).status == "Succeeded"
    assert Counter(line[0] for line in lab.done())["good"] == 2
    assert lab.done()[-1] == ["bye", "Succeeded"]


def test_depends_when_and_continue_on_choose_what_runs(lab: Lab) -> None:
    document = lab.workflow(
        {
            "name": "main",
            "dag": {
                "failFast": False,
                "tasks": [
                    task("bad", "bad"),
                    task("mend", "say", depends="bad.Failed", given={"text": "mend"}),
                    task("joy", "say", depends="bad.Succeeded", given={"text": "joy"}),
                    task("end", "say", depends="mend && (joy || joy.Omitted)", given={"text": "end"}),
                    task("never", "say", given={"text": "never"}, when="{{workflow.parameters.mode}} != quick"),
                    task("steps", "steps", "never"),
                ],
            },
        },
        {
            "name": "steps",
            "steps": [
                [task("bad", "bad", continueOn={"failed": True})],
                [task("one", "say", given={"text": "{{item}}"}, withItems=["1", 2])],
                [task("two", "say", given={"text": "{{steps.bad.status}}"})],
            ],
        },
        lab.step("bad", "fail", "1"),
        lab.step("say", "say", "{{inputs.parameters.text}}", inputs=inputs("text")),
        arguments={"parameters": [{"name": "mode"}]},
    )
    report = lab.run(document, parameters={"mode": "quick"})
    said = [line[1] for line in lab.done() if line[0] == "say"]
    assert sorted(said) == ["1", "2", "Failed", "end", "mend"]
    assert said.index("mend") < said.index("end")
    assert {node.status for node in report.nodes if node.node in ("main.joy", "main.never")} == {"Omitted", "Skipped"}
    assert report.status == "Succeeded", report.errors


def test_volumes_are_folders_of_the_state_and_stay(lab: Lab) -> None:
    mounts = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    document = lab.workflow(
        dag("main", task("write", "write"), task("read", "read", "write")),
        lab.step("write", "write", "/data/sub/file", "seen", container=mounts),
        lab.step("read", "read", "/data/sub/file", container=mounts),
        volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "mlb-data"}}],
    )
    assert lab.run(document).status == "Succeeded"
    assert (lab.folder / "state/volumes/mlb-data/sub/file").read_text() == "seen"
    other = lab.folder / "elsewhere"
    assert lab.run(document, again=True, volumes={"data": other}).status == "Succeeded"
    assert (other / "sub/file").read_text() == "seen"


def test_paths_are_replaced_where_they_are_paths() -> None:
    places = Places({"/data": Path("/l"), "/data/deep": Path("/m")})
    for text, expected in {
        "delta:/data/warehouse": "delta:/l/warehouse",
        "/data": "/l",
        "/data/deep/x": "/m/x",
        "--x=/data/y": "--x=/l/y",
        "s3a://bucket/data/x": "s3a://bucket/data/x",
        "/datas": "/datas",
        "postgresql://me@host/data": "postgresql://me@host/data",
    }.items():
        assert places.local(text) == expected


def test_secrets_come_from_the_environment_or_a_file_or_the_step_does_not_run(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = {"secretKeyRef": {"name": "baseball-postgres", "key": "password"}}
    document = lab.workflow(
        lab.step("main", "env", "PGPASSWORD", container={"env": [{"name": "PGPASSWORD", "valueFrom": reference}]})
    )
    monkeypatch.delenv("PGPASSWORD", raising=False)
    refused = lab.run(document)
    assert (refused.exit_code, lab.done()) == (2, [])
    assert "BASEBALL_POSTGRES_PASSWORD" in refused.errors[0]
    file = lab.folder / ".env"
    file.write_text("# comment\nexport BASEBALL_POSTGRES_PASSWORD='open sesame'\n")
    report = lab.run(document, env_file=read_env_file(file))
    assert report.status == "Succeeded"
    assert Path(f"{report.nodes[0].log}.out").read_text().splitlines()[0] == "open sesame"
    assert "sesame" not in json.dumps(report.to_json())
    assert not any("sesame" in path.read_text() for path in Path(report.state).glob("*.json*"))


def test_a_mutex_is_held_by_one_and_parallelism_bounds_what_runs(lab: Lab) -> None:
    steps = {"workers": 8, "mutex": 1}
    for name, most in (("parallelism", 2), ("mutex", 1)):
        log = lab.folder / f"{name}.txt"
        code = (
            f"import time; f=open({str(log)!r},'a'); f.write('+'); f.flush(); time.sleep(0.15); f.write('-'); f.flush()"
        )
        more = {"synchronization": {"mutexes": [{"name": "m"}]}} if name == "mutex" else {}
        body = {"name": "work", "container": {"image": "x", "command": ["python", "-c"], "args": [code]}, **more}
        document = lab.workflow(
            dag("main", task("each", "work", withItems=list(range(6)))),
            body,
            parallelism=2 if name == "parallelism" else steps["workers"],
        )
        assert lab.run(document, jobs=steps["workers"]).status == "Succeeded"
        depth, deepest = 0, 0
        for sign in log.read_text():
            depth += 1 if sign == "+" else -1
            deepest = max(deepest, depth)
        assert deepest == most


def test_a_wait_is_skipped_or_scaled_and_goes_on_from_its_beginning(lab: Lab) -> None:
    wait = {"name": "wait", "suspend": {"duration": "{{inputs.parameters.for}}"}, "inputs": inputs("for")}
    document = lab.workflow(
        dag("main", task("wait", "wait", given={"for": "1h"}), task("go", "go", "wait")), wait, lab.step("go", "go")
    )
    stop = threading.Event()
    threading.Timer(0.4, stop.set).start()
    began = time.monotonic()
    assert lab.run(document, stop, wait_scale=1 / 2400).status == "Interrupted"  # of 1.5 s
    time.sleep(0.6)
    assert lab.run(document, wait_scale=1 / 2400).status == "Succeeded"
    assert 1.4 < time.monotonic() - began < 2.6
    assert lab.done() == [["go"]]
    forever = lab.workflow({"name": "main", "suspend": {}})
    with pytest.raises(ConfigurationError, match="until a person lets it go on"):
        lab.run(forever, wait_scale=1)
    assert lab.run(forever).status == "Succeeded"


def test_a_step_or_workflow_that_takes_too_long_is_ended(lab: Lab) -> None:
    step = lab.step("main", "sleep", "30", activeDeadlineSeconds=1)
    report = lab.run(lab.workflow(step))
    assert report.status == "Failed"
    assert "longer than 1 s" in report.errors[0]
    report = lab.run(lab.workflow(lab.step("main", "sleep", "31"), activeDeadlineSeconds=1))
    assert report.status == "Failed"
    assert report.duration_s < 10


def test_only_a_task_runs_with_what_it_depends_on(lab: Lab) -> None:
    document = lab.workflow(
        dag(
            "main",
            task("a", "x", given={"t": "a"}),
            task("b", "x", "a", given={"t": "b"}),
            task("c", "x", given={"t": "c"}),
        ),
        lab.step("x", "say", "{{inputs.parameters.t}}", inputs=inputs("t")),
    )
    assert lab.run(document, only=("b",)).status == "Succeeded"
    assert lab.done() == [["say", "a"], ["say", "b"]]
    assert lab.run(document).status == "Succeeded"
    assert lab.done()[2:] == [["say", "c"]]
    with pytest.raises(ConfigurationError, match=r"no task 'bb'\. Did you mean 'b'"):
        lab.run(document, only=("bb",))


def test_what_is_not_understood_is_refused_before_anything_runs(lab: Lab) -> None:
    good = lab.step("main", "x")
    for more, expected in (
        ({"templateDefaults": {"timeout": "1h"}}, "spec: templateDefaults"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "volume 'v': hostPath"),
        ({"hooks": {"running": {"expression": "true", "template": "main"}}}, "spec: hooks"),
    ):
        with pytest.raises(ConfigurationError, match=expected):
            lab.run(lab.workflow(good, **more))
    with pytest.raises(ConfigurationError, match="container: lifecycle"):
        lab.run(lab.workflow(lab.step("main", "x", container={"lifecycle": {}})))
    with pytest.raises(ConfigurationError, match="artifacts"):
        lab.run(lab.workflow(lab.step("main", "x", outputs={"artifacts": [{"name": "a", "path": "/a"}]})))
    with pytest.raises(ConfigurationError, match="ConfigMap or secret"):
        lab.run(lab.workflow(good, volumes=[{"name": "v", "configMap": {"name": "c"}}]))
    with pytest.raises(ConfigurationError, match="no 'modus'"):
        lab.run(lab.workflow(good), parameters={"modus": "x"})
    assert lab.done() == []


def test_an_output_that_was_not_written_is_an_error_and_a_missing_command_too(lab: Lab) -> None:
    lacking = lab.step("main", "x", outputs={"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]})
    assert "did not write its output 'o'" in lab.run(lab.workflow(lacking)).errors[0]
    report = lab.run(lab.workflow({"name": "main", "container": {"image": "x", "command": ["no-such-command"]}}))
    assert "no command 'no-such-command'" in report.errors[0]


def chain(lab: Lab) -> dict[str, Any]:
    """Return a workflow like a season's: a plan, chunks of two steps side by side, and an end."""
    return lab.workflow(
        dag(
            "main",
            task("plan", "plan"),
            task(
                "days",
                "chunk",
                "plan",
                given={"id": "{{item.id}}"},
                withParam="{{tasks.plan.outputs.parameters.chunks}}",
            ),
            task("end", "end", "days"),
        ),
        dag(
            "chunk",
            task("fetch", "fetch", given={"id": "{{inputs.parameters.id}}"}),
            task("transform", "transform", "fetch", given={"id": "{{inputs.parameters.id}}"}),
            inputs=inputs("id"),
        ),
        lab.step(
            "plan",
            *("write", "/scratch/chunks.json", json.dumps([{"id": str(number)} for number in range(5)])),
            outputs={"parameters": [{"name": "chunks", "valueFrom": {"path": "/scratch/chunks.json"}}]},
        ),
        lab.step("fetch", "sleep", "0.05", "fetch {{inputs.parameters.id}}", inputs=inputs("id")),
        lab.step("transform", "sleep", "0.05", "transform {{inputs.parameters.id}}", inputs=inputs("id")),
        lab.step("end", "end"),
        parallelism=3,
    )


def run_command(lab: Lab, document: dict[str, Any], *arguments: str) -> subprocess.Popen[str]:
    file = lab.folder / "chain.yaml"
    file.write_text(to_yaml(document))
    code = "from mlbsdk_plugin_argo.workflow_command import app; app()"
    command = [sys.executable, "-c", code, "run-local", str(file), "--state", str(lab.folder / "state"), "--json"]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.integration
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_at_any_point_and_called_again_it_ends_the_same(lab: Lab, ending: signal.Signals) -> None:
    document = chain(lab)
    chance = random.Random(int(ending))
    interrupted = 0
    for _ in range(3):
        process = run_command(lab, document)
        begun = len(lab.done())
        until = time.monotonic() + 20
        while len(lab.done()) == begun and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)  # until it has begun to work
        time.sleep(chance.uniform(0.0, 0.25))
        process.send_signal(ending)  # nothing, where it has ended by itself
        printed, said = process.communicate(timeout=30)
        interrupted += process.returncode in (130, -signal.SIGKILL)
        if process.returncode == -signal.SIGINT:
            # It was done: a Python that shuts down has given its signal handlers back before it is gone.
            assert json.loads(printed)["status"] == "Succeeded", said
        else:
            assert process.returncode in (0, 130, -signal.SIGKILL), said
        if process.returncode == 130 and printed:
            assert json.loads(printed)["status"] == "Interrupted"
    process = run_command(lab, document)
    printed, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert json.loads(printed)["status"] == "Succeeded"
    assert interrupted >= 1
    found = Counter(" ".join(line) for line in lab.done())
    for number in range(5):
        for what in ("fetch", "transform"):
            # Each was run to its end once; what was interrupted was begun again.
            assert 1 <= found[f"sleep 0.05 {what} {number}"] <= 1 + interrupted
    assert found["end"] >= 1
    journals = [path.read_text().splitlines() for path in (lab.folder / "state").glob("*/journal.jsonl")]
    succeeded = Counter(entry["node"] for line in journals[0] if (entry := json.loads(line))["event"] == "succeeded")
    assert len(succeeded) == 12
    assert set(succeeded.values()) == {1}


@pytest.mark.integration
def test_two_calls_at_once_are_refused_and_a_step_of_a_killed_one_is_ended(lab: Lab) -> None:
    document = lab.workflow(
        lab.step("main", "sleep", "{{workflow.parameters.s}}"), arguments={"parameters": [{"name": "s", "value": "60"}]}
    )
    process = run_command(lab, document)
    until = time.monotonic() + 20
    while not lab.done() and time.monotonic() < until:
        time.sleep(0.02)
    with pytest.raises(ConfigurationError, match="another process runs this workflow"):
        lab.run(document)
    process.kill()
    process.communicate()
    begun = next(
        json.loads(line)
        for path in (lab.folder / "state").glob("*/journal.jsonl")
        for line in path.read_text().splitlines()
        if "pid" in line
    )
    assert Path(f"/proc/{begun['pid']}").exists()  # it outlived its runner
    lab.script.write_text("")
    assert lab.run(document).status == "Succeeded"
    assert not Path(f"/proc/{begun['pid']}").exists() or "Z" in Path(f"/proc/{begun['pid']}/stat").read_text()


def test_conditions_are_read_as_argo_reads_them_or_refused() -> None:
    assert when_holds("Succeeded == Succeeded && !(3 > 10)")
    assert when_holds("'a b' == \"a b\" || false")
    assert not when_holds("10 < 9")
    assert parse_depends("a && (b.Failed || !c.Skipped)").atoms() == [
        ("a",),
        ("b", "Failed"),
        ("c", "Skipped"),
    ]
    values = {"lastRetry.exitCode": "1", "lastRetry.status": "Error"}
    assert retry_holds("asInt(lastRetry.exitCode) not in [2, 3]", values)
    assert retry_holds("lastRetry.status == 'Error' && asInt(lastRetry.exitCode) != 2", values)
    assert not retry_holds("asInt(lastRetry.exitCode) in [1]", {**values, "lastRetry.exitCode": "2"})
    for wrong in ("a.Suceeded", "a &&", "(a", "a b"):
        with pytest.raises(ConditionError):
            parse_depends(wrong)
    for wrong in ("a", "a == ", "a == b c", "__import__('os')"):
        with pytest.raises(ConditionError):
            when_holds(wrong)
    for wrong in ("true", "lastRetry.exitCode not in [2]", "__import__('os').system('x') == 0"):
        with pytest.raises(ConditionError):
            retry_holds(wrong, values)
