"""The transformation of the live game feed."""

from __future__ import annotations

from mlbsdk.plugin import BaseTransformation


class GameLiveTransformation(BaseTransformation):
    """Cuts the live feed of games (StatsAPI ``game/{game_pk}/feed/live``, v1.1) into the tables of schema ``game``.

    The mapping ``game/live_game_v1.yaml`` says all that this feed needs, so nothing is overridden here; the class is
    the name to subclass where a game needs more than a mapping can say.
    """
