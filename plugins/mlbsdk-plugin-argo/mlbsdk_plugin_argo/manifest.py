"""A workflow's manifest: its parts by name, as the checks and the local runner look at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlbsdk_plugin_argo.conditions import ConditionError, parse_depends

#: What makes a template the kind that it is: each has exactly one.
TEMPLATE_KINDS = (
    "container",
    "containerSet",
    "dag",
    "data",
    "http",
    "plugin",
    "resource",
    "script",
    "steps",
    "suspend",
)
LOOPS = ("withItems", "withParam", "withSequence")


def spec_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the specification of a workflow, also of one inside a CronWorkflow."""
    spec: Mapping[str, Any] = document.get("spec") or {}
    if document.get("kind") == "CronWorkflow":
        spec = spec.get("workflowSpec") or {}
    return spec


def templates_of(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the templates by name."""
    return {template.get("name", ""): template for template in spec_of(document).get("templates") or []}


def kinds_of(template: Mapping[str, Any]) -> list[str]:
    """Return the kinds that a template claims to be; one, if it is right."""
    return [kind for kind in TEMPLATE_KINDS if template.get(kind) is not None]


def parameters_of(part: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """Return the parameters of arguments, inputs or outputs, by name."""
    return {one["name"]: one for one in (part or {}).get("parameters") or []}


def groups_of(template: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
    """Return the steps of a template, in the groups that run together; for a DAG all its tasks in one group."""
    if template.get("steps") is not None:
        return [list(group) for group in template["steps"]]
    return [list((template.get("dag") or {}).get("tasks") or [])]


def calls_of(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the tasks or steps of a template."""
    for group in groups_of(template):
        yield from group


def dependencies_of(task: Mapping[str, Any]) -> list[str]:
    """Return the tasks that a task of a DAG names in ``dependencies`` or ``depends``; none where it can't be read."""
    if task.get("depends"):
        try:
            return list(dict.fromkeys(words[0] for words in parse_depends(task["depends"]).atoms()))
        except ConditionError:
            return []
    return list(task.get("dependencies") or [])


def ancestors_of(tasks: Mapping[str, Mapping[str, Any]], name: str) -> set[str]:
    """Return the tasks that are over before a task of a DAG begins."""
    found: set[str] = set()
    waiting = dependencies_of(tasks[name])
    while waiting:
        one = waiting.pop()
        if one not in found and one in tasks:
            found.add(one)
            waiting += dependencies_of(tasks[one])
    return found


def argv_of(container: Mapping[str, Any]) -> list[str]:
    """Return the command of a container with its arguments."""
    return [*(container.get("command") or []), *(container.get("args") or [])]
