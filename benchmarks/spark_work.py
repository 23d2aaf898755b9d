"""How much Spark did: the jobs, stages and tasks that its own store of statuses lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from measures import Counts

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LISTENERS_MAY_TAKE_MS = 30_000


class SparkWork:
    """Counts what the session starts, in whatever thread and job group.

    The store of statuses is what Spark keeps for its own pages: it costs a run nothing, where an event log would have
    the plan of every query written out.
    """

    def __init__(self, spark: SparkSession) -> None:
        self._context = spark.sparkContext._jsc.sc()

    def last_job(self) -> int:
        """Return the id of the newest job; -1 before the first."""
        return max((int(job.jobId()) for job in self._jobs()), default=-1)

    def since(self, job: int) -> Counts:
        """Return what was started after a job."""
        found = [one for one in self._jobs() if int(one.jobId()) > job]
        stages = sum(int(one.numCompletedStages()) for one in found)
        return Counts(len(found), stages, sum(int(one.numCompletedTasks()) for one in found))

    def _jobs(self) -> list[Any]:
        self._context.listenerBus().waitUntilEmpty(_LISTENERS_MAY_TAKE_MS)
        listed = self._context.statusStore().jobsList(None)
        return [listed.apply(number) for number in range(listed.size())]
