"""Events of a workflow: the parent run of all runs in it, told of by whatever orchestrates them.

The runs know their parent by ``OPENLINEAGE_CONTEXT`` or ``OPENLINEAGE_PARENT_ID``.
"""

from __future__ import annotations

import uuid
from typing import Literal

from mlbsdk.errors import ConfigurationError
from mlbsdk.lineage import facets
from mlbsdk.lineage.backends import namespace
from mlbsdk.lineage.context import JobRun, RunContext
from mlbsdk.lineage.events import State, event
from mlbsdk.lineage.telling import Telling
from mlbsdk.settings import home

WorkflowState = Literal["START", "COMPLETE", "FAIL", "ABORT"]


def tell_of_workflow(
    job: str, run_id: str, state: WorkflowState, *, description: str = "", error: str | None = None
) -> str | None:
    """Send an event of a workflow's run to the configured lineage backend.

    Args:
        job: the name of its OpenLineage job; the namespace is ``MLBSDK_LINEAGE_NAMESPACE``, or mlbsdk.
        run_id: its run, a UUID: the same for all of its events, and the parent of the runs in it.
        state: what it came to.
        description: what the workflow is for.
        error: why it failed.

    Returns:
        Why the backend did not take it, in which case the event is kept for ``mlbsdk lineage flush``; None where it
        did, or where no backend is configured. Never raised: a backend's fault is not the workflow's.

    Raises:
        ConfigurationError: the run is no UUID.
    """
    try:
        uuid.UUID(run_id)
    except ValueError as problem:
        raise ConfigurationError(f"a run of OpenLineage is a UUID, not '{run_id}'") from problem
    of_run = facets.of_run(RunContext())
    if error:
        of_run["errorMessage"] = facets.error_message(RuntimeError(error), stack_traces=False)
    run = JobRun(namespace(), job, run_id)
    of_job = facets.of_job("WORKFLOW", description)
    notes = Telling(str(home()), run_id=run_id).end([event(State[state], run, of_run=of_run, of_job=of_job)])
    return "; ".join(notes) or None
