"""The run that started this one, as orchestrators say in the environment.

``OPENLINEAGE_CONTEXT`` is the standard's JSON, ``OPENLINEAGE_PARENT_ID`` and ``OPENLINEAGE_ROOT_PARENT_ID`` the older
``namespace/name/runId`` of Airflow and dbt. What can't be read is told and otherwise ignored.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from mlbsdk.lineage.context import JobRun

CONTEXT, PARENT, ROOT = "OPENLINEAGE_CONTEXT", "OPENLINEAGE_PARENT_ID", "OPENLINEAGE_ROOT_PARENT_ID"


def parent_run(environment: Mapping[str, str]) -> tuple[JobRun | None, str | None]:
    """Return the parent run that the environment names, if any, and what is wrong with what it says."""
    if environment.get(CONTEXT, "").strip():
        try:
            return _of_context(environment[CONTEXT]), None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
            return None, f"{CONTEXT} can't be read, so the run has no parent: {_reason(problem)}"
    if not environment.get(PARENT, "").strip():
        return None, None
    try:
        parent = _of_text(environment[PARENT])
    except ValueError as problem:
        return None, f"{PARENT} can't be read, so the run has no parent: {problem}"
    if not environment.get(ROOT, "").strip():
        return parent, None
    try:
        root = _of_text(environment[ROOT])
    except ValueError as problem:
        return parent, f"{ROOT} can't be read, so the parent counts as the root: {problem}"
    return JobRun(parent.namespace, parent.job, parent.run_id, root), None


def _reason(problem: Exception) -> str:
    return f"it has no {problem}" if isinstance(problem, KeyError) else str(problem) or type(problem).__name__


def _of_context(text: str) -> JobRun | None:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("it is no JSON object")
    if data.get("parent") is None:
        return None
    parent = _run(data["parent"])
    root = data["parent"].get("root") or data.get("root")
    return JobRun(parent.namespace, parent.job, parent.run_id, _run(root) if root else None)


def _run(data: Any) -> JobRun:
    if not isinstance(data, dict):
        raise ValueError("parent and root are JSON objects")
    return _checked(data["job"]["namespace"], data["job"]["name"], data["run"]["runId"])


def _of_text(text: str) -> JobRun:
    # Names may hold a slash, and so might the namespace: the first and the last one are taken as the borders.
    namespace, _, rest = text.strip().partition("/")
    name, _, run_id = rest.rpartition("/")
    return _checked(namespace, name, run_id)


def _checked(namespace: Any, name: Any, run_id: Any) -> JobRun:
    if not all(isinstance(part, str) and part.strip() for part in (namespace, name, run_id)):
        raise ValueError("namespace, name and run id must all be there, as NAMESPACE/NAME/RUN_ID")
    try:
        return JobRun(namespace, name, str(uuid.UUID(run_id)))
    except ValueError:
        raise ValueError("its run id is no UUID") from None
