"""The tables of schedules, postseasons and seasons, read from their JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta, timezone
from typing import Any

from tests.oracle.stats import PLACES, RENAMED, TEXTS
from tests.oracle.values import Row, at, day, exact, flag, listed, moment, named, sides, snake, text, whole

Tables = dict[str, list[Row]]
#: Parameters of a request that choose no games among those of a date.
NO_FILTERS = {"date", "startDate", "endDate", "hydrate", "fields", "language"}
_STATISTICS = (
    "summary gamesPlayed flyOuts groundOuts airOuts runs doubles triples homeRuns strikeOuts baseOnBalls "
    "intentionalWalks hits hitByPitch avg atBats obp slg ops caughtStealing stolenBases stolenBasePercentage "
    "caughtStealingPercentage groundIntoDoublePlay groundIntoTriplePlay plateAppearances totalBases rbi "
    "leftOnBase sacBunts sacFlies babip groundOutsToAirouts catchersInterference pickoffs atBatsPerHomeRun "
    "gamesStarted numberOfPitches era inningsPitched wins losses saves saveOpportunities holds blownSaves "
    "earnedRuns whip battersFaced outs gamesPitched completeGames shutouts pitchesThrown balls strikes "
    "strikePercentage hitBatsmen balks wildPitches winPercentage pitchesPerInning gamesFinished "
    "strikeoutWalkRatio strikeoutsPer9Inn walksPer9Inn hitsPer9Inn runsScoredPer9 homeRunsPer9 inheritedRunners "
    "inheritedRunnersScored passedBall"
)
SCHEDULE_KEYS = {
    "schedule.schedule_dates": ("schedule_date", "request_filters"),
    "schedule.schedule_games": ("game_pk", "schedule_date"),
    "schedule.schedule_probable_pitchers": ("game_pk", "schedule_date", "side"),
    "schedule.schedule_probable_pitcher_stats": ("game_pk", "schedule_date", "side", "stat_type", "stat_group"),
    "schedule.schedule_linescores": ("game_pk", "schedule_date"),
    "schedule.schedule_decisions": ("game_pk", "schedule_date", "decision"),
    "schedule.schedule_broadcasts": ("game_pk", "schedule_date", "broadcast_id", "side", "language"),
}
POSTSEASON_KEYS = {
    "schedule.postseason_series": ("season", "series_id"),
    "schedule.postseason_games": ("game_pk", "schedule_date"),
}
SEASON_KEYS = {"season.season": ("sport_id", "season_id")}


def read_schedule(document: dict[str, Any], params: dict[str, str] | None) -> Tables:
    """Return the rows of a schedule; ``params`` are those of its request, None where nothing tells them."""
    found: Tables = {name: [] for name in SCHEDULE_KEYS}
    for _, one in listed(document, "dates"):
        found["schedule.schedule_dates"].append(date_row(one, params) | {"copyright": text(at(document, "copyright"))})
        for _, listing in listed(one, "games"):
            key = {"game_pk": whole(at(listing, "gamePk")), "schedule_date": day(at(one, "date"))}
            for name, rows in parts(listing).items():
                found[f"schedule.schedule_{name}"] += [key | row for row in rows]
    return found


def parts(listing: Any) -> Tables:
    """Return what one listing of a game gives, by table."""
    teams = list(sides(listing, "teams"))
    linescore = at(listing, "linescore")
    return {
        "games": [game(listing)],
        "probable_pitchers": [
            {"side": side, **probable_pitcher(team)} for side, team in teams if at(team, "probablePitcher", "id")
        ],
        "probable_pitcher_stats": [{"side": side, **row} for side, team in teams for row in statistics(team)],
        "linescores": [] if linescore is None else [state(linescore)],
        "decisions": [
            {"decision": name, **named("pitcher", at(listing, "decisions", name))}
            for name in ("winner", "loser", "save")
            if at(listing, "decisions", name) is not None
        ],
        "broadcasts": [broadcast(one) for _, one in listed(listing, "broadcasts")],
    }


def date_row(found: Any, params: dict[str, str] | None) -> Row:
    asked = params or {}
    members = [f'"{name}":"{value}"' for name, value in asked.items() if name not in NO_FILTERS]
    return {
        "schedule_date": day(at(found, "date")),
        "request_filters": ",".join(sorted(members)),
        "request": None if params is None else json.dumps(params, separators=(",", ":")),
        "sport_id": whole(asked.get("sportId")),
        "team_id": whole(asked.get("teamId")),
        "total_items": whole(at(found, "totalItems")),
        "total_events": whole(at(found, "totalEvents")),
        "total_games": whole(at(found, "totalGames")),
        "total_games_in_progress": whole(at(found, "totalGamesInProgress")),
    }


def game(found: Any) -> Row:
    row: Row = {
        "game_guid": text(at(found, "gameGuid")),
        "game_type": text(at(found, "gameType")),
        "season": text(at(found, "season")),
        "season_display": text(at(found, "seasonDisplay")),
        "game_date": moment(at(found, "gameDate")),
        "official_date": day(at(found, "officialDate")),
        "abstract_game_state": text(at(found, "status", "abstractGameState")),
        "abstract_game_code": text(at(found, "status", "abstractGameCode")),
        "coded_game_state": text(at(found, "status", "codedGameState")),
        "detailed_state": text(at(found, "status", "detailedState")),
        "status_code": text(at(found, "status", "statusCode")),
        "status_reason": text(at(found, "status", "reason")),
        "is_start_time_tbd": flag(at(found, "status", "startTimeTBD")),
        "venue_id": whole(at(found, "venue", "id")),
        "venue_name": text(at(found, "venue", "name")),
        "is_tie": flag(at(found, "isTie")),
        "game_number": whole(at(found, "gameNumber")),
        "double_header": text(at(found, "doubleHeader")),
        "day_night": text(at(found, "dayNight")),
        "scheduled_innings": whole(at(found, "scheduledInnings")),
        "inning_break_length": whole(at(found, "inningBreakLength")),
        "is_reversed_home_away": flag(at(found, "reverseHomeAwayStatus")),
        "games_in_series": whole(at(found, "gamesInSeries")),
        "series_game_number": whole(at(found, "seriesGameNumber")),
        "series_description": text(at(found, "seriesDescription")),
        "description": text(at(found, "description")),
        "tiebreaker": text(at(found, "tiebreaker")),
        "if_necessary": text(at(found, "ifNecessary")),
        "if_necessary_description": text(at(found, "ifNecessaryDescription")),
        "reschedule_date": moment(at(found, "rescheduleDate")),
        "reschedule_game_date": day(at(found, "rescheduleGameDate")),
        "rescheduled_from": moment(at(found, "rescheduledFrom")),
        "rescheduled_from_date": day(at(found, "rescheduledFromDate")),
        "resume_date": moment(at(found, "resumeDate")),
        "resume_game_date": day(at(found, "resumeGameDate")),
        "resumed_from": moment(at(found, "resumedFrom")),
        "resumed_from_date": day(at(found, "resumedFromDate")),
        "record_source": text(at(found, "recordSource")),
        "gameday_type": text(at(found, "gamedayType")),
        "calendar_event_id": text(at(found, "calendarEventID")),
        "is_public_facing": flag(at(found, "publicFacing")),
    }
    for side in ("away", "home"):
        row |= {f"{side}_{column}": value for column, value in team(at(found, "teams", side)).items()}
    return row


def team(found: Any) -> Row:
    return {
        "team_id": whole(at(found, "team", "id")),
        "team_name": text(at(found, "team", "name")),
        "score": whole(at(found, "score")),
        "is_winner": flag(at(found, "isWinner")),
        "wins": whole(at(found, "leagueRecord", "wins")),
        "losses": whole(at(found, "leagueRecord", "losses")),
        "ties": whole(at(found, "leagueRecord", "ties")),
        "winning_percentage": exact(at(found, "leagueRecord", "pct"), 3),
        "is_split_squad": flag(at(found, "splitSquad")),
        "series_number": whole(at(found, "seriesNumber")),
    }


def probable_pitcher(found: Any) -> Row:
    pitcher = at(found, "probablePitcher")
    position = at(pitcher, "primaryPosition")
    return {
        "team_id": whole(at(found, "team", "id")),
        **named("pitcher", pitcher),
        "primary_number": text(at(pitcher, "primaryNumber")),
        "primary_position_code": text(at(position, "code")),
        "primary_position_name": text(at(position, "name")),
        "primary_position_type": text(at(position, "type")),
        "primary_position_abbreviation": text(at(position, "abbreviation")),
        "note": text(at(pitcher, "note")),
    }


def statistics(found: Any) -> Iterator[Row]:
    """Return the blocks of a probable pitcher's statistics that are not empty."""
    for _, block in listed(found, "probablePitcher", "stats"):
        if at(block, "stats", "gamesPlayed") is not None:
            yield {
                "stat_type": text(at(block, "type", "displayName")),
                "stat_group": text(at(block, "group", "displayName")),
                "pitcher_id": whole(at(found, "probablePitcher", "id")),
                **{
                    RENAMED.get(key, snake(key)): _statistic(key, at(block, "stats", key))
                    for key in _STATISTICS.split()
                },
            }


