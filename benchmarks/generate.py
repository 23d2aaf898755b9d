"""Make live games of the shape that StatsAPI sends, as many as wanted, the same ones every time.

Usage::

    python benchmarks/generate.py --games 200 --out DIR [--gzip] [--seed N]
    python benchmarks/generate.py --games 200 --out DIR --later 30      # a newer capture of the same games

The template is a real capture (game 747175: 75 plays, 290 pitches). A made game differs from it in its game_pk, its
dates (15 games a day), its play ids, its capture time and, by up to half a percent, in the measured values of its
pitches. Teams, players and the course of the game stay. A newer capture has a later capture time and other values in a
few plays; all else is as it was.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

TEMPLATE = (
    Path(__file__).resolve().parents[1]
    / "plugins/mlbsdk-plugin-game/mlbsdk_plugin_game/samples/live_game_747175.json.gz"
)
FIRST_GAME_PK = 900_001
FIRST_DAY = date(2024, 3, 20)
GAMES_A_DAY = 15
MAX_GAMES = 280 * GAMES_A_DAY
"""More would leave the season that the template names."""
CHANGED_PLAYS = 3
"""Plays that differ in a newer capture."""
VARIATION = 0.005

_TEMPLATE_PK = "747175"
_TEMPLATE_DAY = date(2024, 7, 12)
_TEMPLATE_CAPTURED_AT = datetime(2024, 7, 13, 4, 19, 9)
_CAPTURE_FORMAT = "%Y%m%d_%H%M%S"
_FIXED = {"typeConfidence"}
"""Pitch values that have an upper bound of their own."""
# What differs between games, in the template's text; the first two are marks that _marked puts there.
_SLOTS = re.compile(
    r'"@value (?P<value>\d+)@"'
    r"|@play (?P<play>\d+)@"
    r"|(?P<uuid>\b[0-9a-f]{8}-(?=[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b))"
    rf"|(?P<pk>{_TEMPLATE_PK})"
    r"|(?P<captured>20240713_041909)"
    r"|(?P<day>2024(?P<between>[-/])07(?P=between)1[23])"
)


@dataclass(frozen=True)
class PitchValue:
    """A measured value of a pitch in the template, and the play that it belongs to."""

    play: int
    value: float
    decimals: int


class Games:
    """Makes games by filling the places of the template's text in which games differ.

    Args:
        seed: games of one seed are always the same.
        template: the capture to vary: an envelope as pymlb-statsapi saves it, gzipped.
    """

    def __init__(self, seed: int = 0, template: Path = TEMPLATE) -> None:
        self.seed = seed
        with gzip.open(template, "rt", encoding="utf-8") as stream:
            capture = json.load(stream)
        self.values, self.plays = _marked(capture)
        text = json.dumps(capture)
        self._literals: list[str] = []
        self._slots: list[tuple[str, str]] = []
        end = 0
        for found in _SLOTS.finditer(text):
            self._literals.append(text[end : found.start()])
            kind = next(name for name in ("value", "play", "uuid", "pk", "captured", "day") if found[name] is not None)
            self._slots.append((kind, found[kind]))
            end = found.end()
        self._tail = text[end:]

    def game_pk(self, number: int) -> int:
        """Return the key of a game."""
        return FIRST_GAME_PK + number

    def captured_at(self, number: int, later: int = 0) -> datetime:
        """Return the capture time (UTC) of a game, ``later`` minutes after its first capture."""
        within_day = timedelta(seconds=97 * (number % GAMES_A_DAY), minutes=later)
        return _TEMPLATE_CAPTURED_AT + self._shift(number) + within_day

    def changed_plays(self, number: int, later: int) -> frozenset[int]:
        """Return the plays, by position, that differ between a game's first capture and a newer one."""
        if not later:
            return frozenset()
        return frozenset(self._random(number, f"changed {later}").sample(range(self.plays), CHANGED_PLAYS))

    def text(self, number: int, later: int = 0) -> str:
        """Return one capture as JSON text.

        Args:
            number: which game, from 0.
            later: minutes after its first capture; 0 is the first capture.
        """
        if not 0 <= number < MAX_GAMES:
            raise ValueError(f"there are games 0 to {MAX_GAMES - 1}, not {number}")
        pk, shift, changed = self.game_pk(number), self._shift(number), self.changed_plays(number, later)
        values = self._values(number, frozenset(), "values")
        if changed:
            values |= self._values(number, changed, f"values {later}")
        captured = self.captured_at(number, later).strftime(_CAPTURE_FORMAT)
        parts: list[str] = []
        for literal, (kind, found) in zip(self._literals, self._slots, strict=True):
            parts.append(literal)
            if kind == "value":
                parts.append(values[int(found)])
            elif kind == "play":
                parts.append(" Corrected by the scorer." if int(found) in changed else "")
            elif kind == "uuid":
                parts.append(f"{(int(found[:8], 16) + pk * 2_654_435_761) % 2**32:08x}-")
            elif kind == "pk":
                parts.append(str(pk))
            elif kind == "captured":
                parts.append(captured)
            else:
                day = date(2024, 7, int(found[-2:])) + shift
                parts.append(day.strftime(f"%Y{found[4]}%m{found[4]}%d"))
        return "".join([*parts, self._tail])

    def write(self, folder: Path, count: int, later: int = 0, compress: bool = False) -> list[Path]:
        """Write captures of the first ``count`` games, one file each, and return the files."""
        return list(self._written(folder, count, later, compress))

    def _written(self, folder: Path, count: int, later: int, compress: bool) -> Iterator[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            captured = self.captured_at(number, later).strftime(_CAPTURE_FORMAT)
            path = folder / f"live_game_{self.game_pk(number)}_{captured}.json{'.gz' if compress else ''}"
            content = self.text(number, later).encode()
            path.write_bytes(gzip.compress(content, 6, mtime=0) if compress else content)
            yield path

    def _shift(self, number: int) -> timedelta:
        return FIRST_DAY + timedelta(days=number // GAMES_A_DAY) - _TEMPLATE_DAY

    def _random(self, number: int, purpose: str) -> random.Random:
        return random.Random(f"{self.seed} {number} {purpose}")

    def _values(self, number: int, plays: frozenset[int], purpose: str) -> dict[int, str]:
        """Return the texts of pitch values, of all plays or of some."""
        draw = self._random(number, purpose).random
        return {
            position: f"{one.value * (1 - VARIATION + 2 * VARIATION * draw()):.{one.decimals}f}"
            for position, one in enumerate(self.values)
            if not plays or one.play in plays
        }


def _marked(capture: dict[str, Any]) -> tuple[list[PitchValue], int]:
    """Put marks where plays and pitches will differ; return the values they stand for, and the number of plays."""
    plays = capture["response"]["liveData"]["plays"]
    values: list[PitchValue] = []
    for number, play in enumerate(plays["allPlays"]):
        play["result"]["description"] = f"{play['result'].get('description', '')}@play {number}@"
        for event in play["playEvents"]:
            pitch = event.get("pitchData", {})
            for holder in (pitch, pitch.get("coordinates", {}), pitch.get("breaks", {})):
                for name, value in holder.items():
                    decimals = len(repr(value).partition(".")[2])
                    if isinstance(value, float) and name not in _FIXED and "e" not in repr(value):
                        holder[name] = f"@value {len(values)}@"
                        values.append(PitchValue(number, value, decimals))
    plays["currentPlay"] = plays["allPlays"][-1]
    return values, len(plays["allPlays"])


def main() -> None:
    """Write games to a folder."""
    parser = argparse.ArgumentParser(description="Make live games of the shape that StatsAPI sends.")
    parser.add_argument(
        "--games", type=int, default=200, metavar="N", help=f"how many (at most {MAX_GAMES}; default 200)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--gzip", action="store_true", help="write .json.gz")
    parser.add_argument(
        "--later", type=int, default=0, metavar="MINUTES", help="captures of the same games, that much newer"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="other games for another seed (default 0)")
    given = parser.parse_args()
    if not 1 <= given.games <= MAX_GAMES:
        parser.error(f"--games must be 1 to {MAX_GAMES}")
    if given.later < 0:
        parser.error("--later must not be negative")
    begun = time.monotonic()
    files = Games(given.seed).write(given.out, given.games, given.later, given.gzip)
    size = sum(file.stat().st_size for file in files)
    print(f"{len(files)} captures, {size / 1e6:.1f} MB, in {given.out} ({time.monotonic() - begun:.1f} s)")


if __name__ == "__main__":
    main()
