"""A command that uses Deequ ends by itself, whether it succeeds or not: nothing of Python's or Java's keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlbsdk.runtime.spark_lines import installed_spark
from tests.integration.test_cli import command
from tests.mini import MAPPING, Capture, save

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(installed_spark().name != "3.5", reason="Deequ has no build for Spark 4"),
]


@pytest.mark.parametrize(("speed", "code"), [pytest.param(90.5, 0, marks=pytest.mark.slow), (150.5, 3)])
def test_a_run_with_deequ_ends_by_itself(tmp_path: Path, speed: float, code: int) -> None:
    folder = save(tmp_path / "captures", [Capture(1, 0)])
    document = Capture(1, 1).document()
    document["plays"][0]["speed"] = speed
    (folder / "newer.json").write_text(json.dumps(document), encoding="utf-8")
    # The time limit of the command is what this test is about.
    asked = ("run", "mini.game", "--mapping", str(MAPPING), "--source", str(folder), "--quality", "deequ", "--json")
    done = command(*asked, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    report = json.loads(done.stdout)
    assert report["status"] == ("failed" if code else "completed")
    assert ("deequ:speed_plausible" in [rule["rule"] for rule in report["quality"]]) == bool(code)
    assert (tmp_path / "warehouse" / "mini").exists() is not bool(code)
