"""Statistics blocks (batting, pitching, fielding), whose columns are named after their keys by one rule."""

from __future__ import annotations

from typing import Any

from tests.oracle.values import Row, at, exact, snake, text, whole

#: Keys whose column is not their name in snake case.
RENAMED = {
    "fielding": "percentage",
    "groundOutsToAirouts": "ground_outs_to_air_outs",
    "strikeoutsPer9Inn": "strikeouts_per_9_innings",
    "walksPer9Inn": "walks_per_9_innings",
    "hitsPer9Inn": "hits_per_9_innings",
}
TEXTS = {"summary", "note"}
#: Digits after the point of statistics that are no counts.
PLACES = {
    **dict.fromkeys(["avg", "obp", "slg", "ops", "babip", "fielding"], 3),
    **dict.fromkeys(["stolenBasePercentage", "caughtStealingPercentage", "strikePercentage", "winPercentage"], 3),
    **dict.fromkeys(["atBatsPerHomeRun", "era", "whip", "groundOutsToAirouts", "pitchesPerInning"], 2),
    **dict.fromkeys(["strikeoutWalkRatio", "strikeoutsPer9Inn", "walksPer9Inn", "hitsPer9Inn"], 2),
    **dict.fromkeys(["runsScoredPer9", "homeRunsPer9"], 2),
    "inningsPitched": 1,
}

_OUTS = "flyOuts groundOuts airOuts popOuts lineOuts"
_HITTING = "runs doubles triples homeRuns strikeOuts baseOnBalls intentionalWalks hits hitByPitch atBats"
_STEALING = "caughtStealing stolenBases stolenBasePercentage"
_BATTING = (
    f"{_OUTS} {_HITTING} {_STEALING} groundIntoDoublePlay groundIntoTriplePlay plateAppearances totalBases rbi "
    "leftOnBase sacBunts sacFlies catchersInterference pickoffs atBatsPerHomeRun"
)
_PITCHING = (
    f"{_OUTS} {_HITTING} {_STEALING} numberOfPitches inningsPitched saveOpportunities earnedRuns battersFaced outs "
    "completeGames shutouts pitchesThrown balls strikes strikePercentage hitBatsmen balks wildPitches pickoffs rbi "
    "runsScoredPer9 homeRunsPer9 inheritedRunners inheritedRunnersScored catchersInterference sacBunts sacFlies "
    "passedBall"
)
_PITCHER = f"{_PITCHING} gamesPlayed gamesStarted wins losses saves holds blownSaves gamesPitched gamesFinished"
_FIELDING = f"{_STEALING} caughtStealingPercentage assists putOuts errors chances passedBall pickoffs"
_FIELDER = f"{_FIELDING} gamesStarted fielding"

#: A player's line of one game.
GAME = {
    "batting": f"summary note gamesPlayed {_BATTING}",
    "pitching": f"summary note {_PITCHER}",
    "fielding": _FIELDER,
}
#: A player's line of the season.
SEASON = {
    "batting": f"gamesPlayed {_BATTING} avg obp slg ops caughtStealingPercentage babip groundOutsToAirouts",
    "pitching": f"{_PITCHER} obp caughtStealingPercentage era whip groundOutsToAirouts winPercentage pitchesPerInning "
    "strikeoutWalkRatio strikeoutsPer9Inn walksPer9Inn hitsPer9Inn",
    "fielding": _FIELDER,
}
#: A team's totals of one game.
TEAM = {
    "batting": f"{_BATTING} avg obp slg ops",
    "pitching": f"{_PITCHING} obp caughtStealingPercentage era whip groundOutsToAirouts pitchesPerInning",
    "fielding": _FIELDING,
}


def lines(blocks: Any, kinds: dict[str, str], prefix: str = "") -> Row:
    """Return the columns of the blocks batting, pitching and fielding."""
    return {
        f"{prefix}{kind}_{RENAMED.get(key, snake(key))}": _statistic(key, at(blocks, kind, key))
        for kind, keys in kinds.items()
        for key in keys.split()
    }


def _statistic(key: str, value: Any) -> Any:
    if key in TEXTS:
        return text(value)
    return exact(value, PLACES[key]) if key in PLACES else whole(value)
