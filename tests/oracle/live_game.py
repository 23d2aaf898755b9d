"""The 18 tables of the live game feed, read from its JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from tests.oracle.stats import GAME, SEASON, lines
from tests.oracle.values import (
    Row,
    at,
    day,
    exact,
    flag,
    listed,
    mapped,
    moment,
    named,
    packed,
    real,
    sides,
    text,
    whole,
)

UNKNOWN_TEMPERATURES = {"", "-", "Unknown", "unknown"}


def read(document: dict[str, Any]) -> dict[str, list[Row]]:
    """Return the rows of every table."""
    game = {"game_pk": whole(document["gamePk"]), "game_date": game_date(document)}
    tables = {
        "live_game_metadata": [metadata(document)],
        "live_game_venue_details": [venue(document)],
        "live_game_teams": [{"side": side, **team(found)} for side, found in sides(document, "gameData", "teams")],
        "live_game_players": [player(found) for found in mapped(document, "gameData", "players")],
        "live_game_umpires": umpires(at(document, "liveData", "boxscore")),
        "live_game_linescore_innings": half_innings(at(document, "liveData", "linescore")),
        **lineups(at(document, "liveData", "boxscore")),
        **play_by_play(at(document, "liveData", "plays")),
    }
    return {f"game.{name}": [game | row for row in rows] for name, rows in tables.items()}


def game_date(document: dict[str, Any]) -> date | None:
    """Official date, else the original date, else the date in game_id, else the UTC date of the start."""
    times = at(document, "gameData", "datetime")
    in_id = re.match(r"(\d{4})/(\d\d)/(\d\d)", at(document, "gameData", "game", "id") or "")
    start = moment(at(times, "dateTime"))
    return (
        day(at(times, "officialDate"))
        or day(at(times, "originalDate"))
        or (date(*map(int, in_id.groups())) if in_id else None)
        or (start.date() if start else None)
    )


# The game


def metadata(document: dict[str, Any]) -> Row:
    data, live = at(document, "gameData"), at(document, "liveData")
    return {
        **identity(at(data, "game")),
        **times(at(data, "datetime")),
        **status(at(data, "status")),
        "venue_id": whole(at(data, "venue", "id")),
        "venue_name": text(at(data, "venue", "name")),
        "official_venue_id": whole(at(data, "officialVenue", "id")),
        **score(data, live),
        **state_of_play(at(live, "linescore")),
        **weather(at(data, "weather")),
        "attendance": whole(at(data, "gameInfo", "attendance")),
        "first_pitch": moment(at(data, "gameInfo", "firstPitch")),
        "game_duration_minutes": whole(at(data, "gameInfo", "gameDurationMinutes")),
        "delay_duration_minutes": whole(at(data, "gameInfo", "delayDurationMinutes")),
        **flags(at(data, "flags")),
        **challenges(data),
        **people(data, at(live, "decisions")),
        **top_performers(at(live, "boxscore")),
        "feed_timestamp": text(at(document, "metaData", "timeStamp")),
        "feed_wait_seconds": whole(at(document, "metaData", "wait")),
        "game_events": packed(at(document, "metaData", "gameEvents")),
        "logical_events": packed(at(document, "metaData", "logicalEvents")),
        "alerts": packed(at(data, "alerts")),
        "copyright": text(at(document, "copyright")),
    }


def identity(game: Any) -> Row:
    return {
        "game_id": text(at(game, "id")),
        "game_type": text(at(game, "type")),
        "season": text(at(game, "season")),
        "season_display": text(at(game, "seasonDisplay")),
        "double_header": text(at(game, "doubleHeader")),
        "game_number": whole(at(game, "gameNumber")),
        "tiebreaker": text(at(game, "tiebreaker")),
        "gameday_type": text(at(game, "gamedayType")),
        "calendar_event_id": text(at(game, "calendarEventID")),
    }


def times(found: Any) -> Row:
    return {
        "official_date": day(at(found, "officialDate")),
        "original_date": day(at(found, "originalDate")),
        "game_datetime": moment(at(found, "dateTime")),
        "day_night": text(at(found, "dayNight")),
        "local_time": text(at(found, "time")),
        "local_time_am_pm": text(at(found, "ampm")),
        "resume_date": day(at(found, "resumeDate")),
        "resume_datetime": moment(at(found, "resumeDateTime")),
        "resumed_from_date": day(at(found, "resumedFromDate")),
        "resumed_from_datetime": moment(at(found, "resumedFromDateTime")),
    }


def status(found: Any) -> Row:
    return {
        "abstract_game_state": text(at(found, "abstractGameState")),
        "abstract_game_code": text(at(found, "abstractGameCode")),
        "detailed_state": text(at(found, "detailedState")),
        "coded_game_state": text(at(found, "codedGameState")),
        "status_code": text(at(found, "statusCode")),
        "status_reason": text(at(found, "reason")),
        "is_start_time_tbd": flag(at(found, "startTimeTBD")),
    }


def score(data: Any, live: Any) -> Row:
    row: Row = {}
    for side in ("home", "away"):
        total = at(live, "linescore", "teams", side)
        row |= {
            f"{side}_team_id": whole(at(data, "teams", side, "id")),
            f"{side}_team_name": text(at(data, "teams", side, "name")),
            f"{side}_score": whole(at(total, "runs")),
            f"{side}_hits": whole(at(total, "hits")),
            f"{side}_errors": whole(at(total, "errors")),
            f"{side}_left_on_base": whole(at(total, "leftOnBase")),
            f"{side}_team_stats": packed(at(live, "boxscore", "teams", side, "teamStats")),
        }
    return row


#: Who is where, by the name in the JSON; the column is its snake case and ``_id``.
OFFENSE = {"batter": "batter", "onDeck": "on_deck", "inHole": "in_hole", "pitcher": "pitcher"}
OFFENSE |= {"first": "first", "second": "second", "third": "third"}
DEFENSE = OFFENSE | {"catcher": "catcher", "shortstop": "shortstop", "left": "left", "center": "center"}
DEFENSE |= {"right": "right"}


def state_of_play(linescore: Any) -> Row:
    offense, defense = at(linescore, "offense"), at(linescore, "defense")
    return {
        "scheduled_innings": whole(at(linescore, "scheduledInnings")),
        "current_inning": whole(at(linescore, "currentInning")),
        "current_inning_ordinal": text(at(linescore, "currentInningOrdinal")),
        "inning_state": text(at(linescore, "inningState")),
        "inning_half": text(at(linescore, "inningHalf")),
        "is_top_inning": flag(at(linescore, "isTopInning")),
        "balls": whole(at(linescore, "balls")),
        "strikes": whole(at(linescore, "strikes")),
        "outs": whole(at(linescore, "outs")),
        "linescore_note": text(at(linescore, "note")),
        "offense_team_id": whole(at(offense, "team", "id")),
        "offense_batting_order": whole(at(offense, "battingOrder")),
        **{f"offense_{column}_id": whole(at(offense, key, "id")) for key, column in OFFENSE.items()},
        "defense_team_id": whole(at(defense, "team", "id")),
        "defense_batting_order": whole(at(defense, "battingOrder")),
        **{f"defense_{column}_id": whole(at(defense, key, "id")) for key, column in DEFENSE.items()},
    }


def weather(found: Any) -> Row:
    temperature, wind = at(found, "temp"), text(at(found, "wind"))
    parts = re.match(r"(\d+) mph(?:, *(.*))?$", wind or "")
    return {
        "weather_condition": text(at(found, "condition")),
        "temperature": None if temperature in UNKNOWN_TEMPERATURES else whole(temperature),
        "wind": wind,
        "wind_speed": int(parts[1]) if parts else None,
        "wind_direction": (parts[2] or "").strip() or None if parts else None,
    }


def flags(found: Any) -> Row:
    return {
        "is_no_hitter": flag(at(found, "noHitter")),
        "is_perfect_game": flag(at(found, "perfectGame")),
        "is_away_team_no_hitter": flag(at(found, "awayTeamNoHitter")),
        "is_away_team_perfect_game": flag(at(found, "awayTeamPerfectGame")),
        "is_home_team_no_hitter": flag(at(found, "homeTeamNoHitter")),
        "is_home_team_perfect_game": flag(at(found, "homeTeamPerfectGame")),
    }


def challenges(data: Any) -> Row:
    row: Row = {
        "has_challenges": flag(at(data, "review", "hasChallenges")),
        "has_abs_challenges": flag(at(data, "absChallenges", "hasChallenges")),
    }
    for side in ("away", "home"):
        pitches = at(data, "absChallenges", side)
        row |= {
            f"{side}_challenges_used": whole(at(data, "review", side, "used")),
            f"{side}_challenges_remaining": whole(at(data, "review", side, "remaining")),
            f"{side}_abs_challenges_successful": whole(at(pitches, "usedSuccessful")),
            f"{side}_abs_challenges_failed": whole(at(pitches, "usedFailed")),
            f"{side}_abs_challenges_remaining": whole(at(pitches, "remaining")),
            f"{side}_mound_visits_used": whole(at(data, "moundVisits", side, "used")),
            f"{side}_mound_visits_remaining": whole(at(data, "moundVisits", side, "remaining")),
        }
    return row


def people(data: Any, decisions: Any) -> Row:
    return {
        **named("away_probable_pitcher", at(data, "probablePitchers", "away")),
        **named("home_probable_pitcher", at(data, "probablePitchers", "home")),
        **named("winning_pitcher", at(decisions, "winner")),
        **named("losing_pitcher", at(decisions, "loser")),
        **named("save_pitcher", at(decisions, "save")),
        **named("official_scorer", at(data, "officialScorer")),
        **named("primary_datacaster", at(data, "primaryDatacaster")),
        **named("secondary_datacaster", at(data, "secondaryDatacaster")),
    }


def top_performers(boxscore: Any) -> Row:
    row: Row = {}
    for number in (1, 2, 3):
        found = at(boxscore, "topPerformers", number - 1)
        row |= {
            f"top_performer_{number}_id": whole(at(found, "player", "person", "id")),
            f"top_performer_{number}_type": text(at(found, "type")),
            f"top_performer_{number}_game_score": real(at(found, "gameScore")),
            f"top_performer_{number}_hitting_game_score": real(at(found, "hittingGameScore")),
            f"top_performer_{number}_pitching_game_score": real(at(found, "pitchingGameScore")),
        }
    return row


def venue(document: dict[str, Any]) -> Row:
    found = at(document, "gameData", "venue")
    place, zone, field = at(found, "location"), at(found, "timeZone"), at(found, "fieldInfo")
    dates = times(at(document, "gameData", "datetime"))
    return {
        "game_id": text(at(document, "gameData", "game", "id")),
        **{key: dates[key] for key in ("official_date", "original_date", "game_datetime")},
        "venue_id": whole(at(found, "id")),
        "venue_name": text(at(found, "name")),
        "is_active": flag(at(found, "active")),
        "season": text(at(found, "season")),
        "address": text(at(place, "address1")),
        "address_2": text(at(place, "address2")),
        "city": text(at(place, "city")),
        "state": text(at(place, "state")),
        "state_abbreviation": text(at(place, "stateAbbrev")),
        "postal_code": text(at(place, "postalCode")),
        "country": text(at(place, "country")),
        "phone": text(at(place, "phone")),
        "latitude": real(at(place, "defaultCoordinates", "latitude")),
        "longitude": real(at(place, "defaultCoordinates", "longitude")),
        "azimuth_angle": real(at(place, "azimuthAngle")),
        "elevation": whole(at(place, "elevation")),
        "time_zone": text(at(zone, "id")),
        "time_zone_abbreviation": text(at(zone, "tz")),
        "utc_offset": real(at(zone, "offset")),
        "utc_offset_at_game_time": real(at(zone, "offsetAtGameTime")),
        "capacity": whole(at(field, "capacity")),
        "turf_type": text(at(field, "turfType")),
        "roof_type": text(at(field, "roofType")),
        "left_line": whole(at(field, "leftLine")),
        "left_field": whole(at(field, "left")),
        "left_center": whole(at(field, "leftCenter")),
        "center_field": whole(at(field, "center")),
        "right_center": whole(at(field, "rightCenter")),
        "right_field": whole(at(field, "right")),
        "right_line": whole(at(field, "rightLine")),
    }


def team(found: Any) -> Row:
    first_year = at(found, "firstYearOfPlay")
    return {
        "team_id": whole(at(found, "id")),
        "team_name": text(at(found, "name")),
        "team_code": text(at(found, "teamCode")),
        "file_code": text(at(found, "fileCode")),
        "abbreviation": text(at(found, "abbreviation")),
        "short_name": text(at(found, "shortName")),
        "club_name": text(at(found, "clubName")),
        "nickname": text(at(found, "teamName")),
        "franchise_name": text(at(found, "franchiseName")),
        "location_name": text(at(found, "locationName")),
        "first_year_of_play": whole(first_year) if first_year != "" else None,
        "season": text(at(found, "season")),
        "is_active": flag(at(found, "active")),
        "all_star_status": text(at(found, "allStarStatus")),
        "league_id": whole(at(found, "league", "id")),
        "league_name": text(at(found, "league", "name")),
        "division_id": whole(at(found, "division", "id")),
        "division_name": text(at(found, "division", "name")),
        "sport_id": whole(at(found, "sport", "id")),
        "sport_name": text(at(found, "sport", "name")),
        "venue_id": whole(at(found, "venue", "id")),
        "venue_name": text(at(found, "venue", "name")),
        "spring_league_id": whole(at(found, "springLeague", "id")),
        "spring_league_name": text(at(found, "springLeague", "name")),
        "spring_league_abbreviation": text(at(found, "springLeague", "abbreviation")),
        "spring_venue_id": whole(at(found, "springVenue", "id")),
        **record(at(found, "record")),
    }


def record(found: Any) -> Row:
    league = at(found, "leagueRecord")
    return {
        "games_played": whole(at(found, "gamesPlayed")),
        "wins": whole(at(found, "wins")),
        "losses": whole(at(found, "losses")),
        "winning_percentage": exact(at(found, "winningPercentage"), 3),
        "league_wins": whole(at(league, "wins")),
        "league_losses": whole(at(league, "losses")),
        "league_ties": whole(at(league, "ties")),
        "league_winning_percentage": exact(at(league, "pct"), 3),
        "is_division_leader": flag(at(found, "divisionLeader")),
        "division_games_back": text(at(found, "divisionGamesBack")),
        "league_games_back": text(at(found, "leagueGamesBack")),
        "wild_card_games_back": text(at(found, "wildCardGamesBack")),
        "sport_games_back": text(at(found, "sportGamesBack")),
        "conference_games_back": text(at(found, "conferenceGamesBack")),
        "spring_league_games_back": text(at(found, "springLeagueGamesBack")),
    }


# People


#: A player's texts, by column.
PLAYER_TEXTS = {
    "full_name": "fullName",
    "first_name": "firstName",
    "middle_name": "middleName",
    "last_name": "lastName",
    "use_name": "useName",
    "use_last_name": "useLastName",
    "boxscore_name": "boxscoreName",
    "nickname": "nickName",
    "name_matrilineal": "nameMatrilineal",
    "name_title": "nameTitle",
    "name_suffix": "nameSuffix",
    "pronunciation": "pronunciation",
    "name_first_last": "nameFirstLast",
    "first_last_name": "firstLastName",
    "last_first_name": "lastFirstName",
    "last_init_name": "lastInitName",
    "init_last_name": "initLastName",
    "full_fml_name": "fullFMLName",
    "full_lfm_name": "fullLFMName",
    "name_slug": "nameSlug",
    "primary_number": "primaryNumber",
    "birth_city": "birthCity",
    "birth_state_province": "birthStateProvince",
    "birth_country": "birthCountry",
    "death_city": "deathCity",
    "death_state_province": "deathStateProvince",
    "death_country": "deathCountry",
    "height": "height",
    "gender": "gender",
}


def player(found: Any) -> Row:
    return {
        "player_id": whole(at(found, "id")),
        **{column: text(at(found, key)) for column, key in PLAYER_TEXTS.items()},
        "birth_date": day(at(found, "birthDate")),
        "current_age": whole(at(found, "currentAge")),
        "death_date": day(at(found, "deathDate")),
        "height_inches": inches(at(found, "height")),
        "weight": whole(at(found, "weight")),
        "is_active": flag(at(found, "active")),
        "is_player": flag(at(found, "isPlayer")),
        "is_verified": flag(at(found, "isVerified")),
        **position(at(found, "primaryPosition"), "primary_position"),
        "bat_side_code": text(at(found, "batSide", "code")),
        "bat_side": text(at(found, "batSide", "description")),
        "pitch_hand_code": text(at(found, "pitchHand", "code")),
        "pitch_hand": text(at(found, "pitchHand", "description")),
        "draft_year": whole(at(found, "draftYear")),
        "mlb_debut_date": day(at(found, "mlbDebutDate")),
        "last_played_date": day(at(found, "lastPlayedDate")),
        "strike_zone_top": real(at(found, "strikeZoneTop")),
        "strike_zone_bottom": real(at(found, "strikeZoneBottom")),
    }


def inches(height: str | None) -> int | None:
    """Return 77 for 6' 5\"."""
    numbers = re.findall(r"\d+", height or "")
    return int(numbers[0]) * 12 + int(numbers[1]) if len(numbers) > 1 else None


