"""The oracle of analytics: its counts from plays are the boxscore's, in every real game."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DATA, SAMPLES
from tests.oracle.analytics import boxscore, distance_km, lines
from tests.season import capture, players, season

CAPTURES = DATA / "captures"
REAL = (
    SAMPLES / "live_game_747175.json.gz",
    CAPTURES / "715720_Final_78plays.json.gz",
    CAPTURES / "746551_In_Progress_70plays.json.gz",
    CAPTURES / "746551_Game_Over_73plays.json.gz",
)


def response(path: Path) -> dict[str, Any]:
    document = json.loads(gzip.decompress(path.read_bytes()))
    found: dict[str, Any] = document.get("response", document)
    return found


def disagreements(feed: dict[str, Any]) -> tuple[list[str], int]:
    """Return where plays and boxscore differ, and how many figures were compared."""
    counted, wrong, compared = lines(feed), [], 0
    for player, figures in boxscore(feed).items():
        own = counted.get(player, {})
        names = {name for line in counted.values() for name in line} & figures.keys()
        compared += len(names)
        wrong += [
            f"{player} {name}: {own.get(name, 0)}, not {figures[name]}"
            for name in names
            if own.get(name, 0) != figures[name]
        ]
    return wrong, compared


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_plays_of_a_real_game_add_up_to_its_boxscore(path: Path) -> None:
    wrong, compared = disagreements(response(path))
    assert wrong == []
    assert compared > 400


def test_plays_of_a_made_game_add_up_to_its_boxscore() -> None:
    game = season(games=9)[7]
    feed = json.loads(capture(game))["response"]
    assert disagreements(feed)[0] == []
    on_both_sides = {*players(game, "home").values(), *players(game, "away").values()}
    assert {player for _, player in boxscore(feed)} <= on_both_sides


def test_a_quarter_of_the_globe_is_a_quarter_of_its_circumference() -> None:
    assert distance_km((0, 0), (0, 90)) == pytest.approx(math.pi / 2 * 6371.0088)
    assert distance_km((90, 0), (-90, 0)) == pytest.approx(math.pi * 6371.0088)
    assert distance_km((33.4, -112.0), (33.4, -112.0)) == 0
