"""MLB games: the live feed, boxscore and linescore as tables of schema ``game``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlbsdk import TransformDecl, hookimpl

if TYPE_CHECKING:
    from mlbsdk.plugin import BaseTransformation

MLBSDK_PLUGIN_API = 1

_PACKAGE = "mlbsdk_plugin_game"


def _live_game() -> type[BaseTransformation]:
    from mlbsdk_plugin_game.live_game import GameLiveTransformation

    return GameLiveTransformation


@hookimpl
def mlbsdk_transforms() -> Iterable[TransformDecl]:
    """Declare the transforms of a game."""
    return (
        TransformDecl(
            name="game.live_game_v1",
            summary="The live feed of a game: plays, pitches, runners, line-ups, statistics.",
            mapping=(_PACKAGE, "mappings/game/live_game_v1.yaml"),
            make=_live_game,
            sample=(_PACKAGE, "samples/live_game_747175.json.gz"),
        ),
        TransformDecl(
            name="game.boxscore",
            summary="The boxscore of a game: teams, players and their statistics.",
            mapping=(_PACKAGE, "mappings/game/boxscore.yaml"),
            sample=(_PACKAGE, "samples/boxscore_747175.json.gz"),
        ),
        TransformDecl(
            name="game.linescore",
            summary="The linescore of a game: runs, hits and errors by inning.",
            mapping=(_PACKAGE, "mappings/game/linescore.yaml"),
            sample=(_PACKAGE, "samples/linescore_747175.json.gz"),
        ),
    )