def position(found: Any, prefix: str = "position") -> Row:
    return {f"{prefix}_{part}": text(at(found, part)) for part in ("code", "name", "type", "abbreviation")}


def umpires(boxscore: Any) -> list[Row]:
    return [
        {
            "umpire_position": text(at(found, "officialType")),
            "umpire_index": number,
            **named("umpire", at(found, "official")),
        }
        for number, found in listed(boxscore, "officials")
    ]


def lineups(boxscore: Any) -> dict[str, list[Row]]:
    """Return the tables of the box score's players, by table."""
    teams = list(sides(boxscore, "teams"))
    return {
        "live_game_batting_order": [
            {"batting_position": number + 1, "lineup_index": number, **who}
            for number, who in members(teams, "battingOrder")
        ],
        "live_game_bench": [{"roster_index": number, **who} for number, who in members(teams, "bench")],
        "live_game_bullpen": [{"roster_index": number, **who} for number, who in members(teams, "bullpen")],
        "live_game_pitchers": [{"appearance_order": number, **who} for number, who in members(teams, "pitchers")],
        "live_game_player_stats": [
            {"side": side, "team_id": whole(at(found, "team", "id")), **player_stats(one)}
            for side, found in teams
            for one in mapped(found, "players")
        ],
    }


def members(teams: list[tuple[str, Any]], group: str) -> Iterator[tuple[int, Row]]:
    """Return (position, who) of an array of player ids on either side."""
    for side, found in teams:
        for number, player_id in listed(found, group):
            yield number, {"side": side, "player_id": whole(player_id), "team_id": whole(at(found, "team", "id"))}


