"""Carries out a workflow's manifest on this machine: its templates as Argo would, its containers as processes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlbsdk.plugin import ConfigurationError, MlbsdkError, did_you_mean
from mlbsdk_plugin_argo.conditions import ConditionError, parse_depends, retry_holds, when_holds
from mlbsdk_plugin_argo.local.locks import Locks, acquire
from mlbsdk_plugin_argo.local.places import Variables, places_of, volume_folders
from mlbsdk_plugin_argo.local.process import Attempt, Interrupted, error_line, run_process
from mlbsdk_plugin_argo.local.progress import Progress
from mlbsdk_plugin_argo.local.report import ERROR, FAILED, OMITTED, SKIPPED, SUCCEEDED, NodeReport, WorkflowReport
from mlbsdk_plugin_argo.local.state import Done, State
from mlbsdk_plugin_argo.local.support import unsupported
from mlbsdk_plugin_argo.manifest import (
    ancestors_of,
    argv_of,
    dependencies_of,
    groups_of,
    parameters_of,
    spec_of,
    templates_of,
)
from mlbsdk_plugin_argo.names import seconds
from mlbsdk_plugin_argo.variables import UnresolvedVariable, filled, variables_of

#: Items of one loop that are under way at once, each in a thread; what may run at once is less (``jobs``).
_ITEMS_AT_ONCE = 32
#: Argo keeps a result in an annotation, which takes no more.
_LARGEST_RESULT = 256_000
_LONGEST_WAIT = 366 * 86_400.0
_GOOD = (SUCCEEDED, SKIPPED)
_BAD = (FAILED, ERROR)


@dataclass(frozen=True, kw_only=True)
class LocalOptions:
    """How a workflow is carried out here.

    ``wait_scale`` multiplies what the workflow waits (suspended, or before a retry): 0 does not wait at all.
    ``only`` are tasks of the entrypoint that are run, with those that they depend on.
    """

    state: Path
    parameters: Mapping[str, str] = field(default_factory=dict)
    only: Sequence[str] = ()
    jobs: int = field(default_factory=lambda: os.cpu_count() or 2)
    wait_scale: float = 1.0
    again: bool = False
    volumes: Mapping[str, Path] = field(default_factory=dict)
    semaphores: Mapping[str, int] = field(default_factory=dict)
    env_file: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a node ended, and what others can read of it."""

    status: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    result: str | None = None
    exit_code: int | None = None


def run_workflow(
    document: Mapping[str, Any], options: LocalOptions, progress: Progress, stop: threading.Event | None = None
) -> WorkflowReport:
    """Run a manifest that passed its checks; what an earlier call has done is not done again.

    Args:
        document: the manifest.
        options: how to run it.
        progress: shows how it goes on.
        stop: ends it when set, with its processes; the next call goes on.

    Raises:
        ConfigurationError: a part of it can't be carried out here, a parameter is unknown or has no value, a volume
            has no folder, or another process runs it. Nothing was run then.
    """
    return _Run(document, options, progress, stop or threading.Event()).run()


