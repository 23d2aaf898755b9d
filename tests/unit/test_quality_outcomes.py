"""What becomes of refused rows once their captures were read again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.quality.outcomes import Entry, Key, Outcome, Recut, Taken, key_of, plain
from mlbsdk.runtime.batch import Document
from mlbsdk.runtime.kept_rows import why_not
from tests.mini import MAPPING

PLAN = compile_mapping(load_file(MAPPING))
START = datetime(2024, 7, 1, tzinfo=timezone.utc)
FILE = "file:///captures/a%20game.json"


def entry(
    table: str = "mini.plays",
    values: dict[str, Any] | None = None,
    minute: int = 0,
    checks: str = "speed_plausible",
    row_id: str = FILE,
    number: int = 0,
) -> Entry:
    row = {"game_pk": 1, "play_index": 0} if values is None else values
    stored = {
        "quarantine_id": f"id{number}",
        "table_name": table,
        "transform": "mini.game",
        "run_id": "run",
        "checks": checks,
        "row_json": json.dumps(row) if checks != "document" else None,
        "source_row_id": row_id if checks != "document" else plain(row_id),
        "source_captured_at": START + timedelta(minutes=minute) if checks != "document" else None,
        "source": "captures",
    }
    return Entry.of(stored)


def recut(
    passed: Iterable[tuple[str, Key, int]] = (),
    refused: Iterable[Entry] = (),
    minute: int = 0,
    seen: int = 0,
    rejected: Iterable[str] = (),
    is_newest: bool = True,
    row_id: str = FILE,
) -> Recut:
    """Return what was made of one capture of game 1, taken at a minute; the store has seen one of another minute."""
    by_table: dict[str, dict[Key, datetime | None]] = {}
    for table, key, at in passed:
        by_table.setdefault(table, {})[key] = START + timedelta(minutes=at)
    document = Document((1,), START + timedelta(minutes=minute))
    return Recut(
        plan=PLAN,
        taken=[Taken(row_id, document, is_newest)] if not rejected else [],
        rejected=frozenset(rejected),
        passed=by_table,
        refused=list(refused),
        seen={("mini.game", "[1]"): START + timedelta(minutes=seen)},
    )


PLAY: Key = (1, 0)


@pytest.mark.parametrize(
    ("found", "of", "expected"),
    [
        (recut([("mini.plays", PLAY, 0)]), entry(), Outcome.PUBLISHED),
        (recut(refused=[entry()]), entry(), Outcome.STILL_REFUSED),
        (recut(refused=[entry(number=7)]), entry(), Outcome.REFUSED_ANEW),
        (recut([("mini.plays", (1, 1), 0)]), entry(), Outcome.GONE),
        (recut([("mini.plays", PLAY, 0)], seen=5), entry(), Outcome.SUPERSEDED),
        (recut([("mini.plays", PLAY, 0)], is_newest=False), entry(), Outcome.SUPERSEDED),
        (recut([("mini.plays", PLAY, 3)], minute=3, seen=3), entry(), Outcome.SUPERSEDED),
        (recut([("mini.plays", PLAY, 0)]), entry(minute=2), Outcome.NOT_REPLAYED),
        (recut(row_id="another"), entry(), Outcome.NOT_REPLAYED),
        (recut(rejected=["/captures/a game.json"]), entry(), Outcome.REFUSED_ANEW),
        (recut(), entry("mini.former"), Outcome.GONE),
        # A table whose rows are kept does not follow its document, but the newest row of the key.
        (recut([("mini.players", (9,), 0)], seen=5), entry("mini.players", {"player_id": 9}), Outcome.PUBLISHED),
        (recut([("mini.players", (9,), 4)]), entry("mini.players", {"player_id": 9}), Outcome.SUPERSEDED),
        # Without a whole key the row can't be looked up; the capture was cut whole, so nothing refused is nothing left.
        (recut(), entry(values={"game_pk": 1, "play_index": None}), Outcome.PUBLISHED),
        (recut(refused=[entry(number=7)]), entry(values={"play_index": None}), Outcome.REFUSED_ANEW),
        (recut(), entry("mini.game", checks="document"), Outcome.PUBLISHED),
        (recut(seen=9), entry("mini.game", checks="document"), Outcome.SUPERSEDED),
        (recut(rejected=["/captures/a game.json"]), entry("mini.game", checks="document"), Outcome.STILL_REFUSED),
        (recut(row_id="another"), entry("mini.game", checks="document"), Outcome.NOT_REPLAYED),
    ],
)
def test_an_entry_is_settled_by_what_its_capture_gives_now(found: Recut, of: Entry, expected: Outcome) -> None:
    (settled,) = found.settle([of])
    assert settled.outcome is expected
    assert expected.settles == (expected not in (Outcome.STILL_REFUSED, Outcome.NOT_REPLAYED))
    assert settled.why or expected is not Outcome.NOT_REPLAYED


def test_keys_of_json_and_of_a_store_are_equal() -> None:
    plays, players = PLAN.table("mini.plays"), PLAN.table("mini.players")
    assert key_of(plays, {"game_pk": 1, "play_index": 0}) == key_of(plays, {"game_pk": "1", "play_index": 0.0})
    assert key_of(players, {"player_id": None}) is None
    assert key_of(players, {}) is None


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (entry(checks="type:speed"), "what did not fit its type is not kept (speed)"),
        (entry(checks="unique:primary_key"), "only their captures tell rows of one key apart"),
        (entry(checks="document"), "nothing is kept of it"),
        (entry("mini.former"), "the mapping has no such table"),
        (entry(), "it was cut before the mapping had game_date, event, speed"),
        (
            entry("mini.players", {"player_id": None, "full_name": "x", "player_key": "y", "game_pk": 1}),
            "a part of its primary key is missing",
        ),
        (entry("mini.players", {"player_id": 1, "full_name": "x", "player_key": "y", "game_pk": 1}), ""),
    ],
)
def test_why_a_row_cannot_be_tried_from_what_is_kept_of_it(of: Entry, expected: str) -> None:
    assert why_not(of, PLAN) == expected