def player_stats(found: Any) -> Row:
    state = at(found, "gameStatus")
    return {
        "player_id": whole(at(found, "person", "id")),
        "player_name": text(at(found, "person", "fullName")),
        "parent_team_id": whole(at(found, "parentTeamId")),
        "jersey_number": text(at(found, "jerseyNumber")),
        **position(at(found, "position")),
        "all_positions": packed(at(found, "allPositions")),
        "batting_order": text(at(found, "battingOrder")),
        "status_code": text(at(found, "status", "code")),
        "status_description": text(at(found, "status", "description")),
        "is_current_batter": flag(at(state, "isCurrentBatter")),
        "is_current_pitcher": flag(at(state, "isCurrentPitcher")),
        "is_on_bench": flag(at(state, "isOnBench")),
        "is_substitute": flag(at(state, "isSubstitute")),
        **lines(at(found, "stats"), GAME),
        **lines(at(found, "seasonStats"), SEASON, "season_"),
    }


def half_innings(linescore: Any) -> list[Row]:
    """Return a row for each half inning that has runs: a half without is not begun or not finished."""
    return [
        {
            "inning_number": whole(at(inning, "num")),
            "half_inning": {"away": "top", "home": "bottom"}[side],
            "side": side,
            "inning_ordinal": text(at(inning, "ordinalNum")),
            "runs": whole(at(half, "runs")),
            "hits": whole(at(half, "hits")),
            "errors": whole(at(half, "errors")),
            "left_on_base": whole(at(half, "leftOnBase")),
        }
        for _, inning in listed(linescore, "innings")
        for side, half in sides(inning)
        if at(half, "runs") is not None
    ]


