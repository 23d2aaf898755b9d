"""What a schema can't say of a workflow: that names resolve, inputs are supplied, and no parameter reaches a shell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from mlbsdk.plugin import did_you_mean
from mlbsdk_plugin_argo.conditions import ConditionError, check_retry, parse_depends, parse_when
from mlbsdk_plugin_argo.manifest import (
    LOOPS,
    ancestors_of,
    argv_of,
    calls_of,
    dependencies_of,
    groups_of,
    kinds_of,
    parameters_of,
    spec_of,
    templates_of,
)
from mlbsdk_plugin_argo.names import (
    DURATION,
    LABEL,
    LABEL_KEY,
    LABEL_VALUE,
    PARAMETER,
    QUANTITY,
    SECRET_NAME,
    SUBDOMAIN,
)
from mlbsdk_plugin_argo.variables import variables_of

_WORKFLOW = {
    *("workflow.name", "workflow.namespace", "workflow.mainEntrypoint", "workflow.serviceAccountName", "workflow.uid"),
    *("workflow.parameters", "workflow.creationTimestamp", "workflow.priority", "workflow.duration"),
    *("workflow.scheduledTime", "workflow.status", "workflow.failures", "workflow.labels", "workflow.annotations"),
}
_ONLY_AT_THE_END = {"workflow.status", "workflow.failures"}
_WORKFLOW_PREFIXES = ("workflow.labels.", "workflow.annotations.", "workflow.creationTimestamp.")
_ANYWHERE = {"node.name", "inputs.parameters", "inputs.artifacts", "steps.name", "tasks.name"}
_IN_A_POD = {"pod.name", "retries", "lastRetry.exitCode", "lastRetry.status", "lastRetry.duration", "lastRetry.message"}
_OF_A_CALL = {"id", "ip", "status", "exitCode", "startedAt", "finishedAt", "hostNodeName", "outputs.result"}
_INTERPRETERS = re.compile(r"^(a|ba|da|k|z|fi|c|tc)?sh$|^(python|perl|ruby|node|php|lua)[0-9.]*$|^pwsh$|^cmd(\.exe)?$")
_CODE_FOLLOWS = re.compile(r"^-[a-zA-Z]*[ce]$|^--(command|eval|execute)$|^-Command$|^/[cC]$")
_CRON = re.compile(r"^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every \S+|\S+( \S+){4})$")


def semantic_problems(document: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a workflow that fits the schema."""
    return list(_Checks(document).all())


