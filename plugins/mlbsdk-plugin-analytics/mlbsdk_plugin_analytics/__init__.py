"""Baseball analytics: the travel of teams and the performance of players, as derived tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mlbsdk import DerivedDecl, hookimpl
from mlbsdk_plugin_analytics import woba

if TYPE_CHECKING:
    from mlbsdk.plugin import DerivedTable

MLBSDK_PLUGIN_API = 1


@hookimpl
def mlbsdk_derived() -> Iterable[DerivedDecl]:
    """Declare the analytics tables."""
    return (
        DerivedDecl(
            name="analytics.team_travel",
            summary="Each team's way from game to game: distance, time zones, rest, home stands and road trips.",
            inputs=("game.live_game_metadata", "game.live_game_venue_details"),
            optional_inputs=("venue.venue",),
            make=_team_travel,
            document_key=("game_pk",),
            group_by=("season", "team_id"),
            primary_key=("season", "team_id", "game_pk"),
            partition_by=("season",),
            z_order_by=("team_id", "game_date"),
            figures={
                "legs": "count_if(leg_number > 0)",
                "legs_without_distance": "count_if(leg_number > 0 AND distance_km IS NULL)",
                "venues_without_coordinates": "count(DISTINCT if(isnull(latitude + longitude), venue_id, NULL))",
                "games_without_time_zone": "count(DISTINCT if(utc_offset_hours IS NULL, game_pk, NULL))",
            },
        ),
        DerivedDecl(
            name="analytics.player_performance",
            summary="Each player's games with season to date: batting, pitching, pitches by type, batted balls.",
            inputs=(
                "game.live_game_metadata",
                "game.live_game_player_stats",
                "game.live_game_plays",
                "game.live_game_play_actions",
                "game.live_game_pitch_events",
                "game.live_game_hit_data",
                "game.live_game_runners",
            ),
            make=_player_performance,
            document_key=("game_pk",),
            group_by=("season", "player_id"),
            primary_key=("season", "player_id", "game_pk", "side"),
            partition_by=("season",),
            z_order_by=("player_id", "game_date"),
            version=f"1 {woba.digest()}",
            figures={
                "lines": "count(*)",
                "lines_that_differ_from_their_plays": "count_if(size(differences) > 0)",
                "lines_of_games_without_plays": "count_if(differences IS NULL)",
            },
        ),
    )


def _team_travel(options: Mapping[str, object]) -> DerivedTable:
    from mlbsdk_plugin_analytics.team_travel import TeamTravel

    return TeamTravel()


def _player_performance(options: Mapping[str, object]) -> DerivedTable:
    from mlbsdk_plugin_analytics.player_performance import PlayerPerformance

    return PlayerPerformance()