# Plays


def play_by_play(plays: Any) -> dict[str, list[Row]]:
    """Return the tables of plays and what hangs below them, by table."""
    found = listed(plays, "allPlays")
    events = [
        (play_keys(number, play) | {"event_index": index}, play, index, event)
        for number, play in found
        for index, event in listed(play, "playEvents")
    ]
    runners = [
        ({"at_bat_index": number, "runner_index": index}, play, runner)
        for number, play in found
        for index, runner in listed(play, "runners")
    ]
    return {
        "live_game_plays": [{"at_bat_index": number, **play_row(play)} for number, play in found],
        "live_game_pitch_events": [
            keys | hands(play) | counted(play, index) | pitch(event)
            for keys, play, index, event in events
            if at(event, "isPitch") is True
        ],
        "live_game_play_actions": [
            keys | hands(play) | counted(play, index) | action(event)
            for keys, play, index, event in events
            if at(event, "isPitch") is not True
        ],
        "live_game_hit_data": [
            keys | hands(play) | batted_ball(play, event)
            for keys, play, _, event in events
            if at(event, "hitData") is not None
        ],
        "live_game_runners": [
            keys | play_keys(keys["at_bat_index"], play) | movement(runner) for keys, play, runner in runners
        ],
        "live_game_fielding_credits": [
            keys | {"credit_index": index, **credit(runner, found_credit)}
            for keys, _, runner in runners
            for index, found_credit in listed(runner, "credits")
        ],
        "live_game_scoring_plays": [
            {"at_bat_index": whole(number), "scoring_play_index": index}
            for index, number in listed(plays, "scoringPlays")
        ],
    }


