"""A run that is asked to end, as a container is that is stopped, tells of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlbsdk.testing.mini import Capture, save
from tests.mini import MAPPING
from tests.openlineage_schemas import require_valid

pytestmark = pytest.mark.integration


def events(target: Path) -> list[dict[str, Any]]:
    file = target / "_mlbsdk" / "lineage.jsonl"
    # The last line may be half written still.
    whole = file.read_text(encoding="utf-8").rpartition("\n")[0] if file.exists() else ""
    return [json.loads(line) for line in whole.splitlines()]


def test_a_run_that_is_asked_to_end_is_aborted(tmp_path: Path) -> None:
    target = tmp_path / "out"
    arguments = ["run", "mini.game", "--mapping", str(MAPPING), "--source", str(slow_captures(tmp_path))]
    command = [sys.executable, "-m", "mlbsdk.cli.main", *arguments, "--target", f"parquet:{target}"]
    run = subprocess.Popen(command, cwd=tmp_path, env=environment(tmp_path), stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 300
        while not events(target):
            assert run.poll() is None, run.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate(timeout=60)
    finally:
        run.kill()
    assert (run.returncode, "Traceback" in said) == (128 + signal.SIGTERM, False), said
    found = events(target)
    for event in found:
        require_valid(event)
    ends = [event for event in found if event["eventType"] != "START"]
    assert {event["eventType"] for event in ends} == {"ABORT"}
    assert ends[-1]["job"]["name"] == "mini.game"
    assert not list((target / "_mlbsdk" / "lineage-open").glob("*.json"))


def slow_captures(folder: Path) -> Path:
    """Return captures that take seconds to be read."""
    return save(folder / "captures", [Capture(game=number, minute=0) for number in range(1, 301)])


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENLINEAGE")}
    return kept | {"HOME": str(folder), "MLBSDK_HOME": str(folder / "home")}
