"""``mlbsdk raw load``, and what is said of a raw table that can't be read. Starts no Spark."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mlbsdk_plugin_postgres.source import PostgresSource
from psycopg.rows import dict_row

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.plugin import ConfigurationError, MlbsdkError, RawSchemaError, SourceError
from tests.mini import MAPPING, Capture, save
from tests.postgres import Server

pytestmark = pytest.mark.integration

MLBSDK = Path(sys.executable).with_name("mlbsdk")
PLAN = compile_mapping(load_file(MAPPING))


def command(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLBSDK_", "PG"))}
    return subprocess.run(
        [str(MLBSDK), "raw", "load", *map(str, arguments)],
        env=kept | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def load(database: str, *arguments: object) -> tuple[int, dict[str, Any]]:
    done = command(*arguments, "--to", database, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def stored(database: str, table: str = "mini.game") -> list[dict[str, Any]]:
    with psycopg.connect(database, row_factory=dict_row) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()


def execute(database: str, *statements: str) -> None:
    with psycopg.connect(database) as connection:
        for statement in statements:
            connection.execute(statement)


def envelope(capture: Capture, **parts: object) -> dict[str, object]:
    return {
        "endpoint": "mini",
        "method": "Game",
        "path_params": {"game_pk": str(capture.game)},
        "query_params": {"fields": "all", "game_pk": "0"},
        "url": f"https://example.org/{capture.game}",
        "status_code": 200,
        "response": capture.document(),
    } | parts


def write(folder: Path, **files: object) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return folder


# Loading


def test_every_form_of_a_capture_is_loaded(database: str, tmp_path: Path) -> None:
    captures = [Capture(game, 0) for game in range(1, 8)]
    lines = "\n".join(json.dumps(capture.document()) for capture in captures[2:4])
    several = "\n".join(json.dumps(capture.document(), indent=1) for capture in captures[4:6])
    write(
        tmp_path,
        bare__json=captures[0].document(),
        zipped__json__gz=captures[1].document(),
        lines__jsonl=lines + "\n\n",
        several__json=several,
        wrapped__json=envelope(captures[6], captured_at="2024-07-03T01:02:03.5Z"),
    )
    code, report = load(database, tmp_path, "--mapping", MAPPING)
    assert (code, report["tables"], report["rejected"]) == (0, {"mini.game": {"loaded": 7, "already_there": 0}}, [])
    rows = {row["data"]["gamePk"]: row for row in stored(database)}
    assert sorted(rows) == [1, 2, 3, 4, 5, 6, 7]
    assert all(row["data"] == Capture(game, 0).document() for game, row in rows.items())
    assert all(rows[game]["captured_at"] == Capture(game, 0).captured_at for game in range(1, 7))
    wrapped = rows[7]
    assert wrapped["captured_at"] == datetime(2024, 7, 3, 1, 2, 3, 500000, timezone.utc)
    assert wrapped["params"] == {"game_pk": "7", "fields": "all"}
    assert (wrapped["endpoint"], wrapped["method"], wrapped["status_code"]) == ("mini", "Game", 200)
    assert wrapped["url"] == "https://example.org/7"
    assert (rows[1]["endpoint"], rows[1]["method"], rows[1]["params"]) == ("mini", "game", None)


def test_loading_again_adds_nothing_and_says_so(database: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "captures", [Capture(1, 0), Capture(1, 1)])
    assert load(database, folder, "--mapping", MAPPING)[1]["tables"] == {"mini.game": {"loaded": 2, "already_there": 0}}
    save(tmp_path / "more", [Capture(1, 1), Capture(2, 0)])
    code, report = load(database, folder, tmp_path / "more", "--mapping", MAPPING)
    assert (code, report["tables"]) == (0, {"mini.game": {"loaded": 1, "already_there": 3}})
    assert len(stored(database)) == 3


def test_the_same_response_captured_at_two_times_is_two_captures(database: str, tmp_path: Path) -> None:
    for number, time in enumerate(("2024-07-03T00:00:00Z", "2024-07-03T00:01:00+00:00", "2024-07-03T02:00:00+02:00")):
        write(tmp_path, **{f"{number}__json": envelope(Capture(1, 0), captured_at=time)})
    assert load(database, tmp_path, "--mapping", MAPPING)[1]["tables"] == {
        "mini.game": {"loaded": 2, "already_there": 1}
    }


def test_a_copy_of_a_file_is_the_same_capture_though_its_time_is_the_files(database: str, tmp_path: Path) -> None:
    document = Capture(1, 0).document() | {"time": None}
    write(tmp_path, one__json=document, two__json=document)
    os.utime(tmp_path / "one.json", (1_700_000_000, 1_700_000_000))
    report = load(database, tmp_path / "one.json", "--mapping", MAPPING)[1]
    assert report["notes"] == ["1 of 1 captures carry no capture time: their file's modification time was taken"]
    assert stored(database)[0]["captured_at"] == datetime.fromtimestamp(1_700_000_000, timezone.utc)
    assert load(database, tmp_path / "two.json", "--mapping", MAPPING)[1]["tables"] == {
        "mini.game": {"loaded": 0, "already_there": 1}
    }


BAD = {
    "empty.json": ("", "is empty"),
    "cut.json": ('{"gamePk": 1, "plays": [', "it is not JSON, or is cut off"),
    "list.json": ("[1, 2]", "it is JSON, but no object"),
    "other.json": (json.dumps({"id": 7}), "it has no game_pk at $.gamePk: is it a response of mini.game?"),
    "elsewhere.json": (json.dumps(envelope(Capture(1, 0), method="boxscore")), "of mini.boxscore, not of mini.game"),
    "failed.json": (json.dumps(envelope(Capture(1, 0), status_code=503)), "the API answered with status 503"),
    "nul.json": (json.dumps(Capture(1, 0).document() | {"state": "a\0b"}), "PostgreSQL can't store it"),
    "surrogate.json": (json.dumps(Capture(1, 0).document() | {"state": "\ud800"}), "PostgreSQL can't store it"),
    "damaged.json.gz": ("no gzip", "can't be read as a capture"),
    "latin.json": ("\xff", "can't be read as a capture"),
}


def test_bad_files_are_named_with_their_reason_and_the_others_are_loaded(database: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "captures", [Capture(1, 0), Capture(2, 0)])
    for name, (text, _) in BAD.items():
        (folder / name).write_bytes(text.encode("latin-1"))
    code, report = load(database, folder, "--mapping", MAPPING)
    assert (code, report["tables"]) == (1, {"mini.game": {"loaded": 2, "already_there": 0}})
    found = {Path(one["capture"]).name: one["reason"] for one in report["rejected"]}
    assert sorted(found) == sorted(BAD)
    assert [name for name, (_, reason) in BAD.items() if reason not in found[name]] == []
    shown = command(folder, "--to", database, "--mapping", MAPPING)
    assert shown.returncode == 1
    assert shown.stdout.splitlines()[1].split() == ["mini.game", "0", "2"]
    assert "cut.json was not loaded: it is not JSON" in shown.stderr


def test_envelopes_say_what_they_are_of(database: str, live_game: Path, tmp_path: Path) -> None:
    samples = live_game.parent
    code, report = load(database, samples)
    assert code == 0
    assert report["tables"] == {
        name: {"loaded": 1, "already_there": 0}
        for name in ("game.boxscore_raw", "game.linescore_raw", "game.live_game_v1")
    }
    (row,) = stored(database, "game.live_game_v1")
    assert row["captured_at"] == datetime(2024, 7, 13, 4, 19, 9, tzinfo=timezone.utc)
    bare = json.loads(gzip.decompress(live_game.read_bytes()))["response"]
    write(tmp_path, bare__json=bare)
    code, report = load(database, tmp_path)
    assert (code, "load it with --name" in report["rejected"][0]["reason"]) == (1, True)
    assert load(database, tmp_path, "--name", "game.live_game_v1")[0] == 0


def test_another_table_may_be_named(database: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "captures", [Capture(1, 0)])
    assert load(f"{database}?table=landing.order", folder, "--mapping", MAPPING)[0] == 0
    assert len(stored(database, 'landing."order"')) == 1


def test_a_table_without_digest_is_refused_with_what_to_do(database: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "captures", [Capture(1, 0)])
    execute(
        database,
        "CREATE SCHEMA mini",
        "CREATE TABLE mini.game (id serial PRIMARY KEY, captured_at timestamp, data json NOT NULL, params text)",
    )
    done = command(folder, "--to", database, "--mapping", MAPPING)
    assert done.returncode == 1
    fix = "ALTER TABLE mini.game ADD COLUMN digest bytea UNIQUE"
    assert fix in done.stderr
    execute(database, fix)
    assert load(database, folder, "--mapping", MAPPING)[1]["tables"] == {"mini.game": {"loaded": 1, "already_there": 0}}
    assert stored(database)[0]["captured_at"] == Capture(1, 0).captured_at.replace(tzinfo=None)
    assert load(database, folder, "--mapping", MAPPING)[1]["tables"]["mini.game"]["already_there"] == 1


def test_nothing_is_loaded_where_a_part_fails(database: str, tmp_path: Path, live_game: Path) -> None:
    execute(database, "CREATE SCHEMA game", "CREATE TABLE game.live_game_v1 (data jsonb)")
    done = command(live_game.parent, "--to", database)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing was loaded" in done.stderr
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('game.boxscore_raw')").fetchone() == (None,)


def test_a_file_that_is_not_there_ends_the_call_before_anything_is_loaded(database: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "captures", [Capture(1, 0)])
    done = command(folder, tmp_path / "missing", "--to", database, "--mapping", MAPPING)
    assert (done.returncode, done.stdout) == (2, "")
    assert "does not exist" in done.stderr


def test_two_that_load_the_same_at_once_load_it_once(database: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "captures", [Capture(game, minute) for game in range(1, 6) for minute in range(4)])
    arguments = [str(MLBSDK), "raw", "load", str(folder), "--to", database, "--mapping", str(MAPPING), "--json"]
    running = [subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    reports = [json.loads(one.communicate(timeout=120)[0])["tables"]["mini.game"] for one in running]
    assert [one.returncode for one in running] == [0, 0, 0]
    assert sorted(report["loaded"] for report in reports) == [0, 0, 20]
    assert len(stored(database)) == 20


def test_an_unknown_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    folder = save(tmp_path / "captures", [Capture(1, 0)])
    done = command(folder, "--to", "postgresql://nobody@127.0.0.1:1/x", "--name", "game.live_game_v2")
    assert done.returncode == 2
    assert "game.live_game_v1" in done.stderr


# What can't be read


def failure(database: str, plan: object = PLAN, **options: object) -> MlbsdkError:
    with pytest.raises(MlbsdkError) as caught:
        PostgresSource(database, {"plan": plan, **options}).prepare()
    return caught.value


def test_a_raw_table_that_can_be_read_tells_its_size(database: str, tmp_path: Path) -> None:
    load(database, save(tmp_path / "captures", [Capture(1, 0)]), "--mapping", MAPPING)
    size = PostgresSource(database, {"plan": PLAN}).prepare()
    assert size is not None
    assert 1000 < size < 1_000_000
    assert PostgresSource(database, {}).prepare() is None


def test_a_server_that_does_not_answer_is_told(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    problem = failure(f"postgresql://me:hunter22@127.0.0.1:{port}/x")
    assert isinstance(problem, SourceError)
    assert "refused" in str(problem)
    assert "hunter22" not in repr(problem) + str(problem) + repr(problem.__cause__)


def test_a_wrong_password_is_told_and_not_shown(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(database, "DROP ROLE IF EXISTS guarded_one", "CREATE ROLE guarded_one LOGIN PASSWORD 'hunter22'")
    for address in (
        database.replace("postgres@", "guarded_one:hunter33@"),
        database.replace("postgres@", "guarded_one@"),
    ):
        problem = failure(address)
        assert isinstance(problem, SourceError)
        assert "password" in str(problem)
        assert "PGPASSWORD" in str(problem)
        assert "hunter" not in repr(problem) + str(problem) + repr(problem.__cause__)
    done = command("x", "--to", "postgresql://me:hunter22@127.0.0.1:1/x?password=hunter33")
    assert (done.returncode, "hunter" in done.stdout + done.stderr) == (2, False)
    execute(database, "DROP ROLE guarded_one")


def test_a_database_that_does_not_exist_is_told(postgres_server: Server) -> None:
    problem = failure(postgres_server.address("nowhere"))
    assert isinstance(problem, SourceError)
    assert 'database "nowhere" does not exist' in str(problem)
    assert "createdb" in str(problem)


def test_a_table_that_does_not_exist_is_told_with_the_nearest(database: str, tmp_path: Path) -> None:
    problem = failure(database)
    assert isinstance(problem, SourceError)
    assert "there is no table 'mini.game'" in str(problem)
    assert "mlbsdk raw load" in str(problem)
    load(database, save(tmp_path / "captures", [Capture(1, 0)]), "--mapping", MAPPING)
    assert "Did you mean 'mini.game'?" in str(failure(f"{database}?table=mini.games"))


def test_a_table_that_may_not_be_read_is_told(database: str, tmp_path: Path) -> None:
    load(database, save(tmp_path / "captures", [Capture(1, 0)]), "--mapping", MAPPING)
    execute(database, "DROP ROLE IF EXISTS stranger", "CREATE ROLE stranger LOGIN")
    address = database.replace("postgres@", "stranger@")
    problem = failure(address)
    assert isinstance(problem, SourceError)
    assert "permission denied for schema mini" in str(problem)
    assert "SELECT on the table" in str(problem)
    execute(database, "GRANT USAGE ON SCHEMA mini TO stranger")
    assert "permission denied for table game" in str(failure(address))
    execute(database, "DROP OWNED BY stranger", "DROP ROLE stranger")


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ("id int, body jsonb", "has no column 'data' with the JSON text; it has id, body"),
        ("id int, data bytea", "data is bytea"),
        ("data jsonb, captured_at bigint", "captured_at is bigint"),
    ],
)
def test_a_table_that_is_no_raw_table_is_told(database: str, columns: str, told: str) -> None:
    execute(database, "CREATE SCHEMA mini", f"CREATE TABLE mini.game ({columns})")
    problem = failure(database)
    assert isinstance(problem, RawSchemaError)
    assert told in str(problem)


@pytest.mark.parametrize(
    "name", ["game", "a.b.c", 'a."b"', "a.b;DROP TABLE x", "a.b--", "a.%27", "1a.b", "a.", "a." + "b" * 64, "a.b%00"]
)
def test_hostile_table_names_are_refused(database: str, name: str) -> None:
    assert isinstance(failure(f"{database}?table={name}"), ConfigurationError)


@pytest.mark.parametrize(
    "place",
    [
        "u:hunter22@x@h/d",
        "u:hunter/22@h/d",
        "u:hunter?22@h/d",
        "u:hunter#22@h/d",
        "u:hunter%zz@h/d",
        "u@h/d?password=hunter22",
    ],
)
def test_an_address_that_would_show_its_password_is_refused_without_showing_it(place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        PostgresSource(f"postgresql://{place}", {})
    assert "hunter" not in str(caught.value)


def test_an_address_may_leave_out_the_host() -> None:
    source = PostgresSource("postgresql:///baseball?host=/run/postgresql&table=a.b", {})
    assert source.database.parameters == {"table": "a.b"}
    assert source.database.address == "postgresql:///baseball?host=/run/postgresql"