def play_keys(number: int, play: Any) -> Row:
    """Return what all rows below a play repeat of it."""
    return {
        "at_bat_index": number,
        "inning": whole(at(play, "about", "inning")),
        "half_inning": text(at(play, "about", "halfInning")),
        "batter_id": whole(at(play, "matchup", "batter", "id")),
        "pitcher_id": whole(at(play, "matchup", "pitcher", "id")),
    }


def hands(play: Any) -> Row:
    return {
        "bat_side": text(at(play, "matchup", "batSide", "code")),
        "pitch_hand": text(at(play, "matchup", "pitchHand", "code")),
    }


def counted(play: Any, index: int) -> Row:
    """Return the count before an event: the one after the event before it; 0 for the first."""
    before = at(play, "playEvents", index - 1, "count") if index else None
    return {
        "balls_before": whole(at(before, "balls")) or 0,
        "strikes_before": whole(at(before, "strikes")) or 0,
    }


def review(item: Any) -> Row:
    found = at(item, "reviewDetails")
    return {
        "review_is_overturned": flag(at(found, "isOverturned")),
        "review_in_progress": flag(at(found, "inProgress")),
        "review_type": text(at(found, "reviewType")),
        "review_challenge_team_id": whole(at(found, "challengeTeamId")),
        "review_player_id": whole(at(found, "player", "id")),
        "review_additional": packed(at(found, "additionalReviews")),
    }


