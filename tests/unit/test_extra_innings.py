"""Games that go on: the feeds that skew a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import extra_innings
    import generate

    yield extra_innings, generate
    for name in ("extra_innings", "generate"):
        del sys.modules[name]


def test_plays_go_on_with_positions_innings_and_ids_of_their_own(modules: tuple[Any, Any]) -> None:
    extra_innings, generate = modules
    text = generate.Games().text(0)
    found = extra_innings.extra_innings(text, 5_000_000)
    assert 5_000_000 <= len(found) < 5_700_000
    regular = json.loads(text)["response"]["liveData"]["plays"]["allPlays"]
    plays = json.loads(found)["response"]["liveData"]["plays"]["allPlays"]
    assert plays[: len(regular)] == regular
    assert [play["about"]["atBatIndex"] for play in plays] == list(range(len(plays)))
    innings = [play["about"]["inning"] for play in plays]
    assert innings == sorted(innings)
    ids = [event["playId"] for play in plays for event in play["playEvents"] if "playId" in event]
    assert len(ids) == len(set(ids)) > 1000
