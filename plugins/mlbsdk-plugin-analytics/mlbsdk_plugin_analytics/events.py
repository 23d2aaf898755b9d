"""What plays, pitches and runners say of each player's game, counted without the boxscore.

All results have one row for each player of a side in a game: ``game_pk``, ``side`` (his own) and ``player_id``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PLAYER = ("game_pk", "side", "player_id")
_PLAY = ("game_pk", "at_bat_index")

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
#: Calls of pitches, https://statsapi.mlb.com/api/v1/pitchCodes: S swinging strike, W in the dirt, T foul tip, Q at a
#: pitchout; F foul, X D E in play. Bunts (L, M, O, R) are no swings here.
_WHIFFS = ("S", "W", "T", "Q")
_SWINGS = (*_WHIFFS, "F", "X", "D", "E")
_IN_PLAY = ("X", "D", "E")
#: mph; degrees: MLB's glossary.
_HARD_HIT = "launch_speed >= 95"
_SWEET_SPOT = "launch_angle BETWEEN 8 AND 32"
#: From 98 mph at 26 to 30 degrees, a wider angle for each mph, up to 8 to 50 degrees.
_BARREL = (
    "launch_speed >= 98 AND launch_angle BETWEEN 8 AND 50 AND launch_speed * 1.5 - launch_angle >= 117 "
    "AND launch_speed + launch_angle >= 124"
)


def batting_lines(plays: DataFrame) -> DataFrame:
    """Return the batting lines that plays make.

    A strikeout is the batter's who ended the plate appearance. Rule 9.15(b) gives it to the one he replaced where that
    one had two strikes: the only line of a substitute that can differ.
    """
    from pyspark.sql import functions as F

    complete = _complete(plays)
    counts = {
        "plate_appearances": F.lit(1),
        "at_bats": _one_of(*_WALKS, *_SAC_FLIES, *_SAC_BUNTS, "hit_by_pitch", "catcher_interf", otherwise=True),
        "hits": _one_of(*_HITS),
        "doubles": _one_of("double"),
        "triples": _one_of("triple"),
        "home_runs": _one_of("home_run"),
        "total_bases": F.expr(
            "CASE event_type WHEN 'single' THEN 1 WHEN 'double' THEN 2 WHEN 'triple' THEN 3 WHEN 'home_run' THEN 4 "
            "ELSE 0 END"
        ),
        "rbi": F.expr("coalesce(rbi, 0)"),
        "base_on_balls": _one_of(*_WALKS),
        "intentional_walks": _one_of("intent_walk"),
        "strike_outs": _one_of(*_STRIKE_OUTS),
        "hit_by_pitch": _one_of("hit_by_pitch"),
        "sac_flies": _one_of(*_SAC_FLIES),
        "sac_bunts": _one_of(*_SAC_BUNTS),
    }
    return _counted(complete.select(*_player("batter_id", bats=True), *_named(counts, "batting_")), counts, "batting_")


def pitching_lines(plays: DataFrame) -> DataFrame:
    """Return what plate appearances say of pitchers: each is the pitcher's who ended it."""
    from pyspark.sql import functions as F

    counts = {
        "batters_faced": F.lit(1),
        "hits": _one_of(*_HITS),
        "home_runs": _one_of("home_run"),
        "base_on_balls": _one_of(*_WALKS),
        "intentional_walks": _one_of("intent_walk"),
        "strike_outs": _one_of(*_STRIKE_OUTS),
        "hit_batsmen": _one_of("hit_by_pitch"),
    }
    complete = _complete(plays)
    return _counted(
        complete.select(*_player("pitcher_id", bats=False), *_named(counts, "pitching_")), counts, "pitching_"
    )


def running_lines(runners: DataFrame) -> DataFrame:
    """Return runs, stolen bases and times caught stealing of runners."""
    counts = {
        "runs": "end_base = 'score' AND coalesce(is_out, false) = false",
        "stolen_bases": "event_type LIKE 'stolen_base%' AND coalesce(is_out, false) = false",
        "caught_stealing": "event_type RLIKE '^(pickoff_)?caught_stealing' AND is_out",
    }
    found = {name: _if(condition) for name, condition in counts.items()}
    # A runner who steals and goes on at an error has two movements of one event.
    once = runners.dropDuplicates([*_PLAY, "event_index", "runner_id", "event_type", "end_base"])
    return _counted(once.select(*_player("runner_id", bats=True), *_named(found, "batting_")), found, "batting_")


def runs_allowed(runners: DataFrame) -> DataFrame:
    """Return runs and earned runs of pitchers: charged to the one responsible for the runner.

    Args:
        runners: with ``thrower_id``, the pitcher at that event.
    """
    scored = runners.where("end_base = 'score' AND coalesce(is_out, false) = false")
    counts = {"runs": _if("true"), "earned_runs": _if("is_earned")}
    charged = scored.selectExpr("*", "coalesce(responsible_pitcher_id, thrower_id) AS charged_id")
    return _counted(
        charged.select(*_player("charged_id", bats=False), *_named(counts, "pitching_")), counts, "pitching_"
    )