def play_row(play: Any) -> Row:
    about, result, count = at(play, "about"), at(play, "result"), at(play, "count")
    return {
        "inning": whole(at(about, "inning")),
        "half_inning": text(at(about, "halfInning")),
        "is_top_inning": flag(at(about, "isTopInning")),
        "start_time": moment(at(about, "startTime")),
        "end_time": moment(at(about, "endTime")),
        "play_end_time": moment(at(play, "playEndTime")),
        "is_complete": flag(at(about, "isComplete")),
        "is_scoring_play": flag(at(about, "isScoringPlay")),
        "has_review": flag(at(about, "hasReview")),
        "has_out": flag(at(about, "hasOut")),
        "captivating_index": whole(at(about, "captivatingIndex")),
        "result_type": text(at(result, "type")),
        "event": text(at(result, "event")),
        "event_type": text(at(result, "eventType")),
        "description": text(at(result, "description")),
        "rbi": whole(at(result, "rbi")) or 0,
        "away_score": whole(at(result, "awayScore")),
        "home_score": whole(at(result, "homeScore")),
        "is_out": flag(at(result, "isOut")),
        "balls": whole(at(count, "balls")),
        "strikes": whole(at(count, "strikes")),
        "outs": whole(at(count, "outs")),
        **matchup(at(play, "matchup")),
        **review(play),
    }


