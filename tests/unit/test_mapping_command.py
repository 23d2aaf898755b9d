"""``mlbsdk mapping``: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import fastavro
import pytest
from typer.testing import CliRunner, Result

from mlbsdk.cli.main import build
from mlbsdk.errors import ConfigurationError, MappingError, SourceError, UnknownNameError
from tests.conftest import DATA, SAMPLES

MINI = str(DATA / "mini.yaml")
SEED = str(DATA / "design_document_sample.yaml")
LIVE_GAME = str(SAMPLES / "live_game_747175.json.gz")


def mapping(*arguments: str) -> Result:
    return CliRunner().invoke(build(), ["mapping", *arguments])


def test_lint_checks_all_installed_mappings() -> None:
    done = mapping("lint")
    assert done.exit_code == 0
    assert "ok: game.live_game_v1: 18 tables" in done.stdout


def test_lint_tells_every_mistake_of_every_file(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    text = Path(MINI).read_text(encoding="utf-8")
    wrong.write_text(
        text.replace("json_path: $.state", "json_pth: $.state").replace("type: INT, item", "type: INTT, item")
    )
    done = mapping("lint", MINI, str(wrong))
    assert done.exit_code == 2
    assert f"ok: {MINI}: 3 tables" in done.stdout
    lines = done.stderr.splitlines()
    assert [line for line in lines if "unknown key 'json_pth'. Did you mean 'json_path'?" in line]
    assert [line for line in lines if "'INTT' is not a type" in line]
    assert all(line.startswith(f"{wrong}:") for line in lines[:-1])
    assert lines[-1].endswith("in 1 of 2 mappings")


def test_lint_as_json(tmp_path: Path) -> None:
    done = mapping("lint", "--json", MINI, str(tmp_path / "none.yaml"))
    assert done.exit_code == 2
    found = json.loads(done.stdout)
    assert (found["version"], found["ok"], [each["ok"] for each in found["mappings"]]) == (1, False, [True, False])
    assert "can't be read" in found["mappings"][1]["problems"][0]


def test_show_says_where_columns_come_from() -> None:
    done = mapping("show", MINI, "--table", "mini.plays")
    assert done.exit_code == 0
    assert "mini.games" not in done.stdout
    assert "primary key game_pk, play_index; partitioned by game_date" in done.stdout
    assert ["speed", "NUMERIC(5,2)", "$.plays[*].speed"] in [line.split() for line in done.stdout.splitlines()]


def test_show_as_json() -> None:
    found = json.loads(mapping("show", MINI, "--json").stdout)
    assert (found["transform"], found["key"]) == ("mini.game", ["game_pk"])
    games = found["tables"][0]
    assert (games["name"], games["primary_key"], games["on_missing"]) == ("mini.games", ["game_pk"], "delete")
    state = next(column for column in games["columns"] if column["name"] == "state")
    assert (state["type"], state["source"]) == ("VARCHAR(10)", ["$.state"])
    assert games["rules"][0]["name"] == "game_pk_positive"


def test_a_table_that_is_not_there_names_the_nearest() -> None:
    done = mapping("show", MINI, "--table", "mini.play")
    assert isinstance(done.exception, ConfigurationError)
    assert "Did you mean 'mini.plays'?" in str(done.exception)


def test_avro_prints_schemas_that_fastavro_takes() -> None:
    schemas = json.loads(mapping("avro", "game.live_game_v1").stdout)
    assert len(schemas) == 18
    for schema in schemas:
        fastavro.parse_schema(schema)
    one = json.loads(mapping("avro", MINI, "--table", "mini.plays").stdout)
    assert (one["namespace"], one["name"]) == ("mini", "plays")


def test_avro_writes_a_file_a_table(tmp_path: Path) -> None:
    done = mapping("avro", MINI, "--output", str(tmp_path / "schemas"))
    assert done.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "schemas").iterdir()) == [
        "mini.games.avsc",
        "mini.players.avsc",
        "mini.plays.avsc",
    ]
    (tmp_path / "file").write_text("")
    assert isinstance(mapping("avro", MINI, "--output", str(tmp_path / "file")).exception, ConfigurationError)


def test_schema_is_json() -> None:
    assert json.loads(mapping("schema").stdout)["title"] == "mlbsdk mapping, version 1.0"


def test_coverage_takes_the_plugins_sample() -> None:
    done = mapping("coverage", "game.live_game_v1", "--fail-under", "100")
    assert done.exit_code == 0
    assert done.stdout.startswith("game.live_game_v1 over 1 documents: 100.0 % of paths accounted for")


def test_coverage_names_dead_and_unmapped_paths() -> None:
    done = mapping("coverage", SEED, "--source", LIVE_GAME, "--fail-under", "50")
    assert done.exit_code == 1
    assert "Never resolves (2):" in done.stdout
    assert "$.liveData.plays.allPlays[*].playId" in done.stdout
    assert "more: --all lists them" in done.stdout
    assert done.stderr.strip().endswith("of paths are accounted for, less than 50 %")
    assert len(mapping("coverage", SEED, "--source", LIVE_GAME, "--all").stdout.splitlines()) > 1000


def test_coverage_as_json() -> None:
    found = json.loads(mapping("coverage", SEED, "--source", LIVE_GAME, "--json").stdout)
    assert (found["version"], found["documents"]) == (1, 1)
    dead = [each for each in found["fields"] if each["status"] == "never"]
    assert [(each["table"], each["items"]) for each in dead] == [
        ("game.live_game_plays", 75),
        ("game.live_game_pitch_events", 290),
    ]
    assert {"path", "count", "reason"} == set(found["unmapped"][0])


def test_coverage_reads_json_lines_and_several_sources(tmp_path: Path) -> None:
    lines = tmp_path / "games.jsonl"
    lines.write_text('{"gamePk": 1}\n\n{"endpoint": "mini", "response": {"gamePk": 2, "state": "Final"}}\n')
    found = json.loads(mapping("coverage", MINI, "--source", str(lines), "--source", str(lines), "--json").stdout)
    state = next(each for each in found["fields"] if each["field"] == "state")
    assert (found["documents"], state["resolved"], state["absent"]) == (4, 2, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (["coverage", MINI], ConfigurationError, "has no sample capture"),
        (["coverage", MINI, "--source", "nowhere"], SourceError, "does not exist"),
        (["show", "game.live_gme_v1"], UnknownNameError, "game.live_game_v1"),
        (["show", "nowhere.yaml"], MappingError, "can't be read"),
    ],
)
def test_what_is_not_there_is_one_clear_error(arguments: list[str], error: type[Exception], text: str) -> None:
    done = mapping(*arguments)
    assert isinstance(done.exception, error)
    assert text in str(done.exception)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", b"{"), ("a.json.gz", b"\x1f\x8b\x08broken"), ("a.json", b"\xff\xfe"), ("a.json", b"[1]")],
)
def test_coverage_of_what_is_no_capture_names_the_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    done = mapping("coverage", MINI, "--source", str(tmp_path / name))
    assert isinstance(done.exception, SourceError | ConfigurationError)
    assert name in str(done.exception)
