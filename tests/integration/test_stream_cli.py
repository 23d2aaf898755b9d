"""``mlbsdk stream`` as a process of its own: stopped, killed, started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.integration.test_cli import CHATTER, GUARD, MLBSDK, command
from tests.integration.test_crash import read, read_table, rows_after
from tests.mini import MAPPING, Capture

pytestmark = pytest.mark.integration

FIRST = [Capture(1, 0), Capture(2, 1)]
SECOND = [Capture(1, 2), Capture(3, 1)]
WAIT_S = 240

#: A process that pauses in the middle of each write of a batch until a file is there: slow where the test wants it.
SLOW = """
import sys, time
from pathlib import Path
from mlbsdk.cli.main import main
from mlbsdk.writers.delta import DeltaWriter

original = DeltaWriter._write
def slow(writer, rows, decisions, spark):
    Path("writing").touch()
    while not Path("go").exists():
        time.sleep(0.02)
    return original(writer, rows, decisions, spark)
DeltaWriter._write = slow
main()
"""


class Streaming:
    """A running ``mlbsdk stream``; its lines can be waited for."""

    def __init__(self, folder: Path, *arguments: str, slow: bool = False) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLBSDK_")}
        program = [sys.executable, "-c", SLOW] if slow else [str(MLBSDK)]
        self.folder = folder
        self.process = subprocess.Popen(
            [*program, *base_arguments(), *arguments],
            cwd=folder,
            env=kept | {"MLBSDK_HOME": str(folder / "home"), "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        pairs = [(self.process.stdout, self.out), (self.process.stderr, self.err)]
        self._readers = [threading.Thread(target=list_into, args=pair, daemon=True) for pair in pairs]
        for reader in self._readers:
            reader.start()

    def wait_for(self, condition: Any) -> None:
        end = time.monotonic() + WAIT_S
        while not condition():
            assert self.process.poll() is None, self.err
            assert time.monotonic() < end, (self.out, self.err)
            time.sleep(0.05)

    def wait_for_batch(self, number: int) -> None:
        self.wait_for(lambda: any(f"batch {number}:" in line for line in self.err))

    def ended(self) -> int:
        code = self.process.wait(WAIT_S)
        for reader in self._readers:
            reader.join(10)
        return code


def list_into(stream: Any, lines: list[str]) -> None:
    for line in stream:
        lines.append(line.rstrip("\n"))


def base_arguments() -> list[str]:
    return ["stream", "mini.game", "--mapping", str(MAPPING), "--source", "in", "--target", "out"]


def put(folder: Path, captures: Iterable[Capture]) -> None:
    for capture in captures:
        draft = folder / "draft"
        draft.write_text(json.dumps(capture.document()))
        draft.rename(folder / "in" / f"{capture.game}-{capture.minute}.json")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "in").mkdir()
    put(tmp_path, FIRST)
    (tmp_path / "mlbsdk.yaml").write_text("trigger: 200ms\nspark: {spark.master: 'local[2]'}\n")
    return tmp_path


def stream_once(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command(*base_arguments(), "--trigger", "available-now", *arguments, cwd=folder)


def test_help_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    done = command("stream", "--help", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert all(option in done.stdout for option in ("--trigger", "--until", "--idle-timeout", "--checkpoint"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--until", "stat = 'x'"], "no column 'stat'. Did you mean 'state'?"),
        (
            ["--trigger", "soon"],
            "--trigger is 'soon', which is no duration. Write a number and a unit: 30s, 10m or 2h.",
        ),
        (["--idle-timeout", "10"], "--idle-timeout is '10'"),
        (["--on-error", "ignore"], "--on-error is 'fail' or 'quarantine'"),
        (["--source", "avro:raw"], "a stream can't follow the source 'avro'"),
        (["--checkpoint", "gs://b/c"], "no plugin provides the storage 'gs'"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_exit_code_2(folder: Path, arguments: list[str], told: str) -> None:
    done = command(*base_arguments(), *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(("error: [MLBSDK202] ", "error: [MLBSDK105] "))
    assert told in done.stderr
    assert not (folder / "home" / "spark.log").exists()


def test_a_stream_needs_a_source(tmp_path: Path) -> None:
    done = command("stream", "mini.game", "--mapping", str(MAPPING), cwd=tmp_path)
    assert done.returncode == 2
    assert "a stream needs a source. Say what to follow: --source FOLDER" in done.stderr


def test_available_now_for_people_and_for_machines(folder: Path) -> None:
    (folder / "in" / "bad.json").write_text("{")
    done = stream_once(folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["TABLE", "ROWS"]
    assert lines[-1].startswith("1 batch; ended: all captures there were are written. Checkpoint: ")
    assert "mini.game: batch 0: 2 documents, 1 rejected, " in done.stderr
    assert not [line for line in done.stderr.splitlines() if any(noise in line for noise in CHATTER)]
    put(folder, SECOND)
    done = stream_once(folder, "--json")
    first, last = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, done.stderr) == (0, "")
    assert (first["batch"], first["documents"], first["errors"]) == (1, {"read": 2, "newest": 2, "rejected": 0}, [])
    assert first["rows"] == sum(table["rows"] for table in first["tables"].values()) > 0
    assert (last["version"], last["status"], last["mode"]) == (1, "completed", "streaming")
    assert (last["stream"]["batches"], last["stream"]["last"], last["stream"]["ended_by"]) == (1, first, "available")
    assert read("delta", folder / "out") == rows_after([*FIRST, *SECOND])


@pytest.mark.slow
def test_a_failure_for_machines_is_the_last_line(folder: Path) -> None:
    (folder / "in" / "bad.json").write_text("{")
    done = stream_once(folder, "--json", "--on-error", "fail")
    assert done.returncode == 3
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["status"] == "failed"
    assert "[MLBSDK302]" in done.stderr


def test_sigterm_in_the_middle_of_a_batch_completes_it(folder: Path) -> None:
    running = Streaming(folder, slow=True)
    running.wait_for((folder / "writing").exists)
    other = stream_once(folder)
    assert other.returncode == 2
    assert f"process {running.process.pid} streams with the checkpoint" in other.stderr
    put(folder, SECOND)
    running.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    (folder / "go").touch()
    assert running.ended() == 0, running.err
    assert read("delta", folder / "out") == rows_after(FIRST)
    assert running.out[-1].startswith("1 batch; ended: asked to stop.")
    assert json.loads(stream_once(folder, "--json").stdout.splitlines()[0])["batch"] == 1
    assert read("delta", folder / "out") == rows_after([*FIRST, *SECOND])


@pytest.mark.slow
def test_ctrl_c_between_batches_ends_it(folder: Path) -> None:
    running = Streaming(folder)
    running.wait_for_batch(0)
    put(folder, SECOND)
    running.wait_for_batch(1)
    running.process.send_signal(signal.SIGINT)
    assert running.ended() == 0, running.err
    assert running.out[-1].startswith("2 batches; ended: asked to stop.")
    assert read("delta", folder / "out") == rows_after([*FIRST, *SECOND])
    assert json.loads(stream_once(folder, "--json").stdout.splitlines()[0])["stream"]["batches"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("way", ["second signal", "kill"])
def test_a_batch_that_was_interrupted_is_repeated_and_nothing_is_lost_or_doubled(folder: Path, way: str) -> None:
    running = Streaming(folder, slow=True)
    running.wait_for((folder / "writing").exists)
    if way == "kill":
        running.process.kill()
        assert running.ended() == -signal.SIGKILL
    else:
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        running.process.send_signal(signal.SIGTERM)
        assert running.ended() == 130
        assert "the next start repeats it" in running.err[-1]
    put(folder, SECOND)
    done = stream_once(folder, "--json")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line).get("batch") for line in done.stdout.splitlines()] == [0, 1, None]
    assert read("delta", folder / "out") == rows_after([*FIRST, *SECOND])


@pytest.mark.slow
def test_until_and_idle_timeout_end_it(folder: Path) -> None:
    done = command(*base_arguments(), "--until", "state LIKE 'minute%'", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "ended: every document satisfies --until." in done.stdout
    done = command(*base_arguments(), "--idle-timeout", "300ms", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "0 batches; ended: no capture came for --idle-timeout." in done.stdout


@pytest.mark.slow
def test_a_changed_mapping_is_refused_and_then_accepted(folder: Path) -> None:
    assert stream_once(folder).returncode == 0
    changed = folder / "changed.yaml"
    changed.write_text(MAPPING.read_text().replace("VARCHAR(10)", "VARCHAR(20)"))
    put(folder, SECOND)
    done = stream_once(folder, "--mapping", str(changed))
    assert done.returncode == 2
    assert "--accept-mapping-change" in done.stderr
    assert stream_once(folder, "--mapping", str(changed), "--accept-mapping-change").returncode == 0
    assert len(read_table("delta", folder / "out" / "mini" / "games")) == 3
