"""wOBA weights by season, from FanGraphs' published constants."""

from __future__ import annotations

import csv
import hashlib
from functools import cache
from importlib import resources

#: The columns of a season's weights.
WEIGHTS = ("walk", "hit_by_pitch", "single", "double", "triple", "home_run")
_FILE = resources.files(__package__).joinpath("data/woba_weights.csv")


@cache
def weights() -> dict[int, dict[str, float]]:
    """Return the weights of each season."""
    lines = (line for line in _FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {int(row["season"]): {name: float(row[name]) for name in WEIGHTS} for row in csv.DictReader(lines)}


def digest() -> str:
    """Return what tells a change of the weights."""
    return hashlib.md5(_FILE.read_bytes(), usedforsecurity=False).hexdigest()[:8]


def season_used(season: int) -> int:
    """Return the season whose weights are used: the nearest one that has any."""
    return min(max(season, min(weights())), max(weights()))
