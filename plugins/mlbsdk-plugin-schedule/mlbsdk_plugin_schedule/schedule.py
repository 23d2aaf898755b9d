"""The transformation of schedules."""

from __future__ import annotations

from mlbsdk.plugin import BaseTransformation


class ScheduleTransformation(BaseTransformation):
    """Cuts schedules (StatsAPI ``schedule``) into the tables of schema ``schedule``.

    The mapping ``schedule/schedule.yaml`` says all that schedules need, so nothing is overridden here; the class is the
    name to subclass where a schedule needs more than a mapping can say.
    """
