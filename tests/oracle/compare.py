"""Reads tables back without Spark, and compares them with the oracle column by column."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.oracle.values import Json, Row

Tables = dict[str, list[Row]]
#: Columns that tell of the capture and the run, not of the game.
STAMPS = {"source_captured_at", "transform_timestamp", "lineage_metadata"}
#: Tables by their primary key.
GAME = ("game_pk",)
SIDE = ("game_pk", "side")
PERSON = ("game_pk", "side", "player_id")
EVENT = ("game_pk", "at_bat_index", "event_index")
LIVE_GAME_KEYS = {
    "game.live_game_metadata": GAME,
    "game.live_game_venue_details": GAME,
    "game.live_game_teams": SIDE,
    "game.live_game_players": ("game_pk", "player_id"),
    "game.live_game_umpires": ("game_pk", "umpire_position"),
    "game.live_game_batting_order": ("game_pk", "side", "batting_position"),
    "game.live_game_bench": PERSON,
    "game.live_game_bullpen": PERSON,
    "game.live_game_pitchers": ("game_pk", "side", "appearance_order"),
    "game.live_game_linescore_innings": ("game_pk", "inning_number", "half_inning"),
    "game.live_game_plays": ("game_pk", "at_bat_index"),
    "game.live_game_pitch_events": EVENT,
    "game.live_game_play_actions": EVENT,
    "game.live_game_hit_data": EVENT,
    "game.live_game_runners": ("game_pk", "at_bat_index", "runner_index"),
    "game.live_game_fielding_credits": ("game_pk", "at_bat_index", "runner_index", "credit_index"),
    "game.live_game_scoring_plays": ("game_pk", "at_bat_index"),
    "game.live_game_player_stats": PERSON,
}
BOXSCORE_KEYS = {
    "game.boxscore": GAME,
    "game.boxscore_teams": SIDE,
    "game.boxscore_players": PERSON,
    "game.boxscore_officials": ("game_pk", "umpire_position"),
    "game.boxscore_batting_order": ("game_pk", "side", "batting_position"),
    "game.boxscore_batters": ("game_pk", "side", "batter_index"),
    "game.boxscore_pitchers": ("game_pk", "side", "appearance_order"),
    "game.boxscore_bench": PERSON,
    "game.boxscore_bullpen": PERSON,
    "game.boxscore_info": ("game_pk", "info_index"),
    "game.boxscore_team_info": ("game_pk", "side", "section_index", "field_index"),
    "game.boxscore_team_notes": ("game_pk", "side", "note_index"),
    "game.boxscore_top_performers": ("game_pk", "performer_index"),
}
LINESCORE_KEYS = {
    "game.linescore": GAME,
    "game.linescore_teams": SIDE,
    "game.linescore_innings": ("game_pk", "inning_number", "half_inning"),
}


def stored(target: Path, names: Iterable[str]) -> Tables:
    """Return all rows of Delta tables; a table that was never written has none."""
    from deltalake import DeltaTable

    folders = {name: target.joinpath(*name.split(".")) for name in names}
    return {
        name: DeltaTable(folder).to_pyarrow_table().to_pylist() if folder.exists() else []
        for name, folder in folders.items()
    }


def of_game(tables: Tables, game_pk: int) -> Tables:
    """Return the rows of one game."""
    return {name: [row for row in rows if row["game_pk"] == game_pk] for name, rows in tables.items()}


def differences(found: Sequence[Row], expected: Sequence[Row], key: Sequence[str]) -> list[str]:
    """Return what differs between the rows of a table, in words: rows, columns, values."""
    by_key = {tuple(row[part] for part in key): row for row in found}
    wanted = {tuple(row[part] for part in key): row for row in expected}
    repeated = [f"{len(found) - len(by_key)} rows repeat a key"] if len(by_key) < len(found) else []
    repeated += [f"the oracle repeats {len(expected) - len(wanted)} keys"] if len(wanted) < len(expected) else []
    missing = [f"{one} is missing" for one in wanted.keys() - by_key.keys()]
    extra = [f"{one} is not in the document" for one in by_key.keys() - wanted.keys()]
    both = wanted.keys() & by_key.keys()
    return (
        repeated + missing + extra + [text for one in both for text in _row_differences(one, by_key[one], wanted[one])]
    )


def _row_differences(key: tuple[Any, ...], found: Row, expected: Row) -> list[str]:
    columns = found.keys() - STAMPS
    if columns != expected.keys():
        return [f"{key}: the oracle has no {columns - expected.keys()}, the table no {expected.keys() - columns}"]
    return [
        f"{key} {column}: {found[column]!r}, not {expected[column]!r}"
        for column in sorted(columns)
        if not same(found[column], expected[column])
    ]


def same(found: Any, expected: Any) -> bool:
    """Return whether a stored value is the expected one, of the expected type."""
    if isinstance(expected, Json):
        return isinstance(found, str) and json.loads(found) == expected.value
    return type(found) is type(expected) and bool(found == expected)
