"""Small documents for the mapping ``tests/data/mini.yaml``, and what its tables must hold after any captures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.conftest import DATA

MAPPING = DATA / "mini.yaml"
TABLES = ("mini.games", "mini.plays", "mini.players")
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


def expected(captures: Iterable[Capture]) -> dict[str, list[dict[str, Any]]]:
    """Return what the tables hold once all captures were written, in any order."""
    seen = list(captures)
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for capture in newest(seen).values():
        for name in ("mini.games", "mini.plays"):
            tables[name] += capture.rows()[name]
    players: dict[int, dict[str, Any]] = {}
    for capture in sorted(seen, key=lambda one: one.captured_at):
        players |= {row["player_id"]: row for row in capture.rows()["mini.players"]}
    tables["mini.players"] = list(players.values())
    return tables


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
