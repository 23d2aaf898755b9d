"""One attempt of a step: a process without a shell, its output in files, ended when the workflow is."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.05
#: Seconds that a process has to end after SIGTERM: a stream completes its batch.
_SECONDS_TO_END = 60.0
#: Characters of a log's end that are searched for its error.
_TAIL = 20_000


class Interrupted(Exception):
    """The workflow was told to stop."""


@dataclass(frozen=True)
class Attempt:
    """How an attempt ended; ``exit_code`` None where it did not begin or ran out of time."""

    exit_code: int | None
    problem: str = ""


def run_process(
    argv: Sequence[str],
    environment: Mapping[str, str],
    folder: Path | None,
    log: Path,
    stop: threading.Event,
    deadline: float | None,
    begun: Callable[[int], None],
) -> Attempt:
    """Run a command to its end.

    Args:
        argv: the command and its arguments; no shell reads them.
        environment: its variables.
        folder: its working directory; None for this one's.
        log: the beginning of its logs' names.
        stop: ends it when set: by SIGTERM, and after a minute by SIGKILL.
        deadline: seconds that it may take.
        begun: is told its process number.

    Raises:
        Interrupted: ``stop`` was set before it ended.
    """
    program = shutil.which(argv[0], path=environment.get("PATH"))
    if program is None:
        return Attempt(None, f"there is no command '{argv[0]}' on this machine")
    with log.with_name(f"{log.name}.out").open("wb") as out, log.with_name(f"{log.name}.err").open("wb") as err:
        try:
            # A session of its own, so that what it starts (Java) ends with it, and Ctrl-C reaches only this process.
            process = subprocess.Popen(
                [program, *argv[1:]],
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except (OSError, ValueError) as problem:
            return Attempt(None, f"'{argv[0]}' could not be started: {problem}")
        begun(process.pid)
        until = None if deadline is None else time.monotonic() + deadline
        while True:
            try:
                code = process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if stop.is_set():
                    _end(process)
                    raise Interrupted from None
                if until is not None and time.monotonic() > until:
                    _end(process)
                    return Attempt(None, f"it took longer than {deadline:g} s and was ended")
                continue
            if stop.is_set():
                # It may have ended because of the same signal, and in the middle of its work.
                raise Interrupted
            return Attempt(code)


def _end(process: subprocess.Popen[bytes]) -> None:
    for ending, seconds in ((signal.SIGTERM, _SECONDS_TO_END), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


def error_line(log: Path) -> str:
    """Return what a process said went wrong: its last line that begins with ``error``, else its last line."""
    for name in (f"{log.name}.err", f"{log.name}.out"):
        try:
            text = log.with_name(name).read_bytes()[-_TAIL:].decode("utf-8", "replace")
        except OSError:
            continue
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = [line for line in lines if line.lower().startswith("error")]
        if lines:
            return (said or lines)[-1][:500]
    return ""
