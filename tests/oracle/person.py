"""The table of a response about persons, read from its JSON."""

from __future__ import annotations

from typing import Any

from tests.oracle import live_game
from tests.oracle.values import Row, at, listed, text, whole


def read(document: dict[str, Any]) -> dict[str, list[Row]]:
    """Return the rows of every table."""
    return {"person.person": [person(found) for _, found in listed(document, "people")]}


def person(found: Any) -> Row:
    team = at(found, "currentTeam")
    return biography(found) | {"current_team_id": whole(at(team, "id")), "current_team_name": text(at(team, "name"))}


def biography(found: Any) -> Row:
    """Return what any response says of a person: the columns of a game's players under the name of a person."""
    row = live_game.player(found)
    row["person_id"] = row.pop("player_id")
    return row | {"primary_number": text(at(found, "primaryNumber") or None)}