def matchup(found: Any) -> Row:
    return {
        **named("batter", at(found, "batter")),
        "bat_side": text(at(found, "batSide", "code")),
        "bat_side_description": text(at(found, "batSide", "description")),
        **named("pitcher", at(found, "pitcher")),
        "pitch_hand": text(at(found, "pitchHand", "code")),
        "pitch_hand_description": text(at(found, "pitchHand", "description")),
        "batter_split": text(at(found, "splits", "batter")),
        "pitcher_split": text(at(found, "splits", "pitcher")),
        "men_on_base": text(at(found, "splits", "menOnBase")),
        **named("post_on_first", at(found, "postOnFirst")),
        **named("post_on_second", at(found, "postOnSecond")),
        **named("post_on_third", at(found, "postOnThird")),
        "batter_hot_cold_zones": packed(at(found, "batterHotColdZones")),
        "batter_hot_cold_zone_stats": packed(at(found, "batterHotColdZoneStats")),
        "pitcher_hot_cold_zones": packed(at(found, "pitcherHotColdZones")),
        "pitcher_hot_cold_zone_stats": packed(at(found, "pitcherHotColdZoneStats")),
    }


def pitch(event: Any) -> Row:
    details, count = at(event, "details"), at(event, "count")
    return {
        "play_id": text(at(event, "playId")),
        "pfx_id": text(at(event, "pfxId")),
        "pitch_number": whole(at(event, "pitchNumber")),
        "start_time": moment(at(event, "startTime")),
        "end_time": moment(at(event, "endTime")),
        "outs_before": whole(at(count, "outs")),
        "balls": whole(at(count, "balls")),
        "strikes": whole(at(count, "strikes")),
        "pitch_type": text(at(details, "type", "code")),
        "pitch_description": text(at(details, "type", "description")),
        "pitch_call_code": text(at(details, "call", "code")),
        "pitch_call": text(at(details, "call", "description")),
        "result_code": text(at(details, "code")),
        "description": text(at(details, "description")),
        "is_in_play": flag(at(details, "isInPlay")),
        "is_strike": flag(at(details, "isStrike")),
        "is_ball": flag(at(details, "isBall")),
        "is_out": flag(at(details, "isOut")),
        "has_review": flag(at(details, "hasReview")),
        "runner_going": flag(at(details, "runnerGoing")),
        "disengagement_number": whole(at(details, "disengagementNum")),
        **tracking(at(event, "pitchData")),
        "credits": packed(at(event, "credits")),
        **review(event),
    }


#: Where the ball is, flies and breaks: column by key.
COORDINATES = {
    "coordinates_x": "x",
    "coordinates_y": "y",
    "plate_x": "pX",
    "plate_z": "pZ",
    "release_x": "x0",
    "release_y": "y0",
    "release_z": "z0",
    "velocity_x": "vX0",
    "velocity_y": "vY0",
    "velocity_z": "vZ0",
    "acceleration_x": "aX",
    "acceleration_y": "aY",
    "acceleration_z": "aZ",
    "pfx_x": "pfxX",
    "pfx_z": "pfxZ",
}
BREAKS = {
    "break_angle": "breakAngle",
    "break_length": "breakLength",
    "break_y": "breakY",
    "break_horizontal": "breakHorizontal",
    "break_vertical": "breakVertical",
    "break_vertical_induced": "breakVerticalInduced",
}


def tracking(found: Any) -> Row:
    return {
        "type_confidence": real(at(found, "typeConfidence")),
        "start_speed": exact(at(found, "startSpeed"), 2),
        "end_speed": exact(at(found, "endSpeed"), 2),
        "plate_time": real(at(found, "plateTime")),
        "extension": real(at(found, "extension")),
        "zone": whole(at(found, "zone")),
        "strike_zone_top": real(at(found, "strikeZoneTop")),
        "strike_zone_bottom": real(at(found, "strikeZoneBottom")),
        "strike_zone_width": real(at(found, "strikeZoneWidth")),
        "strike_zone_depth": real(at(found, "strikeZoneDepth")),
        **{column: real(at(found, "coordinates", key)) for column, key in COORDINATES.items()},
        "spin_rate": whole(at(found, "breaks", "spinRate")),
        "spin_direction": whole(at(found, "breaks", "spinDirection")),
        **{column: real(at(found, "breaks", key)) for column, key in BREAKS.items()},
    }


