"""The tables of responses about teams and rosters, read from their JSON."""

from __future__ import annotations

from typing import Any

from tests.oracle import live_game, person
from tests.oracle.values import Row, at, day, listed, text, whole


def read(document: dict[str, Any]) -> dict[str, list[Row]]:
    """Return the rows of the tables of team.team; ballparks that teams share once."""
    teams = [found for _, found in listed(document, "teams")]
    venues = [venue(found["venue"]) for found in teams if at(found, "venue", "id") is not None]
    return {
        "team.team": [team(found) for found in teams],
        "venue.venue": list({v["venue_id"]: v for v in venues}.values()),
    }


def team(found: Any) -> Row:
    row = live_game.team(found)
    del row["venue_name"]
    return row | {
        "parent_org_id": whole(at(found, "parentOrgId")),
        "parent_org_name": text(at(found, "parentOrgName")),
    }


def venue(found: Any) -> Row:
    """Return what a game's feed says of its ballpark, without what is of the game."""
    row = live_game.venue({"gameData": {"venue": found}})
    for column in ("game_id", "official_date", "original_date", "game_datetime", "utc_offset_at_game_time"):
        del row[column]
    return row | {"link": text(at(found, "link"))}


def read_roster(document: dict[str, Any], params: dict[str, str], as_of: str) -> dict[str, list[Row]]:
    """Return the rows of the tables of team.roster. ``as_of`` is what the test expects, read by a person."""
    key = {
        "team_id": whole(at(document, "teamId")),
        "roster_type": text(at(document, "rosterType")),
        "as_of": as_of,
    }
    entries = [found for _, found in listed(document, "roster")]
    return {
        "team.rosters": [key | roster(document, params)],
        "team.roster": [key | entry(found) for found in entries],
        "team.roster_people": [
            key | person.biography(found["person"])
            for found in entries
            if at(found, "person", "firstName") is not None or at(found, "person", "lastName") is not None
        ],
    }


def roster(document: dict[str, Any], params: dict[str, str]) -> Row:
    return {
        "requested_roster_type": params.get("rosterType"),
        "requested_date": params.get("date"),
        "roster_date": day(params.get("date")),
        "season": params.get("season"),
        "game_type": params.get("gameType"),
        "copyright": text(at(document, "copyright")),
    }


def entry(found: Any) -> Row:
    return {
        "person_id": whole(at(found, "person", "id")),
        "full_name": text(at(found, "person", "fullName")),
        "jersey_number": text(at(found, "jerseyNumber") or None),
        **live_game.position(at(found, "position")),
        "status_code": text(at(found, "status", "code")),
        "status": text(at(found, "status", "description")),
        "parent_team_id": whole(at(found, "parentTeamId")),
    }
