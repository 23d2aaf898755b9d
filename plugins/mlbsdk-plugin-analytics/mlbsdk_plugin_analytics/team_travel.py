"""``analytics.team_travel``: each team's way from game to game."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from mlbsdk_plugin_analytics.games import IN_ORDER, begun
from mlbsdk_plugin_analytics.great_circle import KM_PER_MILE, distance_km

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_METADATA = "game.live_game_metadata"
_VENUES_OF_GAMES = "game.live_game_venue_details"
_VENUES = "venue.venue"
#: What a leg needs to know of the game before.
_OF_THE_GAME_BEFORE = (
    "game_pk",
    "game_date",
    "venue_id",
    "venue_name",
    "latitude",
    "longitude",
    "time_zone",
    "start_time",
    "end_time",
)


class TeamTravel:
    """Makes one row for each game of a team; the way to it is a leg from its game before in that season.

    Games of the regular season and the postseason make one chain. Spring, exhibition and All-Star games are no part of
    it, nor are games that were postponed, cancelled or not begun: they make no leg.
    """

    def groups(self, inputs: Mapping[str, DataFrame]) -> DataFrame:
        """Return the seasons and teams that games belong to."""
        return _of_teams(begun(inputs[_METADATA])).select("game_pk", "season", "team_id")

    def rows(self, inputs: Mapping[str, DataFrame]) -> DataFrame:
        """Return the legs.

        Returns:
            Key (season, team_id, game_pk). ``leg_number`` counts from 1; the season's first game has 0, and what a leg
            says is null there. Distances are great circles; null where a venue has no coordinates, and left out of the
            sums, with ``legs_without_distance`` to tell. Offsets and changes of time zone are hours on that day, east
            is positive; rest is hours.
        """
        from pyspark.sql import functions as F
        from pyspark.sql.window import Window

        chain = Window.partitionBy("season", "team_id").orderBy(*IN_ORDER)
        so_far = chain.rowsBetween(Window.unboundedPreceding, Window.currentRow)
        games = _of_teams(_with_places(begun(inputs[_METADATA]), inputs))
        legs = games.select(
            "*",
            (F.row_number().over(chain) - 1).alias("leg_number"),
            *(F.lag(name).over(chain).alias(f"previous_{name}") for name in _OF_THE_GAME_BEFORE),
            F.expr("is_home <=> lag(is_home) OVER (PARTITION BY season, team_id ORDER BY " + ", ".join(IN_ORDER) + ")")
            .cast("int")
            .alias("_same_stay"),
        )
        distance = distance_km("previous_latitude", "previous_longitude", "latitude", "longitude")
        measured = legs.select(
            "*",
            F.expr(distance).alias("distance_km"),
            _offset("time_zone", "start_time", "feed_offset_hours").alias("utc_offset_hours"),
            (
                _offset("time_zone", "start_time", "feed_offset_hours") - _offset("previous_time_zone", "start_time")
            ).alias("time_zone_change_hours"),
            F.sum(1 - F.col("_same_stay")).over(so_far).cast("int").alias("stay_number"),
        )
        stay = Window.partitionBy("season", "team_id", "stay_number").orderBy(*IN_ORDER)
        return measured.select(
            "season",
            "team_id",
            "game_pk",
            "game_date",
            "leg_number",
            "team_name",
            "opponent_team_id",
            "opponent_team_name",
            "game_type",
            "season_type",
            "is_final",
            "is_home",
            "start_time",
            "end_time",
            "venue_id",
            "venue_name",
            "latitude",
            "longitude",
            "time_zone",
            "utc_offset_hours",
            "previous_game_pk",
            "previous_game_date",
            "previous_venue_id",
            "previous_venue_name",
            "previous_start_time",
            "previous_end_time",
            "distance_km",
            (F.col("distance_km") / KM_PER_MILE).alias("distance_miles"),
            "time_zone_change_hours",
            F.abs("time_zone_change_hours").alias("time_zones_crossed"),
            _hours("previous_start_time", "start_time").alias("rest_hours_from_start"),
            _hours("previous_end_time", "start_time").alias("rest_hours_from_end"),
            F.expr("datediff(game_date, previous_game_date) - 1").alias("days_off"),
            F.expr("double_header <> 'N'").alias("is_doubleheader"),
            F.expr("coalesce(game_date = previous_game_date, false)").alias("is_second_game_of_day"),
            "game_number",
            F.expr("if(is_home, 'home_stand', 'road_trip')").alias("stay"),
            "stay_number",
            F.row_number().over(stay).alias("stay_game_number"),
            F.coalesce(F.sum("distance_km").over(so_far), F.lit(0.0)).alias("cumulative_distance_km"),
            (F.coalesce(F.sum("distance_km").over(so_far), F.lit(0.0)) / KM_PER_MILE).alias(
                "cumulative_distance_miles"
            ),
            F.sum(F.expr("if(leg_number > 0 AND distance_km IS NULL, 1, 0)"))
            .over(so_far)
            .cast("int")
            .alias("legs_without_distance"),
        )


def _of_teams(games: DataFrame) -> DataFrame:
    """Return a row for each of the two teams of a game."""
    from pyspark.sql import functions as F

    def side(own: str, other: str) -> Column:
        names = {
            "team_id": f"{own}_team_id",
            "team_name": f"{own}_team_name",
            "opponent_team_id": f"{other}_team_id",
            "opponent_team_name": f"{other}_team_name",
        }
        return F.struct(
            *(F.col(column).alias(name) for name, column in names.items()), F.lit(own == "home").alias("is_home")
        )

    teams = F.inline(F.array(side("home", "away"), side("away", "home")))
    names = [name for name in games.columns if not name.startswith(("home_", "away_"))]
    return games.select(*names, teams).where("team_id IS NOT NULL")


def _with_places(games: DataFrame, inputs: Mapping[str, DataFrame]) -> DataFrame:
    """Add where a game was played: as its own feed says, else as the ballpark's own table does."""
    from pyspark.sql import functions as F

    known = inputs[_VENUES_OF_GAMES].select(
        "game_pk",
        "latitude",
        "longitude",
        "time_zone",
        F.col("utc_offset_at_game_time").alias("feed_offset_hours"),
    )
    found = games.join(known, "game_pk", "left")
    if _VENUES not in inputs:
        return found
    table = inputs[_VENUES].select(
        "venue_id", *(F.col(name).alias(f"_{name}") for name in ("latitude", "longitude", "time_zone"))
    )
    # Both coordinates from one place: half a feed's and half a table's would be a third.
    whole = "latitude IS NOT NULL AND longitude IS NOT NULL"
    return found.join(F.broadcast(table), "venue_id", "left").select(
        *games.columns,
        F.expr(f"if({whole}, latitude, _latitude)").alias("latitude"),
        F.expr(f"if({whole}, longitude, _longitude)").alias("longitude"),
        F.expr("coalesce(time_zone, _time_zone)").alias("time_zone"),
        "feed_offset_hours",
    )


def _offset(zone: str, moment: str, otherwise: str | None = None) -> Column:
    """Return the hours that a zone is from UTC at a moment; ``otherwise`` where the zone is not known."""
    from pyspark.sql import functions as F

    shifted = F.unix_seconds(F.from_utc_timestamp(F.col(moment), F.col(zone)))
    hours = (shifted - F.unix_seconds(F.col(moment))) / 3600
    # Spark fails at a zone that it does not know, and the name comes from the feed.
    known = F.when(F.col(zone).isin(sorted(available_timezones())), hours)
    return F.coalesce(known, F.col(otherwise)) if otherwise else known


def _hours(start: str, end: str) -> Column:
    from pyspark.sql import functions as F

    return (F.unix_micros(F.col(end)) - F.unix_micros(F.col(start))) / 3_600_000_000
