"""The games that count: those of the regular season and the postseason that were begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

#: StatsAPI's codes of game types: F wild card, D division series, L league championship, W World Series.
_SEASON_TYPE = (
    "CASE WHEN game_type = 'R' THEN 'regular' WHEN game_type IN ('F', 'D', 'L', 'W', 'P') THEN 'postseason' END"
)
#: A postponed or cancelled game is "Final" to StatsAPI; the code tells, and where it is missing the text.
_NOT_PLAYED = (
    "coalesce(coded_game_state, '') IN ('D', 'C') OR coalesce(detailed_state, '') LIKE 'Postponed%' "
    "OR coalesce(detailed_state, '') LIKE 'Cancel%'"
)
#: Games of a team or player in order; the second of a doubleheader may have a placeholder for its start.
IN_ORDER = ("game_date", "game_number", "start_time", "game_pk")


def season() -> Column:
    """Return the season of a row of ``live_game_metadata``."""
    from pyspark.sql import functions as F

    return F.expr("coalesce(try_cast(season AS INT), year(game_date))")


def begun(metadata: DataFrame) -> DataFrame:
    """Return the games that count.

    Args:
        metadata: ``game.live_game_metadata``.

    Returns:
        One row a game, by ``game_pk``: season, season_type (regular or postseason), game_date, game_type, game_number,
        double_header, is_final, venue_id, start_time and end_time (UTC, null where not known), and for both sides
        team_id and team_name. The start is the first pitch where the feed has it, else what was scheduled. The end is
        the first pitch with the game's duration and its delays, since the feed counts these apart.
    """
    from pyspark.sql import functions as F

    counted = metadata.where(f"abstract_game_state IN ('Live', 'Final') AND NOT ({_NOT_PLAYED})")
    minutes = "make_dt_interval(0, 0, game_duration_minutes + coalesce(delay_duration_minutes, 0))"
    return counted.select(
        "game_pk",
        season().alias("season"),
        F.expr(_SEASON_TYPE).alias("season_type"),
        "game_date",
        "game_type",
        F.expr("coalesce(game_number, 1)").alias("game_number"),
        F.expr("coalesce(double_header, 'N')").alias("double_header"),
        F.expr("abstract_game_state = 'Final'").alias("is_final"),
        "venue_id",
        "venue_name",
        F.expr("coalesce(first_pitch, game_datetime)").alias("start_time"),
        F.expr(f"first_pitch + {minutes}").alias("end_time"),
        "home_team_id",
        "home_team_name",
        "away_team_id",
        "away_team_name",
    ).where("season_type IS NOT NULL AND season IS NOT NULL")