class _Checks:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.spec = spec_of(document)
        self.templates = templates_of(document)
        self.at_the_end = self._reached_from(_exit_handlers(self.spec))

    def all(self) -> Iterator[str]:
        yield from _metadata(self.document)
        yield from self._entry()
        yield from _parameter_names("spec.arguments", self.spec.get("arguments"))
        yield from self._volumes_of_workflow()
        yield from _synchronization("spec", self.spec)
        names = [template.get("name", "") for template in self.spec.get("templates") or []]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"template '{name}' is there {names.count(name)} times"
        for name, template in self.templates.items():
            for problem in self._template(name, template):
                yield f"template '{name}': {problem}"

    def _entry(self) -> Iterator[str]:
        if "workflowTemplateRef" in self.spec:
            yield "spec.workflowTemplateRef: what it refers to is not in this file, and can't be checked"
            return
        entrypoint = self.spec.get("entrypoint")
        if not entrypoint and self.document.get("kind") in ("Workflow", "CronWorkflow"):
            yield "spec: there is no entrypoint"
        for what, name in (("entrypoint", entrypoint), ("onExit", self.spec.get("onExit"))):
            if name and name not in self.templates:
                yield f"spec.{what}: there is no template '{name}'.{did_you_mean(name, self.templates)}"
            elif name:
                missing = _without_value(self.templates[name], self.spec.get("arguments"))
                if missing:
                    yield f"spec.{what}: template '{name}' is not given its inputs: {', '.join(missing)}"
        if self.document.get("kind") == "CronWorkflow":
            for schedule in self.document["spec"].get("schedules") or [""]:
                if not _CRON.match(schedule):
                    yield f"spec.schedules: '{schedule}' is no schedule of five fields"
        if self.spec.get("parallelism") is not None and self.spec["parallelism"] < 1:
            yield "spec.parallelism: nothing runs with less than 1"

    def _volumes_of_workflow(self) -> Iterator[str]:
        names = [one["name"] for one in _volumes(self.spec)]
        for name in names:
            if not LABEL.match(name):
                yield f"spec.volumes: '{name}' is no name of RFC 1123, of at most 63 characters"
            if names.count(name) > 1:
                yield f"spec.volumes: '{name}' is there twice"

    def _template(self, name: str, template: Mapping[str, Any]) -> Iterator[str]:
        if not LABEL.match(name):
            yield "its name is none of RFC 1123: small letters, digits and '-', at most 63"
        kinds = kinds_of(template)
        if len(kinds) != 1:
            yield f"it is {' and '.join(kinds) if kinds else 'of no kind'}; a template is exactly one"
        yield from _parameter_names("inputs", template.get("inputs"))
        yield from _parameter_names("outputs", template.get("outputs"))
        yield from _labels("metadata.labels", (template.get("metadata") or {}).get("labels"))
        yield from _retry(template.get("retryStrategy"))
        yield from _synchronization("synchronization", template)
        if template.get("parallelism") is not None and template["parallelism"] < 1:
            yield "parallelism: nothing runs with less than 1"
        deadline = template.get("activeDeadlineSeconds")
        if isinstance(deadline, str) and "{{" not in deadline and not deadline.isdigit():
            yield f"activeDeadlineSeconds: '{deadline}' is no number"
        duration = (template.get("suspend") or {}).get("duration")
        if duration is not None and "{{" not in duration and not DURATION.match(duration):
            yield f"suspend.duration: '{duration}' is no duration such as 90, 30s or 1h30m"
        for kind in ("container", "script"):
            if template.get(kind) is not None:
                yield from self._container(kind, template, template[kind])
        if template.get("dag") is not None or template.get("steps") is not None:
            yield from self._calls(template)
        yield from self._own_variables(name, template)

    def _container(self, kind: str, template: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[str]:
        if not container.get("image"):
            yield f"{kind}: it has no image"
        if kind == "container" and not container.get("command"):
            yield "container: it has no command; what an image does by itself can't be checked here"
        if kind == "script" and "{{" in container.get("source", ""):
            yield "script.source: a parameter in a program is run as part of it; pass it as an argument or variable"
        yield from _shell(kind, argv_of(container))
        known = {one["name"] for one in (*_volumes(self.spec), *(template.get("volumes") or []))}
        for mount in container.get("volumeMounts") or []:
            if mount.get("name") not in known:
                near = did_you_mean(mount.get("name", ""), known)
                yield f"{kind}.volumeMounts: there is no volume '{mount.get('name')}'.{near}"
            if not mount.get("mountPath", "").startswith("/"):
                yield f"{kind}.volumeMounts: '{mount.get('mountPath', '')}' is no absolute path"
        for variable in container.get("env") or []:
            if SECRET_NAME.search(variable["name"]) and variable.get("value"):
                yield f"{kind}.env: '{variable['name']}' looks like a secret, and all can read it; use secretKeyRef"
            if re.search(r"://[^/@\s:]*:[^/@\s]+@", variable.get("value") or ""):
                yield f"{kind}.env: the address in '{variable['name']}' has a password; use secretKeyRef"
        for part, amounts in (container.get("resources") or {}).items():
            for resource, amount in amounts.items() if isinstance(amounts, Mapping) else ():
                if not QUANTITY.match(str(amount)):
                    yield f"{kind}.resources.{part}.{resource}: '{amount}' is no quantity such as 500m or 2Gi"

    def _calls(self, template: Mapping[str, Any]) -> Iterator[str]:
        is_dag = template.get("dag") is not None
        names = [call.get("name", "") for call in calls_of(template)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"'{name}' is there {names.count(name)} times"
        tasks = {call.get("name", ""): call for call in calls_of(template)}
        if not tasks:
            yield "it has nothing to do"
        before: set[str] = set()
        for group in groups_of(template):
            for call in group:
                name = call.get("name", "")
                visible = ancestors_of(tasks, name) if is_dag else before
                for problem in self._call(call, tasks, visible, "tasks" if is_dag else "steps", template):
                    yield f"'{name}': {problem}"
            before |= {call.get("name", "") for call in group}
        if is_dag:
            yield from _circles(tasks)
            for target in (template["dag"].get("target") or "").split():
                if target not in tasks:
                    yield f"dag.target: there is no task '{target}'"

    def _call(
        self,
        call: Mapping[str, Any],
        tasks: Mapping[str, Mapping[str, Any]],
        visible: set[str],
        family: str,
        template: Mapping[str, Any],
    ) -> Iterator[str]:
        name = call.get("name", "")
        if not LABEL.match(name):
            yield "its name is none of RFC 1123: small letters, digits and '-', at most 63"
        if call.get("depends") and call.get("dependencies"):
            yield "it has depends and dependencies; Argo takes one of them"
        if call.get("depends"):
            try:
                parse_depends(call["depends"])
            except ConditionError as problem:
                yield f"depends: {problem}"
        for other in dependencies_of(call):
            if other not in tasks:
                yield f"it depends on '{other}', which is not there.{did_you_mean(other, tasks)}"
        loops = [loop for loop in LOOPS if call.get(loop) is not None]
        if len(loops) > 1:
            yield f"it has {' and '.join(loops)}; a loop is one of them"
        yield from _with_param(call)
        if call.get("when"):
            try:
                parse_when(re.sub(r"\{\{.*?\}\}", "true", call["when"]))
            except ConditionError as problem:
                yield f"when: {problem}"
        yield from self._called(call)
        for hook, handler in (call.get("hooks") or {}).items():
            if handler.get("template") and handler["template"] not in self.templates:
                yield f"hooks.{hook}: there is no template '{handler['template']}'"
        loop_parts = {loop: call[loop] for loop in loops}
        rest = {key: value for key, value in call.items() if key not in (*LOOPS, "inline", "onExit", "hooks")}
        for variables, with_item in ((variables_of(loop_parts), False), (variables_of(rest), bool(loops))):
            for variable in variables:
                if variable == "item" or variable.startswith("item."):
                    wrong = None if with_item else f"{{{{{variable}}}}} is only there in a loop"
                elif variable.startswith(f"{family}.") and variable not in _ANYWHERE:
                    wrong = self._output(variable, family, tasks, visible)
                else:
                    wrong = self._variable(variable, template, in_pod=False, ends=False)
                if wrong:
                    yield wrong

    def _called(self, call: Mapping[str, Any]) -> Iterator[str]:
        if call.get("templateRef") is not None:
            yield f"templateRef: '{call['templateRef'].get('name')}' is not in this file, and can't be checked"
            return
        if call.get("inline") is not None:
            yield "inline: a template within a task can't be checked here; give it a name of its own"
            return
        name = call.get("template")
        if name not in self.templates:
            yield f"there is no template '{name}'.{did_you_mean(str(name), self.templates)}"
            return
        called = self.templates[name]
        given = parameters_of(call.get("arguments"))
        declared = parameters_of(called.get("inputs"))
        missing = _without_value(called, call.get("arguments"))
        if missing:
            yield f"template '{name}' is not given its inputs: {', '.join(missing)}"
        for surplus in sorted(given.keys() - declared.keys()):
            yield f"template '{name}' has no input '{surplus}'.{did_you_mean(surplus, declared)}"
        for parameter, argument in given.items():
            if argument.get("value") is None and argument.get("valueFrom") is None:
                yield f"the argument '{parameter}' has no value"

    def _output(
        self, variable: str, family: str, tasks: Mapping[str, Mapping[str, Any]], visible: set[str]
    ) -> str | None:
        """Say what is wrong with a variable about another task, if anything is."""
        task, _, what = variable.removeprefix(f"{family}.").partition(".")
        if task not in tasks:
            return f"{{{{{variable}}}}}: there is no '{task}'.{did_you_mean(task, tasks)}"
        if task not in visible:
            return f"{{{{{variable}}}}}: '{task}' may not be over by then; make this one depend on it"
        if what in _OF_A_CALL:
            return None
        kind, _, name = what.rpartition(".")
        called = self.templates.get(str(tasks[task].get("template")))
        if kind not in ("outputs.parameters", "outputs.artifacts") or called is None:
            return f"{{{{{variable}}}}}: a task has no '{what}'"
        outputs = {one["name"] for one in (called.get("outputs") or {}).get(kind.partition(".")[2]) or []}
        if name not in outputs:
            return f"{{{{{variable}}}}}: '{called.get('name')}' has no such output.{did_you_mean(name, outputs)}"
        return None

    def _own_variables(self, name: str, template: Mapping[str, Any]) -> Iterator[str]:
        """Check the variables of a template outside of its tasks."""
        calls = {call.get("name", ""): call for call in calls_of(template)}
        family = "tasks" if template.get("dag") is not None else "steps"
        own = {
            key: value for key, value in template.items() if key not in ("dag", "steps", "name", "inputs", "metrics")
        }
        for variable in dict.fromkeys(variables_of(own)):
            if calls and variable.startswith(f"{family}."):
                problem = self._output(variable, family, calls, set(calls))
            else:
                problem = self._variable(variable, template, in_pod=True, ends=name in self.at_the_end)
            if problem:
                yield problem
        for output in parameters_of(template.get("outputs")).values():
            source = (output.get("valueFrom") or {}).get("parameter")
            if source is not None and "{{" not in source:
                problem = self._output(source, family, calls, set(calls))
                if problem:
                    yield f"output '{output['name']}': {problem}"

    def _variable(self, variable: str, template: Mapping[str, Any], in_pod: bool, ends: bool) -> str | None:
        if variable.startswith("="):
            return f"{{{{{variable}}}}}: expressions can't be checked here; compute the value in a step"
        if variable in _ONLY_AT_THE_END and not ends:
            return f"{{{{{variable}}}}} is only known to the exit handler" if in_pod else None
        if variable in _WORKFLOW | _ANYWHERE or variable.startswith(_WORKFLOW_PREFIXES):
            return None
        if in_pod and variable in _IN_A_POD:
            return None
        if variable.startswith("workflow.parameters."):
            known = set(parameters_of(self.spec.get("arguments"))) | self._global_outputs()
            return _unknown(variable, "workflow.parameters.", known, "parameter of the workflow")
        if variable.startswith("workflow.outputs."):
            return None if variable.rpartition(".")[2] in self._global_outputs() else f"{{{{{variable}}}}} is not made"
        if variable.startswith("inputs.parameters."):
            return _unknown(variable, "inputs.parameters.", set(parameters_of(template.get("inputs"))), "input")
        for part in ("inputs.artifacts", "outputs.artifacts", "outputs.parameters"):
            if variable.startswith(f"{part}.") and (in_pod or part == "inputs.artifacts"):
                known = {
                    one["name"]
                    for one in (template.get(part.partition(".")[0]) or {}).get(part.partition(".")[2]) or []
                }
                return None if variable.split(".")[2] in known else f"{{{{{variable}}}}}: there is none of this name"
        return f"{{{{{variable}}}}}: Argo has no such variable here"

    def _global_outputs(self) -> set[str]:
        return {
            one["globalName"]
            for template in self.templates.values()
            for kind in ("parameters", "artifacts")
            for one in (template.get("outputs") or {}).get(kind) or []
            if one.get("globalName")
        }

    def _reached_from(self, starts: Sequence[str]) -> set[str]:
        found: set[str] = set()
        waiting = [name for name in starts if name in self.templates]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [
                    call["template"]
                    for call in calls_of(self.templates[name])
                    if call.get("template") in self.templates
                ]
        return found


def _exit_handlers(spec: Mapping[str, Any]) -> list[str]:
    hooks = [hook.get("template") for hook in (spec.get("hooks") or {}).values()]
    return [name for name in (spec.get("onExit"), *hooks) if name]


def _volumes(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    claims = [{"name": claim.get("metadata", {}).get("name", "")} for claim in spec.get("volumeClaimTemplates") or []]
    return [*(spec.get("volumes") or []), *claims]


def _metadata(document: Mapping[str, Any]) -> Iterator[str]:
    metadata = document.get("metadata") or {}
    name, prefix = metadata.get("name"), metadata.get("generateName")
    if not name and not prefix:
        yield "metadata: it has neither name nor generateName"
    if name and not (SUBDOMAIN.match(name) and len(name) <= 63):
        yield f"metadata.name: '{name}' is none of RFC 1123: small letters, digits and '-', at most 63"
    # Kubernetes adds five characters, and Argo makes the names of pods of the result.
    if prefix and not LABEL.match(f"{prefix}xxxxx"):
        yield f"metadata.generateName: '{prefix}' is no beginning of a name of RFC 1123 of at most 63 characters"
    namespace = metadata.get("namespace")
    if namespace and not LABEL.match(namespace):
        yield f"metadata.namespace: '{namespace}' is no name of a namespace"
    yield from _labels("metadata.labels", metadata.get("labels"))


def _labels(place: str, labels: Mapping[str, str] | None) -> Iterator[str]:
    for key, value in (labels or {}).items():
        if not LABEL_KEY.match(key):
            yield f"{place}: '{key}' is no key of a label"
        if "{{" not in value and not LABEL_VALUE.match(value):
            yield f"{place}.{key}: '{value}' is no value of a label"


def _parameter_names(place: str, part: Mapping[str, Any] | None) -> Iterator[str]:
    names = [one["name"] for one in (part or {}).get("parameters") or []]
    for name in dict.fromkeys(names):
        if not PARAMETER.match(name):
            yield f"{place}: '{name}' is no name of a parameter: letters, digits, '_' and '-'"
        if names.count(name) > 1:
            yield f"{place}: the parameter '{name}' is there twice"


def _without_value(template: Mapping[str, Any], arguments: Mapping[str, Any] | None) -> list[str]:
    given = parameters_of(arguments)
    return [
        name
        for name, declared in parameters_of(template.get("inputs")).items()
        if name not in given and not declared.keys() & {"default", "value", "valueFrom"}
    ]


def _retry(strategy: Mapping[str, Any] | None) -> Iterator[str]:
    if strategy is None:
        return
    limit = strategy.get("limit")
    if limit is not None and (not isinstance(limit, str) or not (limit.isdigit() or "{{" in limit)):
        yield f"retryStrategy.limit: {limit!r} is no number written as text, such as '3'"
    policy = strategy.get("retryPolicy")
    if policy not in (None, "Always", "OnFailure", "OnError", "OnTransientError"):
        yield f"retryStrategy.retryPolicy: Argo knows no '{policy}'"
    backoff = strategy.get("backoff") or {}
    for name in ("duration", "maxDuration", "cap"):
        if backoff.get(name) is not None and "{{" not in backoff[name] and not DURATION.match(backoff[name]):
            yield f"retryStrategy.backoff.{name}: '{backoff[name]}' is no duration such as 30s or 5m"
    factor = backoff.get("factor")
    if factor is not None and "{{" not in str(factor) and not str(factor).isdigit():
        yield f"retryStrategy.backoff.factor: '{factor}' is no whole number"
    if strategy.get("expression"):
        try:
            check_retry(strategy["expression"])
        except ConditionError as problem:
            yield f"retryStrategy.expression: {problem}"


def _synchronization(place: str, part: Mapping[str, Any]) -> Iterator[str]:
    synchronization = part.get("synchronization") or {}
    for mutex in synchronization.get("mutexes") or []:
        if not mutex.get("name"):
            yield f"{place}: a mutex has no name"
    for semaphore in synchronization.get("semaphores") or []:
        reference = semaphore.get("configMapKeyRef") or {}
        if "database" not in semaphore and not (reference.get("name") and reference.get("key")):
            yield f"{place}: a semaphore names no key of a ConfigMap"


def _shell(kind: str, argv: Sequence[str]) -> Iterator[str]:
    """Find parameters in what a shell or interpreter is given as its program."""
    interpreters = [at for at, word in enumerate(argv) if _INTERPRETERS.match(PurePosixPath(word).name)]
    for at in interpreters:
        flags = [here for here in range(at + 1, len(argv)) if _CODE_FOLLOWS.match(argv[here])]
        after = argv[flags[0] + 1 :] if flags else []
        if "{{" in next((word for word in after if not word.startswith("-")), ""):
            program = f"{argv[at]} {argv[flags[0]]}"
            yield f"{kind}: a parameter in what '{program}' runs is run as part of it; pass it as an argument"
            return


def _with_param(call: Mapping[str, Any]) -> Iterator[str]:
    text = call.get("withParam")
    if text is None or "{{" in text:
        return
    try:
        found = json.loads(text)
    except ValueError as problem:
        yield f"withParam: it is no JSON: {problem}"
        return
    if not isinstance(found, list):
        yield "withParam: it is no list"


def _circles(tasks: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name in tasks:
        if name in ancestors_of(tasks, name):
            yield f"'{name}' depends on itself, by way of what it depends on"
            return


def _unknown(variable: str, prefix: str, known: set[str], what: str) -> str | None:
    name = variable.removeprefix(prefix)
    return None if name in known else f"{{{{{variable}}}}}: there is no {what} '{name}'.{did_you_mean(name, known)}"