def action(event: Any) -> Row:
    details, count = at(event, "details"), at(event, "count")
    violation = at(details, "violation")
    return {
        "event_kind": text(at(event, "type")),
        "play_id": text(at(event, "playId")),
        "action_play_id": text(at(event, "actionPlayId")),
        "pitch_number": whole(at(event, "pitchNumber")),
        "start_time": moment(at(event, "startTime")),
        "end_time": moment(at(event, "endTime")),
        "event": text(at(details, "event")),
        "event_type": text(at(details, "eventType")),
        "description": text(at(details, "description")),
        "result_code": text(at(details, "code")),
        "call_code": text(at(details, "call", "code")),
        "call_description": text(at(details, "call", "description")),
        "is_in_play": flag(at(details, "isInPlay")),
        "is_strike": flag(at(details, "isStrike")),
        "is_ball": flag(at(details, "isBall")),
        "away_score": whole(at(details, "awayScore")),
        "home_score": whole(at(details, "homeScore")),
        "is_scoring_play": flag(at(details, "isScoringPlay")),
        "is_out": flag(at(details, "isOut")),
        "has_review": flag(at(details, "hasReview")),
        "from_catcher": flag(at(details, "fromCatcher")),
        "disengagement_number": whole(at(details, "disengagementNum")),
        "violation_type": text(at(violation, "type")),
        "violation_description": text(at(violation, "description")),
        **named("violation_player", at(violation, "player")),
        "balls": whole(at(count, "balls")),
        "strikes": whole(at(count, "strikes")),
        "outs": whole(at(count, "outs")),
        "player_id": whole(at(event, "player", "id")),
        "replaced_player_id": whole(at(event, "replacedPlayer", "id")),
        "umpire_id": whole(at(event, "umpire", "id")),
        **position(at(event, "position")),
        "batting_order": text(at(event, "battingOrder")),
        "base": whole(at(event, "base")),
        "injury_type": text(at(event, "injuryType")),
        "is_substitution": flag(at(event, "isSubstitution")),
        "is_base_running_play": flag(at(event, "isBaseRunningPlay")),
        **review(event),
    }


def batted_ball(play: Any, event: Any) -> Row:
    hit = at(event, "hitData")
    return {
        "play_id": text(at(event, "playId")),
        "pitch_type": text(at(event, "details", "type", "code")),
        "start_speed": exact(at(event, "pitchData", "startSpeed"), 2),
        "pitch_call_code": text(at(event, "details", "call", "code")),
        "launch_speed": exact(at(hit, "launchSpeed"), 2),
        "launch_angle": exact(at(hit, "launchAngle"), 2),
        "total_distance": exact(at(hit, "totalDistance"), 2),
        "trajectory": text(at(hit, "trajectory")),
        "hardness": text(at(hit, "hardness")),
        "location": text(at(hit, "location")),
        "hit_coordinates_x": real(at(hit, "coordinates", "coordX")),
        "hit_coordinates_y": real(at(hit, "coordinates", "coordY")),
        "event": text(at(play, "result", "event")),
        "event_type": text(at(play, "result", "eventType")),
    }


def movement(runner: Any) -> Row:
    details, moved = at(runner, "details"), at(runner, "movement")
    return {
        "event_index": whole(at(details, "playIndex")),
        **named("runner", at(details, "runner")),
        "origin_base": text(at(moved, "originBase")),
        "start_base": text(at(moved, "start")),
        "end_base": text(at(moved, "end")),
        "out_base": text(at(moved, "outBase")),
        "is_out": flag(at(moved, "isOut")),
        "out_number": whole(at(moved, "outNumber")),
        "event": text(at(details, "event")),
        "event_type": text(at(details, "eventType")),
        "movement_reason": text(at(details, "movementReason")),
        "is_scoring_event": flag(at(details, "isScoringEvent")),
        "is_rbi": flag(at(details, "rbi")),
        "is_earned": flag(at(details, "earned")),
        "is_team_unearned": flag(at(details, "teamUnearned")),
        "responsible_pitcher_id": whole(at(details, "responsiblePitcher", "id")),
    }


def credit(runner: Any, found: Any) -> Row:
    return {
        "player_id": whole(at(found, "player", "id")),
        **position(at(found, "position")),
        "credit": text(at(found, "credit")),
        "runner_id": whole(at(runner, "details", "runner", "id")),
        "event_index": whole(at(runner, "details", "playIndex")),
    }
