"""The three tables of a linescore response, read from its JSON."""

from __future__ import annotations

from typing import Any

from tests.oracle import live_game
from tests.oracle.values import Row, at, flag, sides, text, whole


def read(document: dict[str, Any], game_pk: int) -> dict[str, list[Row]]:
    """Return the rows of every table; the game is named by the request alone."""
    tables = {
        "linescore": [linescore(document)],
        "linescore_teams": [{"side": side, **total(found)} for side, found in sides(document, "teams")],
        "linescore_innings": live_game.half_innings(document),
    }
    return {f"game.{name}": [{"game_pk": game_pk} | row for row in rows] for name, rows in tables.items()}


def linescore(document: dict[str, Any]) -> Row:
    state = live_game.state_of_play(document)
    state["note"] = state.pop("linescore_note")
    for part, people in (("offense", live_game.OFFENSE), ("defense", live_game.DEFENSE)):
        state[f"{part}_team_name"] = text(at(document, part, "team", "name"))
        state |= {f"{part}_{column}_name": text(at(document, part, key, "fullName")) for key, column in people.items()}
    for side in ("home", "away"):
        found = total(at(document, "teams", side))
        state[f"{side}_score"] = found["runs"]
        state |= {f"{side}_{column}": found[column] for column in ("hits", "errors", "left_on_base")}
    return state | {"copyright": text(at(document, "copyright"))}


def total(found: Any) -> Row:
    return {
        "runs": whole(at(found, "runs")),
        "hits": whole(at(found, "hits")),
        "errors": whole(at(found, "errors")),
        "left_on_base": whole(at(found, "leftOnBase")),
        "is_winner": flag(at(found, "isWinner")),
    }