def outs_made(runners: DataFrame) -> DataFrame:
    """Return the outs of pitchers. ``runners`` has ``thrower_id``, the pitcher at that event."""
    counts = {"outs": _if("is_out")}
    return _counted(
        runners.select(*_player("thrower_id", bats=False), *_named(counts, "pitching_")), counts, "pitching_"
    )


def pitches_thrown(pitches: DataFrame) -> DataFrame:
    """Return the pitches of pitchers. ``pitches`` has ``thrower_id``, who threw it."""
    counts = {
        "pitches_thrown": _if("true"),
        "strikes": _if("is_strike OR is_in_play"),
        "balls": _if("is_ball"),
        "swings": _if(_call(_SWINGS)),
        "whiffs": _if(_call(_WHIFFS)),
    }
    return _counted(
        pitches.select(*_player("thrower_id", bats=False), *_named(counts, "pitching_")), counts, "pitching_"
    )


def pitches_by_type(pitches: DataFrame) -> DataFrame:
    """Return the pitches of pitchers by ``pitch_type``: their number, speeds and their sum, swings, whiffs."""
    from pyspark.sql import functions as F

    return (
        pitches.where("pitch_type IS NOT NULL")
        .select(
            *_player("thrower_id", bats=False),
            "pitch_type",
            "start_speed",
            *_named({"swings": _if(_call(_SWINGS)), "whiffs": _if(_call(_WHIFFS))}, "type_"),
        )
        .groupBy(*PLAYER, "pitch_type")
        .agg(
            F.count(F.lit(1)).alias("type_pitches"),
            F.count("start_speed").alias("type_measured"),
            # Of decimals, so that the sum is the same in any order.
            F.sum("start_speed").alias("type_speed_sum"),
            F.sum("type_swings").alias("type_swings"),
            F.sum("type_whiffs").alias("type_whiffs"),
        )
    )


def batted_balls(hits: DataFrame, player: str, *, bats: bool) -> DataFrame:
    """Return the batted balls with a measured exit velocity, by batter or by pitcher.

    Args:
        hits: ``game.live_game_hit_data``, for pitchers with ``thrower_id``.
        player: the column of the player.
        bats: whether he bats.
    """
    from pyspark.sql import functions as F

    prefix = "batting_" if bats else "pitching_"
    flags = {"hard_hit_balls": _HARD_HIT, "sweet_spot_balls": _SWEET_SPOT, "barrels": _BARREL}
    measured = hits.where(f"launch_speed IS NOT NULL AND {_call(_IN_PLAY)}")
    return (
        measured.select(*_player(player, bats=bats), "launch_speed", *_named({n: _if(c) for n, c in flags.items()}, ""))
        .groupBy(*PLAYER)
        .agg(
            F.count(F.lit(1)).cast("int").alias(f"{prefix}batted_balls"),
            F.sum("launch_speed").alias(f"{prefix}exit_velocity_sum"),
            F.max("launch_speed").alias(f"{prefix}exit_velocity_max"),
            *(F.sum(name).cast("int").alias(f"{prefix}{name}") for name in flags),
        )
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
    with_changes = events.join(changes.join(before, list(_PLAY)), list(_PLAY), "left")
    return with_changes.withColumn("thrower_id", F.expr(thrower)).drop("_changes", "_pitcher_before")


def _complete(plays: DataFrame) -> DataFrame:
    return plays.where(f"is_complete AND event_type IN {_texts(_PLATE_APPEARANCES)}")


def _player(name: str, *, bats: bool) -> tuple[Column, ...]:
    """Return the columns of a player: the away team bats in the top half."""
    from pyspark.sql import functions as F

    own = "top" if bats else "bottom"
    side = F.expr(f"if(half_inning = '{own}', 'away', 'home')").alias("side")
    return (F.col("game_pk"), side, F.col(name).alias("player_id"))


def _counted(rows: DataFrame, counts: dict[str, Column], prefix: str) -> DataFrame:
    from pyspark.sql import functions as F

    sums = (F.sum(f"{prefix}{name}").cast("int").alias(f"{prefix}{name}") for name in counts)
    return rows.where("player_id IS NOT NULL").groupBy(*PLAYER).agg(*sums)


def _named(columns: dict[str, Column], prefix: str) -> list[Column]:
    return [column.alias(f"{prefix}{name}") for name, column in columns.items()]


def _one_of(*events: str, otherwise: bool = False) -> Column:
    return _if(f"event_type {'NOT ' if otherwise else ''}IN {_texts(events)}")


def _if(condition: str) -> Column:
    from pyspark.sql import functions as F

    return F.expr(f"if({condition}, 1, 0)")


def _call(codes: tuple[str, ...]) -> str:
    return f"pitch_call_code IN {_texts(codes)}"


def _texts(values: tuple[str, ...]) -> str:
    return "(" + ", ".join(f"'{value}'" for value in values) + ")"
