"""MLB teams: teams, their ballparks and rosters as tables of schemas ``team`` and ``venue``."""

from __future__ import annotations

from collections.abc import Iterable

from mlbsdk import TransformDecl, hookimpl

MLBSDK_PLUGIN_API = 1

_PACKAGE = "mlbsdk_plugin_team"


@hookimpl
def mlbsdk_transforms() -> Iterable[TransformDecl]:
    """Declare the transforms of teams."""
    return (
        TransformDecl(
            name="team.team",
            summary="Teams with league and division, and their ballparks.",
            mapping=(_PACKAGE, "mappings/team/team.yaml"),
            sample=(_PACKAGE, "samples/teams_2024.json.gz"),
        ),
        TransformDecl(
            name="team.roster",
            summary="Rosters of a team: who is on it, with status and biography.",
            mapping=(_PACKAGE, "mappings/team/roster.yaml"),
            sample=(_PACKAGE, "samples/roster_147_2024.json.gz"),
        ),
    )
