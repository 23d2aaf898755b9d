"""Which parts of a manifest the local runner carries out, and which mean nothing on one machine.

Whatever is in neither list is refused before anything runs: a part that was left out in silence would prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlbsdk_plugin_argo.manifest import calls_of, spec_of

_SPEC = {
    *("entrypoint", "arguments", "templates", "onExit", "parallelism", "volumes", "activeDeadlineSeconds"),
    # without a meaning here
    *("affinity", "archiveLogs", "automountServiceAccountToken", "dnsConfig", "dnsPolicy", "executor", "hostAliases"),
    *("hostNetwork", "imagePullSecrets", "metrics", "nodeSelector", "podDisruptionBudget", "podGC", "podMetadata"),
    *("podPriorityClassName", "priority", "schedulerName", "securityContext", "serviceAccountName", "synchronization"),
    *("tolerations", "ttlStrategy", "workflowMetadata"),
}
_TEMPLATE = {
    *("name", "container", "dag", "steps", "suspend", "inputs", "outputs", "retryStrategy", "synchronization"),
    *("parallelism", "failFast", "activeDeadlineSeconds", "timeout"),
    # without a meaning here
    *("affinity", "annotations", "automountServiceAccountToken", "executor", "hostAliases", "metadata", "metrics"),
    *("nodeSelector", "priorityClassName", "schedulerName", "securityContext", "serviceAccountName", "tolerations"),
    *("pendingTimeout", "memoize"),
}
_CONTAINER = {
    *("command", "args", "env", "envFrom", "volumeMounts", "workingDir"),
    *("image", "imagePullPolicy", "name", "resources", "securityContext"),
    *("terminationMessagePath", "terminationMessagePolicy"),
}
_CALL = {
    *("name", "template", "arguments", "dependencies", "depends", "when", "withItems", "withParam", "continueOn"),
}
_RETRY = {"limit", "retryPolicy", "expression", "backoff", "affinity"}
_PARAMETER = {"name", "value", "default", "description", "enum", "valueFrom"}


def unsupported(document: Mapping[str, Any]) -> list[str]:
    """Return the parts of a manifest, which passed its checks, that can't be carried out here."""
    return list(_unsupported(document))


def _unsupported(document: Mapping[str, Any]) -> Iterator[str]:
    spec = spec_of(document)
    yield from _beyond(spec, _SPEC, "spec")
    yield from _parameters(spec.get("arguments"), "spec.arguments", frozenset())
    for volume in spec.get("volumes") or []:
        yield from _beyond(
            volume, {"name", "emptyDir", "persistentVolumeClaim", "configMap", "secret"}, f"volume '{volume['name']}'"
        )
    for template in spec.get("templates") or []:
        place = f"template '{template['name']}'"
        yield from _beyond(template, _TEMPLATE, place)
        yield from _parameters(template.get("inputs"), f"{place}: inputs", frozenset())
        sources = {"path", "default"} if template.get("container") is not None else {"parameter", "default"}
        yield from _parameters(template.get("outputs"), f"{place}: outputs", frozenset(sources))
        yield from _beyond(template.get("retryStrategy") or {}, _RETRY, f"{place}: retryStrategy")
        if template.get("container") is not None:
            yield from _container(template["container"], f"{place}: container")
        else:
            for part in ("retryStrategy", "activeDeadlineSeconds", "timeout", "synchronization"):
                if template.get(part) is not None:
                    yield f"{place}: {part} is only carried out for containers"
        if (template.get("dag") or {}).get("target"):
            yield f"{place}: dag.target"
        for call in calls_of(template):
            yield from _beyond(call, _CALL, f"{place}, '{call['name']}'")
            yield from _parameters(call.get("arguments"), f"{place}, '{call['name']}'", frozenset())
        for semaphore in (template.get("synchronization") or {}).get("semaphores") or []:
            yield from _beyond(semaphore, {"configMapKeyRef", "namespace"}, f"{place}: a semaphore")


def _container(container: Mapping[str, Any], place: str) -> Iterator[str]:
    yield from _beyond(container, _CONTAINER, place)
    for variable in container.get("env") or []:
        yield from _beyond(
            variable.get("valueFrom") or {}, {"secretKeyRef", "configMapKeyRef"}, f"{place}: env {variable['name']}"
        )
    for source in container.get("envFrom") or []:
        yield from _beyond(source, {"secretRef", "configMapRef"}, f"{place}: envFrom")
    for mount in container.get("volumeMounts") or []:
        yield from _beyond(mount, {"name", "mountPath", "readOnly"}, f"{place}: volumeMounts")


def _parameters(part: Mapping[str, Any] | None, place: str, sources: frozenset[str]) -> Iterator[str]:
    if (part or {}).get("artifacts"):
        yield f"{place}: artifacts"
    for parameter in (part or {}).get("parameters") or []:
        yield from _beyond(parameter, _PARAMETER, f"{place} '{parameter['name']}'")
        yield from _beyond(parameter.get("valueFrom") or {}, set(sources), f"{place} '{parameter['name']}': valueFrom")


def _beyond(part: Mapping[str, Any], known: set[str], place: str) -> Iterator[str]:
    for name in part:
        if name not in known:
            yield f"{place}: {name}"