class _Run:
    def __init__(
        self, document: Mapping[str, Any], options: LocalOptions, progress: Progress, stop: threading.Event
    ) -> None:
        problems = unsupported(document)
        if problems:
            raise ConfigurationError(
                "the local runner can't carry out: " + "; ".join(problems),
                fix="Leave these out, or run it on a cluster.",
            )
        self._spec = spec_of(document)
        self._templates = templates_of(document)
        self._options, self._progress, self._stop = options, progress, stop
        self._only = self._chosen()
        _require_ends_of_waits(self._templates.values(), options.wait_scale)
        parameters = _workflow_parameters(self._spec, options.parameters)
        self._variables = Variables(options.env_file, options.env)
        self._state = State(options.state, document, parameters, options.again)
        try:
            self._shared, _ = volume_folders(self._spec, self._state.volumes, options.volumes)
        except MlbsdkError:
            self._state.close()
            raise
        # What steps print is kept only where another asks for it: it may hold what nobody else should read.
        self._keeps_results = any(name.endswith(".outputs.result") for name in variables_of(document))
        self._locks = Locks(options.semaphores)
        at_once = min(options.jobs, self._spec.get("parallelism") or options.jobs)
        self._slots = threading.Semaphore(max(1, at_once))
        workflow = self._state.workflow
        self._report = WorkflowReport(workflow["name"], workflow["uid"], str(self._state.folder))
        self._scope = {
            "workflow.name": workflow["name"],
            "workflow.uid": workflow["uid"],
            "workflow.namespace": (document.get("metadata") or {}).get("namespace") or "default",
            "workflow.serviceAccountName": self._spec.get("serviceAccountName") or "default",
            "workflow.mainEntrypoint": self._spec["entrypoint"],
            "workflow.parameters": json.dumps([{"name": n, "value": v} for n, v in parameters.items()]),
            **{f"workflow.parameters.{name}": value for name, value in parameters.items()},
        }
        metadata = document.get("metadata") or {}
        for kind in ("labels", "annotations"):
            self._scope |= {f"workflow.{kind}.{name}": value for name, value in (metadata.get(kind) or {}).items()}

    def run(self) -> WorkflowReport:
        report, begun = self._report, time.monotonic()
        try:
            if self._state.workflow["status"] == SUCCEEDED and not self._only:
                report.status, report.was_done = SUCCEEDED, True
                return report
            with self._progress.shown(), self._deadline():
                report.status = self._whole(begun)
            if not self._only:
                self._state.finish(report.status)
            return report
        finally:
            report.duration_s = time.monotonic() - begun
            self._state.close()

    def _whole(self, begun: float) -> str:
        """Run the entrypoint, then the exit handler; return the workflow's status."""
        entrypoint = self._spec["entrypoint"]
        try:
            outcome = self._execute(self._templates[entrypoint], self._spec.get("arguments"), entrypoint)
            if self._stop.is_set():
                raise Interrupted
        except Interrupted:
            if not self._out_of_time:
                return "Interrupted"
            self._stop.clear()
            self._report.errors.append(f"the workflow took longer than {self._spec['activeDeadlineSeconds']} s")
            outcome = Outcome(FAILED)
        status = SUCCEEDED if outcome.status in _GOOD else FAILED
        handler = self._spec.get("onExit")
        if handler and not self._only:
            failed = [node for node in self._report.nodes if node.status in _BAD]
            failures = [
                {"displayName": one.node, "templateName": one.template, "phase": one.status, "message": one.error}
                for one in failed
            ]
            self._scope |= {
                "workflow.status": status,
                "workflow.failures": json.dumps(failures),
                "workflow.duration": f"{time.monotonic() - begun:.6f}",
            }
            # Never from memory: it tells how this call ended.
            self._state_is_used = False
            try:
                ended = self._execute(self._templates[handler], self._spec.get("arguments"), f"{entrypoint}.onExit")
            except Interrupted:
                return "Interrupted"
            if ended.status in _BAD:
                status = FAILED
        return status

    _state_is_used = True
    _out_of_time = False

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[None]:
        limit = self._spec.get("activeDeadlineSeconds")

        def end() -> None:
            self._out_of_time = True
            self._stop.set()

        timer = threading.Timer(float(limit), end) if limit else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()

    def _chosen(self) -> set[str]:
        """Return the tasks of the entrypoint that were chosen, with what they depend on; empty for all."""
        only = self._options.only
        if not only:
            return set()
        entrypoint = self._templates[self._spec["entrypoint"]]
        if entrypoint.get("dag") is None:
            raise ConfigurationError("--only chooses tasks of a DAG; the entrypoint of this workflow is none")
        tasks = {task["name"]: task for task in entrypoint["dag"]["tasks"]}
        for name in only:
            if name not in tasks:
                raise ConfigurationError(f"--only: there is no task '{name}'.{did_you_mean(name, tasks)}")
        return set(only) | {one for name in only for one in ancestors_of(tasks, name)}

    # Templates

    def _execute(self, template: Mapping[str, Any], arguments: Mapping[str, Any] | None, node: str) -> Outcome:
        """Run a template with its arguments, which are filled in already."""
        if self._stop.is_set():
            raise Interrupted
        try:
            scope = self._scope | _inputs(template, arguments)
            if template.get("dag") is not None:
                return self._dag(template, scope, node)
            if template.get("steps") is not None:
                return self._steps(template, scope, node)
            if template.get("suspend") is not None:
                return self._suspended(template, scope, node)
            return self._container(template, scope, node)
        except (UnresolvedVariable, ConditionError, ValueError) as problem:
            text = f"{{{{{problem}}}}} has no value" if isinstance(problem, UnresolvedVariable) else str(problem)
            return self._errored(node, template["name"], text)
        except ConfigurationError as problem:
            return self._errored(node, template["name"], str(problem), exit_code=2)

    def _dag(self, template: Mapping[str, Any], scope: Mapping[str, str], node: str) -> Outcome:
        tasks = {task["name"]: task for task in template["dag"]["tasks"]}
        if self._only and template["name"] == self._spec["entrypoint"]:
            tasks = {name: task for name, task in tasks.items() if name in self._only}
        fails_fast = template["dag"].get("failFast", True)
        limit = _limit(template)
        ended: dict[str, Outcome] = {}
        waiting = dict(tasks)
        failing = False
        with ThreadPoolExecutor(max(1, len(tasks))) as pool:
            running: dict[Future[Outcome], str] = {}
            while waiting or running:
                for name in [one for one, task in waiting.items() if set(dependencies_of(task)) <= ended.keys()]:
                    task = waiting.pop(name)
                    if (failing and fails_fast) or not _may_begin(task, tasks, ended):
                        ended[name] = self._left_out(f"{node}.{name}", task, OMITTED)
                        break  # what depends on it may be known now
                    known = {**scope, **_results("tasks", ended)}
                    running[pool.submit(self._call, task, known, f"{node}.{name}", limit)] = name
                else:
                    for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                        name = running.pop(future)
                        ended[name] = future.result()
                        failing = failing or (ended[name].status in _BAD and not _is_let_pass(tasks[name], ended[name]))
        if self._stop.is_set():
            raise Interrupted
        status = FAILED if _dag_failed(tasks, ended) else SUCCEEDED
        return Outcome(status, self._outputs_of_calls(template, "tasks", ended, status))

    def _steps(self, template: Mapping[str, Any], scope: Mapping[str, str], node: str) -> Outcome:
        ended: dict[str, Outcome] = {}
        status = SUCCEEDED
        limit = _limit(template)
        for number, group in enumerate(groups_of(template)):
            known = {**scope, **_results("steps", ended)}
            with ThreadPoolExecutor(max(1, len(group))) as pool:
                called = [
                    (step, pool.submit(self._call, step, known, f"{node}[{number}].{step['name']}", limit))
                    for step in group
                ]
            ended |= {step["name"]: future.result() for step, future in called}
            if any(
                ended[step["name"]].status in _BAD and not _is_let_pass(step, ended[step["name"]]) for step in group
            ):
                status = FAILED
                break
        return Outcome(status, self._outputs_of_calls(template, "steps", ended, status))

    def _call(
        self, call: Mapping[str, Any], scope: Mapping[str, str], node: str, limit: threading.Semaphore | None
    ) -> Outcome:
        """Run what a task or step calls, once or for each of its items."""
        template = self._templates[call["template"]]
        try:
            items = _items(call, scope)
        except (UnresolvedVariable, ValueError) as problem:
            text = f"{{{{{problem}}}}} has no value" if isinstance(problem, UnresolvedVariable) else str(problem)
            return self._errored(node, template["name"], text)
        if items is None:
            return self._called(call, scope, node, limit)
        with ThreadPoolExecutor(max(1, min(len(items), _ITEMS_AT_ONCE))) as pool:
            futures = [
                pool.submit(self._called, call, {**scope, **_item(item)}, f"{node}({index}:{_shown(item)})", limit)
                for index, item in enumerate(items)
            ]
        found = [future.result() for future in futures]
        status = next((one.status for one in found if one.status in _BAD), SUCCEEDED)
        if found and all(one.status == SKIPPED for one in found):
            status = SKIPPED
        names = {name for one in found for name in one.outputs}
        joined = {name: json.dumps([one.outputs.get(name) for one in found if one.outputs]) for name in names}
        results = [one.result for one in found if one.result is not None]
        return Outcome(status, joined, json.dumps(results) if results else None)

    def _called(
        self, call: Mapping[str, Any], scope: Mapping[str, str], node: str, limit: threading.Semaphore | None
    ) -> Outcome:
        template = self._templates[call["template"]]
        try:
            if call.get("when") and not when_holds(filled(call["when"], scope)):
                return self._left_out(node, call, SKIPPED)
            arguments = filled(call.get("arguments") or {}, scope)
        except (UnresolvedVariable, ConditionError) as problem:
            text = f"{{{{{problem}}}}} has no value" if isinstance(problem, UnresolvedVariable) else str(problem)
            return self._errored(node, template["name"], text)
        if limit is None:
            return self._execute(template, arguments, node)
        acquire(limit, self._stop)
        try:
            return self._execute(template, arguments, node)
        finally:
            limit.release()

    def _outputs_of_calls(
        self, template: Mapping[str, Any], family: str, ended: Mapping[str, Outcome], status: str
    ) -> dict[str, str]:
        if status != SUCCEEDED:
            return {}
        known = _results(family, ended)
        found = {}
        for name, output in parameters_of(template.get("outputs")).items():
            source = output.get("valueFrom") or {}
            variable = str(source.get("parameter", "")).removeprefix("{{").removesuffix("}}").strip()
            if variable in known:
                found[name] = known[variable]
            elif source.get("default") is not None:
                found[name] = str(source["default"])
            else:
                raise UnresolvedVariable(variable)
        return found

    # Nodes that do something

    def _suspended(self, template: Mapping[str, Any], scope: Mapping[str, str], node: str) -> Outcome:
        duration = filled((template.get("suspend") or {}).get("duration"), scope)
        digest = _digest([duration])
        if self._from_before(node, digest, template) is not None:
            return Outcome(SUCCEEDED)
        begun = time.monotonic()
        self._progress.begun(node)
        lasts = 0.0 if duration is None else min(seconds(duration), _LONGEST_WAIT) * self._options.wait_scale
        until = self._state.begun_at(node, digest) + lasts
        while time.time() < until:
            if self._stop.wait(min(0.5, max(0.0, until - time.time()))):
                raise Interrupted
        self._state.end(node, digest, Done())
        self._progress.ended(node, SUCCEEDED)
        self._report.add(NodeReport(node, template["name"], SUCCEEDED, None, 1, time.monotonic() - begun))
        return Outcome(SUCCEEDED)

    def _container(self, template: Mapping[str, Any], scope: Mapping[str, str], node: str) -> Outcome:
        scope = {**scope, "node.name": node, "pod.name": node}
        with_retries = {**scope, **_retry_values(None, 0)}
        container = filled(template["container"], with_retries)
        # What it was given, and not where this machine's folders are.
        digest = _digest([argv_of(container), container.get("env"), template.get("outputs")])
        before = self._from_before(node, digest, template)
        if before is not None:
            return Outcome(SUCCEEDED, before.outputs, before.result, 0)
        synchronization = filled(template.get("synchronization"), scope)
        with self._locks.held(synchronization, self._stop):
            acquire(self._slots, self._stop)
            self._progress.begun(node)
            begun = time.monotonic()
            try:
                return self._attempts(template, scope, node, digest, begun)
            except Interrupted:
                self._progress.ended(node, "Interrupted")
                raise
            finally:
                self._slots.release()

    def _attempts(
        self, template: Mapping[str, Any], scope: Mapping[str, str], node: str, digest: str, begun: float
    ) -> Outcome:
        strategy = filled(template.get("retryStrategy") or {}, scope)
        number, last = 0, Attempt(None)
        while True:
            started = time.monotonic()
            log = self._state.log(node, number)
            last, done = self._attempt(template, {**scope, **_retry_values(last, number)}, node, digest, log)
            self._state.end(node, digest, done)
            if done is not None:
                report = NodeReport(node, template["name"], SUCCEEDED, 0, number + 1, time.monotonic() - begun)
                report.log = str(log)
                self._progress.ended(node, SUCCEEDED)
                self._report.add(report)
                return Outcome(SUCCEEDED, done.outputs, done.result, 0)
            problem = self._variables.hidden(last.problem or error_line(log))
            took = time.monotonic() - started
            if not _is_retried(strategy, number, last, took, time.monotonic() - begun):
                return self._failed(template, node, last, number, time.monotonic() - begun, problem, log)
            pause = _pause(strategy, number) * self._options.wait_scale
            ended = f"exit code {last.exit_code}" if last.exit_code is not None else "no exit code"
            self._progress.note(f"{node}: {ended}: {problem}; again in {pause:g} s")
            if self._stop.wait(pause):
                raise Interrupted
            number += 1

    def _attempt(
        self, template: Mapping[str, Any], scope: Mapping[str, str], node: str, digest: str, log: Path
    ) -> tuple[Attempt, Done | None]:
        """Run a container once; the second is None where it did not end well."""
        scratch = self._state.scratch(node)
        shutil.rmtree(scratch, ignore_errors=True)
        container = filled(template["container"], scope)
        places = places_of(template, self._shared, scratch)
        working = container.get("workingDir")
        limit = template.get("activeDeadlineSeconds") or template.get("timeout")
        attempt = run_process(
            [places.local(word) for word in argv_of(container)],
            self._variables.of(container, places),
            Path(places.local(working)) if working else None,
            log,
            self._stop,
            None if limit is None else seconds(str(filled(limit, scope))),
            lambda pid: self._state.begin(node, digest, pid),
        )
        if attempt.exit_code != 0:
            return attempt, None
        outputs = {}
        for name, output in parameters_of(template.get("outputs")).items():
            source = output.get("valueFrom") or {}
            path = Path(places.local(source["path"])) if source.get("path") else None
            if path is not None and path.is_file():
                outputs[name] = path.read_text(encoding="utf-8").rstrip("\n")
            elif source.get("default") is not None:
                outputs[name] = str(source["default"])
            else:
                return Attempt(None, f"it did not write its output '{name}' to {source.get('path')}"), None
        result = None
        if self._keeps_results:
            printed = log.with_name(f"{log.name}.out").read_bytes()[:_LARGEST_RESULT]
            result = printed.decode("utf-8", "replace").rstrip("\n")
        shutil.rmtree(scratch, ignore_errors=True)
        return attempt, Done(outputs, result)

    def _from_before(self, node: str, digest: str, template: Mapping[str, Any]) -> Done | None:
        done = self._state.done(node, digest) if self._state_is_used else None
        if done is not None:
            self._progress.ended(node, "Done before")
            self._report.add(NodeReport(node, template["name"], SUCCEEDED, from_before=True))
        return done

    def _failed(
        self,
        template: Mapping[str, Any],
        node: str,
        last: Attempt,
        number: int,
        took: float,
        problem: str,
        log: Path,
    ) -> Outcome:
        status = ERROR if last.exit_code is None else FAILED
        self._progress.ended(node, status)
        self._report.add(
            NodeReport(node, template["name"], status, last.exit_code, number + 1, took, False, problem, str(log))
        )
        code = f"exit code {last.exit_code}" if last.exit_code is not None else "no exit code"
        self._report.errors.append(f"{node}: {code}: {problem} (log: {log}.err)")
        return Outcome(status, exit_code=last.exit_code)

    def _errored(self, node: str, template: str, text: str, exit_code: int | None = None) -> Outcome:
        self._progress.ended(node, ERROR)
        self._report.add(NodeReport(node, template, ERROR, exit_code, error=text))
        self._report.errors.append(f"{node}: {text}")
        return Outcome(ERROR, exit_code=exit_code)

    def _left_out(self, node: str, call: Mapping[str, Any], status: str) -> Outcome:
        if not self._stop.is_set():
            self._progress.ended(node, status)
            self._report.add(NodeReport(node, str(call["template"]), status))
        return Outcome(status)


