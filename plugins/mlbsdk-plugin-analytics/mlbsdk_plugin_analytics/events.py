"""What plays, pitches and runners say of each player's game, counted without the boxscore."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PLAYER = ("game_pk", "side", "player_id")
_PLAY = ("game_pk", "at_bat_index")


def _texts(*values: str) -> str:
    return "(" + ", ".join(f"'{value}'" for value in values) + ")"


#: Results of a plate appearance, as StatsAPI's eventTypes say; other results end a half inning on the bases.
_WALKS = ("walk", "intent_walk")
_STRIKE_OUTS = ("strikeout", "strike_out", "strikeout_double_play", "strikeout_triple_play")
_SAC_FLIES = ("sac_fly", "sac_fly_double_play")
_SAC_BUNTS = ("sac_bunt", "sac_bunt_double_play")
_HITS = ("single", "double", "triple", "home_run")
_PLATE_APPEARANCES = (
    *(*_HITS, *_WALKS, *_STRIKE_OUTS, *_SAC_FLIES, *_SAC_BUNTS),
    *("hit_by_pitch", "catcher_interf", "batter_interference", "fan_interference"),
    *("field_out", "force_out", "fielders_choice", "fielders_choice_out", "field_error", "error"),
    *("grounded_into_double_play", "grounded_into_triple_play", "double_play", "triple_play"),
)
_NO_AT_BATS = (*_WALKS, *_SAC_FLIES, *_SAC_BUNTS, "hit_by_pitch", "catcher_interf")
#: Calls of pitches, https://statsapi.mlb.com/api/v1/pitchCodes: S swinging strike, W in the dirt, T foul tip, Q at a
#: pitchout; F foul, X D E in play. Bunts (L, M, O, R) are no swings here.
_WHIFFS = ("S", "W", "T", "Q")
_SWINGS = (*_WHIFFS, "F", "X", "D", "E")
_IN_PLAY = ("X", "D", "E")

#: Counts of a plate appearance, for its batter and for its pitcher, as SQL over a play.
_BATTING = {
    "plate_appearances": "1",
    "at_bats": f"if(event_type IN {_texts(*_NO_AT_BATS)}, 0, 1)",
    "hits": f"if(event_type IN {_texts(*_HITS)}, 1, 0)",
    "doubles": "if(event_type = 'double', 1, 0)",
    "triples": "if(event_type = 'triple', 1, 0)",
    "home_runs": "if(event_type = 'home_run', 1, 0)",
    "total_bases": "CASE event_type WHEN 'single' THEN 1 WHEN 'double' THEN 2 WHEN 'triple' THEN 3 "
    "WHEN 'home_run' THEN 4 ELSE 0 END",
    "rbi": "coalesce(rbi, 0)",
    "base_on_balls": f"if(event_type IN {_texts(*_WALKS)}, 1, 0)",
    "intentional_walks": "if(event_type = 'intent_walk', 1, 0)",
    "strike_outs": f"if(event_type IN {_texts(*_STRIKE_OUTS)}, 1, 0)",
    "hit_by_pitch": "if(event_type = 'hit_by_pitch', 1, 0)",
    "sac_flies": f"if(event_type IN {_texts(*_SAC_FLIES)}, 1, 0)",
    "sac_bunts": f"if(event_type IN {_texts(*_SAC_BUNTS)}, 1, 0)",
}
_PITCHING = {
    "batters_faced": "1",
    **{name: _BATTING[name] for name in ("hits", "home_runs", "base_on_balls", "intentional_walks", "strike_outs")},
    "hit_batsmen": _BATTING["hit_by_pitch"],
}
#: Counts of a movement, for the runner, and for the pitcher.
_SCORED = "end_base = 'score' AND coalesce(is_out, false) = false"
_RUNNING = {
    "runs": f"if({_SCORED}, 1, 0)",
    "stolen_bases": "if(event_type LIKE 'stolen_base%' AND coalesce(is_out, false) = false, 1, 0)",
    "caught_stealing": "if(event_type RLIKE '^(pickoff_)?caught_stealing' AND is_out, 1, 0)",
}
_RUNNERS_ALLOWED = {
    "outs": "if(is_out, 1, 0)",
    "runs": f"if({_SCORED}, 1, 0)",
    "earned_runs": f"if({_SCORED} AND is_earned, 1, 0)",
}
_THROWN = {
    "pitches_thrown": "1",
    "strikes": "if(is_strike OR is_in_play, 1, 0)",
    "balls": "if(is_ball, 1, 0)",
    "swings": f"if(pitch_call_code IN {_texts(*_SWINGS)}, 1, 0)",
    "whiffs": f"if(pitch_call_code IN {_texts(*_WHIFFS)}, 1, 0)",
}
#: Of batted balls with a measured exit velocity; mph and degrees. docs/analytics.md cites the definitions.
_BATTED = {
    "batted_balls": "1",
    # Of decimals, so that the sum is the same in any order.
    "exit_velocity_sum": "launch_speed",
    "exit_velocity_max": "launch_speed",
    "hard_hit_balls": "if(launch_speed >= 95, 1, 0)",
    "sweet_spot_balls": "if(launch_angle BETWEEN 8 AND 32, 1, 0)",
    # From 98 mph at 26 to 30 degrees, a wider angle for each mph, up to 8 to 50 degrees.
    "barrels": "if(launch_speed >= 98 AND launch_angle BETWEEN 8 AND 50 AND launch_speed * 1.5 - launch_angle >= 117 "
    "AND launch_speed + launch_angle >= 124, 1, 0)",
}


def lines(plays: DataFrame, actions: DataFrame, pitches: DataFrame, hits: DataFrame, runners: DataFrame) -> DataFrame:
    """Return each player's game as these tables of the live game tell it.

    Returns:
        One row for each player of a side in a game (:data:`PLAYER`) with counts ``batting_*`` and ``pitching_*``; null
        where there was nothing to count. A plate appearance is its batter's and pitcher's at its end; rule 9.15(b)
        gives some strikeouts to a batter who was replaced, whose line can differ for it. Pitches, outs and batted
        balls are the pitcher's at that moment, and runs his who is responsible for the runner.
    """
    complete = plays.where(f"is_complete AND event_type IN {_texts(*_PLATE_APPEARANCES)}")
    batted = hits.where(f"launch_speed IS NOT NULL AND pitch_call_code IN {_texts(*_IN_PLAY)}")
    at_the_mound = _unioned(
        [
            pitches.selectExpr(*_MOMENT, *_named(_THROWN, "pitching_")),
            batted.selectExpr(*_MOMENT, *_named(_BATTED, "pitching_")),
            runners.selectExpr(
                *_MOMENT,
                f"if({_SCORED}, responsible_pitcher_id, NULL) AS charged_id",
                *_named(_RUNNERS_ALLOWED, "pitching_"),
            ),
        ]
    )
    # A runner who steals and goes on at an error has two movements of one event.
    once = runners.dropDuplicates([*_PLAY, "event_index", "runner_id", "event_type", "end_base"])
    pitched = with_thrower(at_the_mound, plays, actions).drop("event_index", "at_bat_index", "pitcher_id")
    parts = [
        complete.selectExpr(*_player("batter_id", bats=True), *_named(_BATTING, "batting_")),
        once.selectExpr(*_player("runner_id", bats=True), *_named(_RUNNING, "batting_")),
        batted.selectExpr(*_player("batter_id", bats=True), *_named(_BATTED, "batting_")),
        complete.selectExpr(*_player("pitcher_id", bats=False), *_named(_PITCHING, "pitching_")),
        pitched.selectExpr(
            *_player("coalesce(charged_id, thrower_id)", bats=False),
            *(name for name in pitched.columns if name.startswith("pitching_")),
        ),
    ]
    rows = _unioned(parts).where("player_id IS NOT NULL")
    return rows.groupBy(*PLAYER).agg(*(_total(name) for name in rows.columns if name not in PLAYER))


def pitches_by_type(pitches: DataFrame, plays: DataFrame, actions: DataFrame) -> DataFrame:
    """Return the pitches of pitchers by ``pitch_type``: their number, speeds and their sum, swings, whiffs."""
    from pyspark.sql import functions as F

    counts = {
        "pitches": "1",
        "measured": "if(start_speed IS NULL, 0, 1)",
        "speed_sum": "start_speed",
        "swings": _THROWN["swings"],
        "whiffs": _THROWN["whiffs"],
    }
    classified = pitches.where("pitch_type IS NOT NULL").selectExpr(*_MOMENT, "pitch_type", *_named(counts, "type_"))
    thrown = with_thrower(classified, plays, actions)
    of_pitchers = thrown.selectExpr(
        *_player("thrower_id", bats=False), "pitch_type", *(f"type_{one}" for one in counts)
    )
    return of_pitchers.groupBy(*PLAYER, "pitch_type").agg(
        *(F.sum(f"type_{one}").alias(f"type_{one}") for one in counts)
    )


def with_thrower(events: DataFrame, plays: DataFrame, actions: DataFrame) -> DataFrame:
    """Add ``thrower_id``: the pitcher at an event, where a play's own pitcher is the one at its end.

    Args:
        events: rows with game_pk, at_bat_index, event_index and pitcher_id.
        plays: ``game.live_game_plays``.
        actions: ``game.live_game_play_actions``, with the changes of pitchers.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.window import Window

    half = Window.partitionBy("game_pk", "half_inning").orderBy("at_bat_index")
    before = plays.select(*_PLAY, F.lag("pitcher_id").over(half).alias("_pitcher_before"))
    change = F.struct("event_index", "player_id", "replaced_player_id")
    changes = (
        actions.where("event_type = 'pitching_substitution' AND player_id IS NOT NULL")
        .groupBy(*_PLAY)
        .agg(F.array_sort(F.collect_list(change)).alias("_changes"))
    )
    made = "filter(_changes, change -> change.event_index <= event_index)"
    thrower = (
        "CASE WHEN _changes IS NULL THEN pitcher_id "
        f"WHEN size({made}) > 0 THEN get({made}, size({made}) - 1).player_id "
        "ELSE coalesce(_changes[0].replaced_player_id, _pitcher_before, pitcher_id) END"
    )
    # Some seven changes a game: few enough to be sent to every task.
    known = F.broadcast(before.join(F.broadcast(changes), list(_PLAY)))
    with_changes = events.join(known, list(_PLAY), "left")
    return with_changes.withColumn("thrower_id", F.expr(thrower)).drop("_changes", "_pitcher_before")


_MOMENT = ("game_pk", "at_bat_index", "event_index", "half_inning", "pitcher_id")


def _player(player: str, *, bats: bool) -> tuple[str, ...]:
    """Return the columns of :data:`PLAYER`: the away team bats in the top half."""
    own = "top" if bats else "bottom"
    return ("game_pk", f"if(half_inning = '{own}', 'away', 'home') AS side", f"{player} AS player_id")


def _named(counts: Mapping[str, str], prefix: str) -> list[str]:
    return [f"{text} AS {prefix}{name}" for name, text in counts.items()]


def _unioned(parts: list[DataFrame]) -> DataFrame:
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)


def _total(name: str) -> Column:
    from pyspark.sql import functions as F

    if name.endswith("_max"):
        return F.max(name).alias(name)
    total = F.sum(name)
    return total.alias(name) if name.endswith("_sum") else total.cast("int").alias(name)