def _statistic(key: str, value: Any) -> Any:
    if key in TEXTS:
        return text(value)
    return exact(value, PLACES[key]) if key in PLACES else whole(value)


def state(found: Any) -> Row:
    row: Row = {
        "scheduled_innings": whole(at(found, "scheduledInnings")),
        "current_inning": whole(at(found, "currentInning")),
        "current_inning_ordinal": text(at(found, "currentInningOrdinal")),
        "inning_state": text(at(found, "inningState")),
        "inning_half": text(at(found, "inningHalf")),
        "is_top_inning": flag(at(found, "isTopInning")),
        "balls": whole(at(found, "balls")),
        "strikes": whole(at(found, "strikes")),
        "outs": whole(at(found, "outs")),
    }
    for side in ("away", "home"):
        for column, key in (("score", "runs"), ("hits", "hits"), ("errors", "errors"), ("left_on_base", "leftOnBase")):
            row[f"{side}_{column}"] = whole(at(found, "teams", side, key))
    for part in ("defense", "offense"):
        row[f"{part}_team_id"] = whole(at(found, part, "team", "id"))
        row[f"{part}_team_name"] = text(at(found, part, "team", "name"))
    return row


def broadcast(found: Any) -> Row:
    return {
        "broadcast_id": whole(at(found, "id")),
        "side": text(at(found, "homeAway")) or "",
        "language": text(at(found, "language")) or "",
        "broadcast_name": text(at(found, "name")),
        "broadcast_type": text(at(found, "type")),
        "call_sign": text(at(found, "callSign")),
        "is_national": flag(at(found, "isNational")),
        "availability_code": text(at(found, "availability", "availabilityCode")),
        "availability_text": text(at(found, "availability", "availabilityText")),
        "media_state_code": text(at(found, "mediaState", "mediaStateCode")),
        "media_id": text(at(found, "mediaId")),
        "broadcast_guid": text(at(found, "gameDateBroadcastGuid")),
        "broadcast_date": day(at(found, "broadcastDate")),
        "video_resolution_code": text(at(found, "videoResolution", "code")),
        "color_space_code": text(at(found, "colorSpace", "code")),
        "is_free_game": flag(at(found, "freeGame")),
        "is_available_for_streaming": flag(at(found, "availableForStreaming")),
        "has_post_game_show": flag(at(found, "postGameShow")),
        "is_mvpd_auth_required": flag(at(found, "mvpdAuthRequired")),
    }


