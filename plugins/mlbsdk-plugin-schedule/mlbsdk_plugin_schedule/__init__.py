"""MLB schedules: games by date and postseasons as tables of schema ``schedule``, seasons as ``season.season``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlbsdk import TransformDecl, hookimpl

if TYPE_CHECKING:
    from mlbsdk.plugin import BaseTransformation

MLBSDK_PLUGIN_API = 1

_PACKAGE = "mlbsdk_plugin_schedule"


def _schedule() -> type[BaseTransformation]:
    from mlbsdk_plugin_schedule.schedule import ScheduleTransformation

    return ScheduleTransformation


@hookimpl
def mlbsdk_transforms() -> Iterable[TransformDecl]:
    """Declare the transforms of schedules and seasons."""
    return (
        TransformDecl(
            name="schedule.schedule",
            summary="Games by date: status, teams, scores, venue, probable pitchers, broadcasts.",
            mapping=(_PACKAGE, "mappings/schedule/schedule.yaml"),
            make=_schedule,
            sample=(_PACKAGE, "samples/schedule_2024-10-25.json.gz"),
        ),
        TransformDecl(
            name="schedule.postseason",
            summary="The series of a postseason and their games.",
            mapping=(_PACKAGE, "mappings/schedule/postseason.yaml"),
            sample=(_PACKAGE, "samples/postseason_2024.json.gz"),
        ),
        TransformDecl(
            name="season.season",
            summary="Seasons: when each and its parts begin and end.",
            mapping=(_PACKAGE, "mappings/season/season.yaml"),
            sample=(_PACKAGE, "samples/all_seasons.json.gz"),
        ),
    )
