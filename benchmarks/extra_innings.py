"""Make a game go on: one feed of some megabytes among many of usual size is what skews a run."""

from __future__ import annotations

import json
import re
from itertools import count
from typing import Any

#: The first group of a play id, by which copies of a play differ.
_UUID = re.compile(r'"playId": "([0-9a-f]{8})-')
INNINGS = 9


def extra_innings(text: str, size: int) -> str:
    """Return a capture whose plays go on, inning after inning, until its JSON text has at least ``size`` bytes.

    Plays are repeated as whole games with their own positions, innings and play ids; all else stays as it was.

    Args:
        text: one capture, an envelope as :meth:`generate.Games.text` makes it.
        size: bytes.
    """
    capture = json.loads(text)
    feed = capture["response"]["liveData"]["plays"]
    regular = json.dumps(feed["allPlays"])
    plays: list[dict[str, Any]] = feed["allPlays"]
    length = len(text)
    for number in count(1):
        if length >= size:
            break
        more = _again(regular, number, len(plays))
        plays += more
        length += len(json.dumps(more))
    feed["currentPlay"] = plays[-1]
    return json.dumps(capture)


def _again(plays: str, number: int, first: int) -> list[dict[str, Any]]:
    """Return the plays of a game once more, as the innings after ``number`` games."""
    ids = _UUID.sub(lambda found: f'"playId": "{(int(found[1], 16) + number * 2_654_435_761) % 2**32:08x}-', plays)
    found: list[dict[str, Any]] = json.loads(ids)
    for position, play in enumerate(found):
        play["atBatIndex"] = play["about"]["atBatIndex"] = first + position
        play["about"]["inning"] += INNINGS * number
    return found
