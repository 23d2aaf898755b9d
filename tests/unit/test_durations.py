"""Durations: a number and a unit, and nothing else."""

from __future__ import annotations

import pytest

from mlbsdk.errors import ConfigurationError
from mlbsdk.runtime.durations import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("10m", 600), ("2h", 7200), ("1.5h", 5400), ("1d", 86400), ("250ms", 0.25), (" 5 s ", 5)],
)
def test_a_number_and_a_unit_are_seconds(text: str, seconds: float) -> None:
    assert seconds_of(text, "--trigger") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "30 seconds", "1h30m", "-5s", "1e3s", "٣s s", "30S", "available_now"])
def test_anything_else_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--idle-timeout is '.*', which is no duration"):
        seconds_of(text, "--idle-timeout")


@pytest.mark.parametrize("text", ["0s", "0.0h", "0.1ms"])
def test_no_time_at_all_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="must be longer than nothing"):
        seconds_of(text, "--trigger")