def read_postseason(document: dict[str, Any]) -> Tables:
    """Return the rows of a postseason's series."""
    series = [one for _, one in listed(document, "series")]
    return {
        "schedule.postseason_series": [
            {
                "season": text(at(one, "games", 0, "season")),
                "series_id": text(at(one, "series", "id")),
                "game_type": text(at(one, "series", "gameType")),
                "series_description": text(at(one, "games", 0, "seriesDescription")),
                "sort_number": whole(at(one, "series", "sortNumber")),
                "sort_order": whole(at(one, "sortOrder")),
                "is_default": flag(at(one, "series", "isDefault")),
                "total_items": whole(at(one, "totalItems")),
                "total_games": whole(at(one, "totalGames")),
                "total_games_in_progress": whole(at(one, "totalGamesInProgress")),
                "copyright": text(at(document, "copyright")),
            }
            for one in series
        ],
        "schedule.postseason_games": [
            {
                "game_pk": whole(at(found, "gamePk")),
                "series_id": text(at(one, "series", "id")),
                **game(found),
                "schedule_date": listing_date(found),
                "is_featured_game": flag(at(found, "isFeaturedGame")),
            }
            for one in series
            for _, found in listed(one, "games")
        ],
    }


def listing_date(found: Any) -> Any:
    """Return the date under which a schedule lists a game; its official date says when it counts, once it was moved."""
    if at(found, "rescheduleGameDate") is None and at(found, "resumedFromDate") is None:
        return day(at(found, "officialDate"))
    start = moment(at(found, "gameDate"))
    assert start is not None
    return start.astimezone(timezone(timedelta(hours=-4))).date()  # New York in October


def read_seasons(document: dict[str, Any], params: dict[str, str]) -> Tables:
    """Return the rows of seasons; the sport is named by the request alone."""
    return {
        "season.season": [
            {"sport_id": whole(params["sportId"]), **season(found)} for _, found in listed(document, "seasons")
        ]
    }


def season(found: Any) -> Row:
    dates = {
        "pre_season_start_date": "preSeasonStartDate",
        "pre_season_end_date": "preSeasonEndDate",
        "season_start_date": "seasonStartDate",
        "spring_start_date": "springStartDate",
        "spring_end_date": "springEndDate",
        "regular_season_start_date": "regularSeasonStartDate",
        "last_date_first_half": "lastDate1stHalf",
        "all_star_date": "allStarDate",
        "first_date_second_half": "firstDate2ndHalf",
        "regular_season_end_date": "regularSeasonEndDate",
        "post_season_start_date": "postSeasonStartDate",
        "post_season_end_date": "postSeasonEndDate",
        "season_end_date": "seasonEndDate",
        "offseason_start_date": "offseasonStartDate",
        "offseason_end_date": "offSeasonEndDate",
    }
    return {
        "season_id": text(at(found, "seasonId")),
        "has_wildcard": flag(at(found, "hasWildcard")),
        **{column: day(at(found, key)) for column, key in dates.items()},
        "season_level_gameday_type": text(at(found, "seasonLevelGamedayType")),
        "game_level_gameday_type": text(at(found, "gameLevelGamedayType")),
        "qualifier_plate_appearances": exact(at(found, "qualifierPlateAppearances"), 2),
        "qualifier_outs_pitched": exact(at(found, "qualifierOutsPitched"), 2),
    }
