"""Small documents for the mapping ``mini.yaml`` beside this file, and what its tables must hold after any captures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

MAPPING = Path(__file__).with_name("mini.yaml")
TABLES = ("mini.games", "mini.plays", "mini.players")
PRIMARY_KEYS = {
    "mini.games": ("game_pk",),
    "mini.plays": ("game_pk", "play_index"),
    "mini.players": ("player_id",),
}
_START = datetime(2024, 7, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Capture:
    """One capture of one game. What it holds follows from game and minute; later captures gain and lose plays."""

    game: int
    minute: int

    @property
    def captured_at(self) -> datetime:
        """Distinct for every game and minute."""
        return _START + timedelta(minutes=self.minute, seconds=self.game)

    @property
    def day(self) -> date:
        """Game 2 is moved to the next day at minute 2."""
        return date(2024, 7, 2 if self.game == 2 and self.minute >= 2 else 1)

    @property
    def plays(self) -> list[tuple[str, str]]:
        """Event and speed; minute 3 takes all plays back."""
        count = 0 if self.minute == 3 else 1 + (self.minute * 2 + self.game) % 4
        return [(f"event {self.game}.{n}.{self.minute // 2}", f"{80 + n + self.minute % 2}.5") for n in range(count)]

    @property
    def players(self) -> dict[int, str]:
        """Player 9 is in every game, the others in one."""
        return {9: f"seen in {self.game} at {self.minute}", 10 + self.game * 10 + self.minute % 2: f"of {self.game}"}

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "gamePk": self.game,
            "time": f"{self.captured_at:%Y%m%d_%H%M%S}",
            "date": self.day.isoformat(),
            "state": f"minute {self.minute}",
            "plays": [{"event": event, "speed": float(speed)} for event, speed in self.plays],
            "players": {f"ID{number}": {"id": number, "name": name} for number, name in self.players.items()},
        }

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of every table, without the columns that tell of the run."""
        common = {"game_pk": self.game, "source_captured_at": self.captured_at}
        games = [common | {"game_date": self.day, "state": f"minute {self.minute}"}]
        plays = [
            common | {"game_date": self.day, "play_index": n, "event": event, "speed": Decimal(f"{speed}0")}
            for n, (event, speed) in enumerate(self.plays)
        ]
        players = [
            common | {"player_id": number, "full_name": name, "player_key": f"ID{number}"}
            for number, name in self.players.items()
        ]
        return {"mini.games": games, "mini.plays": plays, "mini.players": players}


def newest(captures: Iterable[Capture]) -> dict[int, Capture]:
    """Return the newest capture of each game."""
    found: dict[int, Capture] = {}
    for capture in sorted(captures, key=lambda one: one.minute):
        found[capture.game] = capture
    return found


def expected(captures: Iterable[Capture], *, kept: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Return what the tables hold once all captures were written, in any order.

    Args:
        captures: all that were written.
        kept: whether every table has ``on_missing: keep``, as for writers that can't delete; else only ``players``.
    """
    seen = sorted(captures, key=lambda one: one.captured_at)
    latest = newest(seen).values()
    return {
        name: _newest_rows(seen, name) if kept or name == "mini.players" else _rows(latest, name) for name in TABLES
    }


def _rows(captures: Iterable[Capture], table: str) -> list[dict[str, Any]]:
    return [row for capture in captures for row in capture.rows()[table]]


def _newest_rows(captures: Iterable[Capture], table: str) -> list[dict[str, Any]]:
    """Return the newest row of each key; captures come in the order of their times."""
    key = PRIMARY_KEYS[table]
    return list({tuple(row[name] for name in key): row for row in _rows(captures, table)}.values())


def ordered(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows in a fixed order, without the columns that tell of the run."""
    kept = [{k: v for k, v in row.items() if k not in ("transform_timestamp", "lineage_metadata")} for row in rows]
    return sorted(kept, key=lambda row: (row["game_pk"], row.get("player_id", 0), row.get("play_index", 0)))


def save(folder: Path, captures: Iterable[Capture]) -> Path:
    """Write captures to files of a new folder."""
    folder.mkdir(parents=True)
    for capture in captures:
        (folder / f"{capture.game}-{capture.minute}.json").write_text(json.dumps(capture.document()), encoding="utf-8")
    return folder
