"""``analytics.player_performance``: each player's games, with the season to date."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING

from mlbsdk_plugin_analytics import events, rates, woba
from mlbsdk_plugin_analytics.games import IN_ORDER, begun

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_METADATA = "game.live_game_metadata"
_STATS = "game.live_game_player_stats"
_PLAYS = "game.live_game_plays"
_ACTIONS = "game.live_game_play_actions"
_PITCHES = "game.live_game_pitch_events"
_HITS = "game.live_game_hit_data"
_RUNNERS = "game.live_game_runners"

#: Counts that the official scorer's line has, in columns of these names in live_game_player_stats.
BATTING = (
    "plate_appearances",
    "at_bats",
    "runs",
    "hits",
    "doubles",
    "triples",
    "home_runs",
    "total_bases",
    "rbi",
    "base_on_balls",
    "intentional_walks",
    "strike_outs",
    "hit_by_pitch",
    "sac_flies",
    "sac_bunts",
    "catchers_interference",
    "ground_into_double_play",
    "left_on_base",
    "stolen_bases",
    "caught_stealing",
)
PITCHING = (
    "games_started",
    "outs",
    "batters_faced",
    "hits",
    "runs",
    "earned_runs",
    "home_runs",
    "base_on_balls",
    "intentional_walks",
    "strike_outs",
    "hit_batsmen",
    "wild_pitches",
    "balks",
    "pitches_thrown",
    "strikes",
    "balls",
    "wins",
    "losses",
    "saves",
    "holds",
)
#: Counts of the line that plays, pitches and runners give as well.
COMPARED = (
    *(f"batting_{name}" for name in BATTING[:15]),
    *("batting_stolen_bases", "batting_caught_stealing"),
    *(f"pitching_{name}" for name in PITCHING[1:11]),
    *("pitching_pitches_thrown", "pitching_strikes", "pitching_balls"),
)
_OF_BATTED_BALLS = ("batted_balls", "exit_velocity_sum", "hard_hit_balls", "sweet_spot_balls", "barrels")
_OF_PITCHES = ("swings", "whiffs")
_SEASON_OF_PLAYER = ("season", "player_id", "season_type")
_ORDER = (*IN_ORDER, "side")


class PlayerPerformance:
    """Makes one row for each game in which a player played.

    The line is the official scorer's, from the boxscore; what he does not count (swings, speeds, batted balls) comes
    from pitches. The line is also counted from plays, and where the two differ, ``differences`` says so.
    """

    def groups(self, inputs: Mapping[str, DataFrame]) -> DataFrame:
        """Return the seasons and players that games belong to."""
        games = begun(inputs[_METADATA]).select("game_pk", "season")
        return _played(inputs[_STATS]).select("game_pk", "player_id").join(games, "game_pk")

    def rows(self, inputs: Mapping[str, DataFrame]) -> DataFrame:
        """Return the lines.

        Returns:
            Key (season, player_id, game_pk, side): a player may appear for both teams of a suspended game. Columns
            ``batting_*`` and ``pitching_*`` are of the game, null where he did not; ``season_*`` are sums and rates up
            to and with this game, regular season and postseason apart. Speeds in mph. ``pitch_types`` and
            ``season_pitch_types`` are arrays by pitch type. ``differences`` is empty where the line and the plays
            agree, null where a game has no plays.
        """
        from pyspark.sql import functions as F

        lines = _lines(inputs)
        spark = lines.sparkSession
        to_date = _to_date(lines)
        weighted = to_date.join(F.broadcast(_weights(spark)), "woba_weights_season")
        pitch_types = _pitch_types(to_date, _with_thrower(inputs, _PITCHES))
        formulas = {
            name: text
            for prefix in ("", "season_")
            for name, text in (
                rates.batting(f"{prefix}batting_")
                | rates.batted_balls(f"{prefix}batting_")
                | rates.pitching(f"{prefix}pitching_")
                | rates.batted_balls(f"{prefix}pitching_")
            ).items()
        }
        rated = weighted.select("*", *(F.expr(text).alias(name) for name, text in formulas.items()))
        return rated.join(pitch_types, ["season", *events.PLAYER], "left").select(*_columns())


def _played(stats: DataFrame) -> DataFrame:
    return stats.where("player_id IS NOT NULL AND (batting_games_played > 0 OR pitching_games_played > 0)")


def _with_thrower(inputs: Mapping[str, DataFrame], table: str) -> DataFrame:
    return events.with_thrower(inputs[table], inputs[_PLAYS], inputs[_ACTIONS])


def _lines(inputs: Mapping[str, DataFrame]) -> DataFrame:
    """Return each player's game: the boxscore's line, what pitches add to it, and where it differs from plays."""
    from pyspark.sql import functions as F

    runners, pitches = _with_thrower(inputs, _RUNNERS), _with_thrower(inputs, _PITCHES)
    counted = [
        events.batting_lines(inputs[_PLAYS]),
        events.running_lines(inputs[_RUNNERS]),
        events.pitching_lines(inputs[_PLAYS]),
        events.runs_allowed(runners),
        events.outs_made(runners),
        events.pitches_thrown(pitches),
        events.batted_balls(inputs[_HITS], "batter_id", bats=True),
        events.batted_balls(_with_thrower(inputs, _HITS), "thrower_id", bats=False),
    ]
    from_plays = reduce(lambda one, other: one.join(other, list(events.PLAYER), "full"), counted)
    compared = [F.col(name).alias(f"plays_{name}") for name in COMPARED]
    others = [name for name in from_plays.columns if name not in (*COMPARED, *events.PLAYER)]
    with_plays = inputs[_PLAYS].select("game_pk").distinct().select("game_pk", F.lit(True).alias("has_plays"))
    stats = _played(inputs[_STATS]).select(
        *events.PLAYER,
        "player_name",
        "team_id",
        "position_abbreviation",
        "batting_order",
        F.expr("if(batting_games_played > 0, 1, NULL)").alias("batting_games"),
        F.expr("if(pitching_games_played > 0, 1, NULL)").alias("pitching_games"),
        *(_of("batting", name) for name in BATTING),
        *(_of("pitching", name) for name in PITCHING),
    )
    joined = (
        stats.join(begun(inputs[_METADATA]), "game_pk")
        .join(with_plays, "game_pk", "left")
        .join(from_plays.select(*events.PLAYER, *compared, *others), list(events.PLAYER), "left")
    )
    counts = [name for name in others if not name.endswith("exit_velocity_max")]
    # Nothing of a kind is 0 for who batted or pitched in a game with plays, and not known in one without.
    known = {
        name: F.expr(f"if(has_plays AND {name.split('_')[0]}_games > 0, coalesce({name}, 0), NULL)") for name in counts
    }
    return joined.withColumns(known | {"differences": _differences()})


def _of(kind: str, name: str) -> Column:
    """Return a count of the line, null where the player did not bat or pitch."""
    from pyspark.sql import functions as F

    return F.expr(f"if({kind}_games_played > 0, {kind}_{name}, NULL)").alias(f"{kind}_{name}")


def _differences() -> Column:
    from pyspark.sql import functions as F

    def one(name: str) -> str:
        return (
            f"if({name} IS NOT NULL AND {name} <> coalesce(plays_{name}, 0), named_struct('figure', '{name}', "
            f"'boxscore', {name}, 'plays', coalesce(plays_{name}, 0)), NULL)"
        )

    return F.expr(f"if(has_plays, array_compact(array({', '.join(map(one, COMPARED))})), NULL)")


def _to_date(lines: DataFrame) -> DataFrame:
    """Add the sums of the season up to and with each game, and the season whose wOBA weights are used."""
    from pyspark.sql import functions as F
    from pyspark.sql.window import Window

    so_far = (
        Window.partitionBy(*_SEASON_OF_PLAYER)
        .orderBy(*_ORDER)
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    summed = [
        *(f"batting_{name}" for name in ("games", *BATTING, *_OF_BATTED_BALLS)),
        *(f"pitching_{name}" for name in ("games", *PITCHING, *_OF_PITCHES, *_OF_BATTED_BALLS)),
    ]
    highest = ("batting_exit_velocity_max", "pitching_exit_velocity_max")
    first, last = min(woba.weights()), max(woba.weights())
    return lines.select(
        "*",
        F.count(F.lit(1)).over(so_far).cast("int").alias("season_game_number"),
        *(F.sum(name).over(so_far).alias(f"season_{name}") for name in summed),
        *(F.max(name).over(so_far).alias(f"season_{name}") for name in highest),
        F.expr(f"least(greatest(season, {first}), {last})").alias("woba_weights_season"),
    )


def _weights(spark: SparkSession) -> DataFrame:
    rows = [(season, *one.values()) for season, one in woba.weights().items()]
    columns = ", ".join(f"weight_{name} DOUBLE" for name in woba.WEIGHTS)
    return spark.createDataFrame(rows, f"woba_weights_season INT, {columns}")


def _pitch_types(games: DataFrame, pitches: DataFrame) -> DataFrame:
    """Return each pitcher's pitches by type, of the game and of the season to date; a type stays once it was thrown."""
    from pyspark.sql import functions as F
    from pyspark.sql.window import Window

    counts = ("type_pitches", "type_measured", "type_speed_sum", "type_swings", "type_whiffs")
    appearances = games.where("pitching_games > 0").select(*_SEASON_OF_PLAYER, *_ORDER)
    thrown = events.pitches_by_type(pitches)
    types = thrown.join(appearances, list(events.PLAYER)).select(*_SEASON_OF_PLAYER, "pitch_type").distinct()
    of_each = appearances.join(types, list(_SEASON_OF_PLAYER)).join(thrown, [*events.PLAYER, "pitch_type"], "left")
    so_far = (
        Window.partitionBy(*_SEASON_OF_PLAYER, "pitch_type")
        .orderBy(*_ORDER)
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    summed = of_each.select("*", *(F.sum(name).over(so_far).alias(f"season_{name}") for name in counts))
    return summed.groupBy("season", *events.PLAYER).agg(
        _by_type("").alias("pitch_types"), _by_type("season_").alias("season_pitch_types")
    )


def _by_type(prefix: str) -> Column:
    """Return an aggregate: an array by pitch type of what was thrown."""
    from pyspark.sql import functions as F

    one = (
        f"named_struct('pitch_type', pitch_type, 'pitches', CAST({prefix}type_pitches AS INT), "
        f"'speed_mean', try_divide(CAST({prefix}type_speed_sum AS DOUBLE), {prefix}type_measured), "
        f"'swings', CAST({prefix}type_swings AS INT), 'whiffs', CAST({prefix}type_whiffs AS INT), "
        f"'whiff_rate', try_divide(CAST({prefix}type_whiffs AS DOUBLE), {prefix}type_swings))"
    )
    return F.expr(f"array_sort(collect_list(if({prefix}type_pitches > 0, {one}, NULL)))")


def _columns() -> list[Column]:
    """Return the table's columns, in their order."""
    from pyspark.sql import functions as F

    found = [
        *("season", "player_id", "game_pk", "side", "game_date", "player_name", "team_id"),
        *("game_type", "season_type", "game_number", "start_time", "is_final", "season_game_number"),
        *("position_abbreviation", "batting_order"),
    ]
    for prefix in ("", "season_"):
        of_batted = ("batted_balls", "exit_velocity_max", "hard_hit_balls", "sweet_spot_balls", "barrels")
        bats, throws = f"{prefix}batting_", f"{prefix}pitching_"
        found += [f"{bats}{name}" for name in ("games", *BATTING)]
        found += [*rates.batting(bats), *(f"{bats}{name}" for name in of_batted), *rates.batted_balls(bats)]
        found += [f"{throws}{name}" for name in ("games", *PITCHING, *_OF_PITCHES)]
        found += [*rates.pitching(throws), *(f"{throws}{name}" for name in of_batted), *rates.batted_balls(throws)]
        found.append(f"{prefix}pitch_types")
    return [F.col(name) for name in (*found, "woba_weights_season", "differences")]
