"""Events of a workflow: the parent run of all runs in it, told of by whatever orchestrates them.

The runs know their parent by ``OPENLINEAGE_CONTEXT`` or ``OPENLINEAGE_PARENT_ID``.
"""

from __future__ import annotations

import os
import uuid
from datetime import datetime, timezone
from typing import Literal

from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.facet_v2 import documentation_job, error_message_run, job_type_job, processing_engine_run

from mlbsdk.errors import ConfigurationError, redact
from mlbsdk.lineage.delivery import Delivery, configured_transport, is_configured, namespace, quiet_client
from mlbsdk.lineage.events import PRODUCER, processing_engine
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
    quiet_client()
    transport, wrong = None, None
    if is_configured(os.environ):
        try:
            transport = configured_transport()
        except Exception as problem:  # the client raises many kinds for what a user wrote
            wrong = redact(f"the OpenLineage configuration: {type(problem).__name__}: {problem}")
    delivery = Delivery(str(home()), transport, wrong)
    delivery.send([_event(job, run_id, state, description, error)])
    return redact(str(delivery.problem)) if delivery.spooled else None


def _event(job: str, run_id: str, state: WorkflowState, description: str, error: str | None) -> RunEvent:
    facets: dict[str, processing_engine_run.ProcessingEngineRunFacet | error_message_run.ErrorMessageRunFacet] = {
        "processing_engine": processing_engine()
    }
    if error:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=redact(error), programmingLanguage="Python"
        )
    job_facets: dict[str, job_type_job.JobTypeJobFacet | documentation_job.DocumentationJobFacet] = {
        "jobType": job_type_job.JobTypeJobFacet(processingType="BATCH", integration="MLBSDK", jobType="WORKFLOW")
    }
    if description:
        job_facets["documentation"] = documentation_job.DocumentationJobFacet(description=description)
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return RunEvent(
        eventType=RunState[state],
        eventTime=now,
        run=Run(runId=run_id, facets=dict(facets)),
        job=Job(namespace=namespace(), name=job, facets=dict(job_facets)),
        inputs=[],
        outputs=[],
        producer=PRODUCER,
    )