def _workflow_parameters(spec: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    declared = parameters_of(spec.get("arguments"))
    for name in given:
        if name not in declared:
            raise ConfigurationError(f"--parameter: the workflow has no '{name}'.{did_you_mean(name, declared)}")
    found = {}
    for name, parameter in declared.items():
        value = given.get(name, parameter.get("value", parameter.get("default")))
        if value is None:
            raise ConfigurationError(f"the parameter '{name}' has no value", fix=f"Give it: --parameter {name}=VALUE.")
        if parameter.get("enum") and str(value) not in map(str, parameter["enum"]):
            raise ConfigurationError(f"the parameter '{name}' is one of {parameter['enum']}, not '{value}'")
        found[name] = str(value)
    return found


def _require_ends_of_waits(templates: Any, wait_scale: float) -> None:
    for template in templates:
        if template.get("suspend") is not None and not template["suspend"].get("duration") and wait_scale:
            raise ConfigurationError(
                f"template '{template['name']}' waits until a person lets it go on",
                fix="Run it with --wait-scale 0, which skips waits.",
            )


def _inputs(template: Mapping[str, Any], arguments: Mapping[str, Any] | None) -> dict[str, str]:
    given = parameters_of(arguments)
    found = {}
    for name, declared in parameters_of(template.get("inputs")).items():
        value = given.get(name, {}).get("value", declared.get("value", declared.get("default")))
        if value is None:
            raise UnresolvedVariable(f"inputs.parameters.{name}")
        found[name] = str(value)
    listed = json.dumps([{"name": name, "value": value} for name, value in found.items()])
    return {"inputs.parameters": listed, **{f"inputs.parameters.{name}": value for name, value in found.items()}}


def _items(call: Mapping[str, Any], scope: Mapping[str, str]) -> list[Any] | None:
    """Return what a call is repeated for; None where it is no loop."""
    if call.get("withItems") is not None:
        found = filled(call["withItems"], scope)
    elif call.get("withParam") is not None:
        text = filled(call["withParam"], scope)
        try:
            found = json.loads(text)
        except ValueError as problem:
            raise ValueError(f"withParam: it is no JSON: {problem}") from problem
    else:
        return None
    if not isinstance(found, list):
        raise ValueError("what it is repeated for is no list")
    return found


def _item(item: Any) -> dict[str, str]:
    found = {"item": item if isinstance(item, str) else json.dumps(item)}
    if isinstance(item, Mapping):
        found |= {f"item.{key}": value if isinstance(value, str) else json.dumps(value) for key, value in item.items()}
    return found


def _shown(item: Any) -> str:
    text = str(item.get("id", item.get("name", ""))) if isinstance(item, Mapping) else str(item)
    return text[:40]


def _results(family: str, ended: Mapping[str, Outcome]) -> dict[str, str]:
    """Return the variables about tasks or steps that are over."""
    found = {}
    for name, outcome in ended.items():
        found[f"{family}.{name}.status"] = outcome.status
        if outcome.exit_code is not None:
            found[f"{family}.{name}.exitCode"] = str(outcome.exit_code)
        if outcome.result is not None:
            found[f"{family}.{name}.outputs.result"] = outcome.result
        found |= {f"{family}.{name}.outputs.parameters.{one}": value for one, value in outcome.outputs.items()}
    return found


def _is_let_pass(call: Mapping[str, Any], outcome: Outcome) -> bool:
    """Whether ``continueOn`` lets what follows run after this end."""
    allowed = call.get("continueOn") or {}
    return bool(
        (outcome.status == FAILED and allowed.get("failed")) or (outcome.status == ERROR and allowed.get("error"))
    )


def _may_begin(task: Mapping[str, Any], tasks: Mapping[str, Mapping[str, Any]], ended: Mapping[str, Outcome]) -> bool:
    """Whether what a task depends on ended as it asks; all of it is over."""

    def passes(name: str) -> bool:
        return ended[name].status in _GOOD or _is_let_pass(tasks[name], ended[name])

    def holds(words: tuple[str, ...]) -> bool:
        if len(words) == 1:
            return passes(words[0])
        wanted = {"Errored": ERROR, "Daemoned": "Daemoned"}.get(words[1], words[1])
        return ended[words[0]].status == wanted

    if task.get("depends"):
        return parse_depends(task["depends"]).holds(holds)
    return all(passes(name) for name in task.get("dependencies") or [])


def _dag_failed(tasks: Mapping[str, Mapping[str, Any]], ended: Mapping[str, Outcome]) -> bool:
    """Whether a DAG failed: one of its last tasks did, or was left out because of one before it that did."""
    before = {name for task in tasks.values() for name in dependencies_of(task)}

    def bad(name: str) -> bool:
        return ended[name].status in _BAD and not _is_let_pass(tasks[name], ended[name])

    for name in tasks.keys() - before:
        if bad(name) or (ended[name].status == OMITTED and any(bad(one) for one in ancestors_of(tasks, name))):
            return True
        if ended[name].status == OMITTED and not ancestors_of(tasks, name):
            return True  # it would have begun, had not another task failed
    return False


def _limit(template: Mapping[str, Any]) -> threading.Semaphore | None:
    parallelism = template.get("parallelism")
    return threading.Semaphore(parallelism) if parallelism else None


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _retry_values(last: Attempt | None, number: int) -> dict[str, str]:
    code = last.exit_code if last is not None else None
    return {
        "retries": str(number),
        "lastRetry.exitCode": str(-1 if code is None else code),
        "lastRetry.status": "" if number == 0 else (ERROR if code is None else FAILED),
        "lastRetry.duration": "0",
        "lastRetry.message": last.problem if last is not None else "",
    }


def _is_retried(strategy: Mapping[str, Any], number: int, last: Attempt, took: float, in_all: float) -> bool:
    """Whether an attempt that failed, the ``number``-th from 0, is followed by another; it, and all, took seconds."""
    if not strategy:
        return False
    if strategy.get("limit") is not None and number >= int(strategy["limit"]):
        return False
    longest = (strategy.get("backoff") or {}).get("maxDuration")
    if longest and in_all > seconds(str(longest)):
        return False
    policy = strategy.get("retryPolicy") or ("Always" if strategy.get("expression") else "OnFailure")
    is_error = last.exit_code is None
    if policy == "OnTransientError" or policy == ("OnFailure" if is_error else "OnError"):
        return False
    if not strategy.get("expression"):
        return True
    values = _retry_values(last, number + 1) | {"lastRetry.duration": str(int(took))}
    return retry_holds(strategy["expression"], values)


def _pause(strategy: Mapping[str, Any], number: int) -> float:
    backoff = strategy.get("backoff") or {}
    pause: float = seconds(str(backoff["duration"])) if backoff.get("duration") else 0.0
    pause *= float(backoff.get("factor") or 1) ** number
    return min(pause, seconds(str(backoff["cap"]))) if backoff.get("cap") else pause
