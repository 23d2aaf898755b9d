"""The 13 tables of a boxscore response, read from its JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.oracle import live_game
from tests.oracle.stats import TEAM, lines
from tests.oracle.values import Row, at, listed, mapped, named, packed, real, sides, text, whole


def read(document: dict[str, Any], game_pk: int) -> dict[str, list[Row]]:
    """Return the rows of every table; the game is named by the request alone."""
    teams = list(sides(document, "teams"))
    tables = {
        "boxscore": [boxscore(document)],
        "boxscore_teams": [
            {"side": side, **live_game.team(at(found, "team")), **lines(at(found, "teamStats"), TEAM)}
            for side, found in teams
        ],
        "boxscore_players": list(players(teams)),
        "boxscore_officials": live_game.umpires(document),
        **groups(teams),
        "boxscore_info": [{"info_index": number, **labelled(one)} for number, one in listed(document, "info")],
        "boxscore_team_info": list(sections(teams)),
        "boxscore_team_notes": [
            {"side": side, "note_index": number, **labelled(one)}
            for side, found in teams
            for number, one in listed(found, "note")
        ],
        "boxscore_top_performers": [
            {"performer_index": number, **performer(one)} for number, one in listed(document, "topPerformers")
        ],
    }
    return {f"game.{name}": [{"game_pk": game_pk} | row for row in rows] for name, rows in tables.items()}


def boxscore(document: dict[str, Any]) -> Row:
    return {
        "home_team_id": whole(at(document, "teams", "home", "team", "id")),
        "away_team_id": whole(at(document, "teams", "away", "team", "id")),
        "home_team_name": text(at(document, "teams", "home", "team", "name")),
        "away_team_name": text(at(document, "teams", "away", "team", "name")),
        "pitching_notes": packed(at(document, "pitchingNotes")),
        "copyright": text(at(document, "copyright")),
    }


def players(teams: list[tuple[str, Any]]) -> Iterator[Row]:
    for side, found in teams:
        for one in mapped(found, "players"):
            yield {
                "side": side,
                "team_id": whole(at(found, "team", "id")),
                "boxscore_name": text(at(one, "person", "boxscoreName")),
                **live_game.player_stats(one),
            }


def groups(teams: list[tuple[str, Any]]) -> dict[str, list[Row]]:
    """Return the tables made of arrays of player ids."""
    members = live_game.members
    return {
        "boxscore_batting_order": [
            {"batting_position": number + 1, "lineup_index": number, **who}
            for number, who in members(teams, "battingOrder")
        ],
        "boxscore_batters": [{"batter_index": number, **who} for number, who in members(teams, "batters")],
        "boxscore_pitchers": [{"appearance_order": number, **who} for number, who in members(teams, "pitchers")],
        "boxscore_bench": [{"roster_index": number, **who} for number, who in members(teams, "bench")],
        "boxscore_bullpen": [{"roster_index": number, **who} for number, who in members(teams, "bullpen")],
    }


def sections(teams: list[tuple[str, Any]]) -> Iterator[Row]:
    for side, found in teams:
        for number, section in listed(found, "info"):
            for index, one in listed(section, "fieldList"):
                keys = {"side": side, "section_index": number, "field_index": index}
                yield keys | {"section": text(at(section, "title"))} | labelled(one)


def labelled(found: Any) -> Row:
    return {"label": text(at(found, "label")), "value": text(at(found, "value"))}


def performer(found: Any) -> Row:
    return {
        **named("player", at(found, "player", "person")),
        "performer_type": text(at(found, "type")),
        "game_score": real(at(found, "gameScore")),
        "hitting_game_score": real(at(found, "hittingGameScore")),
        "pitching_game_score": real(at(found, "pitchingGameScore")),
    }
