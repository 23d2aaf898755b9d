"""The generator of benchmark games: the same bytes every time, and games that differ where they must."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

GENERATOR = Path(__file__).resolve().parents[2] / "benchmarks/generate.py"


@pytest.fixture(scope="module")
def generate() -> Iterator[ModuleType]:
    name = "mlbsdk_benchmark_generate"
    spec = importlib.util.spec_from_file_location(name, GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]


@pytest.fixture(scope="module")
def games(generate: ModuleType) -> Any:
    return generate.Games(seed=0)


@pytest.fixture(scope="module")
def template(generate: ModuleType) -> dict[str, Any]:
    with gzip.open(generate.TEMPLATE, "rt", encoding="utf-8") as stream:
        found: dict[str, Any] = json.load(stream)
    return found


def plays(capture: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = capture["response"]["liveData"]["plays"]["allPlays"]
    return found


def pitches(capture: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for play in plays(capture) for event in play["playEvents"] if event["isPitch"]]


def shape(value: object) -> object:
    """Return the value with its leaves replaced by their types."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


def play_ids(text: str) -> set[str]:
    return set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", text))


def test_same_seed_gives_the_same_bytes(generate: ModuleType, tmp_path: Path) -> None:
    for folder in ("one", "other"):
        generate.Games(seed=7).write(tmp_path / folder, 3)
        generate.Games(seed=7).write(tmp_path / folder, 3, later=30, compress=True)
    one, other = (sorted((tmp_path / folder).iterdir()) for folder in ("one", "other"))
    assert [path.name for path in one] == [path.name for path in other]
    assert len(one) == 6
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_a_game_does_not_depend_on_how_many_are_made(games: Any, generate: ModuleType) -> None:
    assert generate.Games(seed=0).text(40) == games.text(40)


def test_another_seed_gives_other_values(games: Any, generate: ModuleType) -> None:
    assert generate.Games(seed=1).text(0) != games.text(0)


def test_gzip_holds_the_same_text(games: Any, tmp_path: Path) -> None:
    (path,) = games.write(tmp_path, 1, compress=True)
    assert path.name.endswith(".json.gz")
    assert gzip.decompress(path.read_bytes()).decode() == games.text(0)


def test_games_have_distinct_keys_times_and_play_ids(games: Any) -> None:
    texts = [games.text(number) for number in range(32)]
    captures = [json.loads(text) for text in texts]
    assert len({capture["response"]["gamePk"] for capture in captures}) == 32
    assert len({capture["response"]["metaData"]["timeStamp"] for capture in captures}) == 32
    ids = [play_ids(text) for text in texts]
    assert len(set.union(*ids)) == sum(map(len, ids))


@pytest.mark.parametrize("number", [0, 14, 15, 199])
def test_a_game_names_one_key_and_one_date(games: Any, number: int) -> None:
    text = games.text(number)
    capture = json.loads(text)
    response, pk = capture["response"], games.game_pk(number)
    data = response["gameData"]
    assert "747175" not in re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", text)
    assert "@" not in text
    assert [response["gamePk"], data["game"]["pk"], int(capture["path_params"]["game_pk"])] == [pk] * 3
    assert f"/{pk}/" in capture["url"]
    assert f"/{pk}/" in response["link"]
    day = data["datetime"]["officialDate"]
    assert data["game"]["id"].startswith(day.replace("-", "/"))
    assert data["game"]["calendarEventID"] == f"14-{pk}-{day}"
    assert response["metaData"]["timeStamp"] == games.captured_at(number).strftime("%Y%m%d_%H%M%S")


def test_there_are_fifteen_games_a_day(games: Any) -> None:
    days = [
        json.loads(games.text(number))["response"]["gameData"]["datetime"]["officialDate"] for number in (0, 14, 15)
    ]
    assert days == ["2024-03-20", "2024-03-20", "2024-03-21"]


def test_the_last_game_is_still_in_the_season(games: Any, generate: ModuleType) -> None:
    assert games.captured_at(generate.MAX_GAMES - 1).year == 2024
    with pytest.raises(ValueError, match="there are games 0 to"):
        games.text(generate.MAX_GAMES)


def test_size_shape_and_counts_are_those_of_the_template(games: Any, template: dict[str, Any]) -> None:
    wanted = len(json.dumps(template))
    assert wanted == pytest.approx(845_000, rel=0.01)
    for number in (0, 7, 100):
        text = games.text(number)
        capture = json.loads(text)
        assert len(text.encode()) == pytest.approx(wanted, rel=0.1)
        assert len(plays(capture)) == 75
        assert len(pitches(capture)) == 290
        assert shape(capture) == shape(template)


def test_pitch_values_differ_a_little(games: Any, template: dict[str, Any]) -> None:
    made = json.loads(games.text(3))
    pairs = [
        (one["pitchData"]["startSpeed"], other["pitchData"]["startSpeed"])
        for one, other in zip(pitches(template), pitches(made), strict=True)
    ]
    assert sum(one != other for one, other in pairs) > 200
    assert all(other == pytest.approx(one, rel=0.01) for one, other in pairs)


def test_current_play_is_the_last_play(games: Any) -> None:
    found = json.loads(games.text(5, later=30))
    assert found["response"]["liveData"]["plays"]["currentPlay"] == plays(found)[-1]


def test_a_newer_capture_differs_in_its_time_and_a_few_plays(games: Any, generate: ModuleType) -> None:
    first, later = (json.loads(games.text(5, minutes)) for minutes in (0, 30))
    changed = {number for number, (a, b) in enumerate(zip(plays(first), plays(later), strict=True)) if a != b}
    assert changed == games.changed_plays(5, 30)
    assert len(changed) == generate.CHANGED_PLAYS
    assert (games.captured_at(5, 30) - games.captured_at(5)).total_seconds() == 30 * 60
    for capture in (first, later):
        del capture["response"]["metaData"]["timeStamp"], capture["response"]["liveData"]["plays"]
    assert first == later
