"""Raw tables in PostgreSQL as a source of captures: loaded, read, chosen, selected, followed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from mlbsdk_plugin_postgres import jdbc, raw_table
from mlbsdk_plugin_postgres.source import PostgresSource

import mlbsdk
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import LoadedMapping, load_file, load_text
from mlbsdk.plugin import ConfigurationError, Source
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.run import load_mapping
from mlbsdk.runtime.sources import FileSource, TableSource
from tests.mini import MAPPING, TABLES, Capture, expected, ordered, save

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

    from tests.postgres import Server

pytestmark = [pytest.mark.integration, pytest.mark.spark]

MLBSDK = Path(sys.executable).with_name("mlbsdk")


@pytest.fixture
def mini() -> LoadedMapping:
    return load_file(MAPPING)


@pytest.fixture
def whole() -> LoadedMapping:
    """The mini mapping without its table that keeps rows of older captures."""
    text = MAPPING.read_text(encoding="utf-8")
    return load_text(text[: text.index("  - name: mini.players")], "whole.yaml")


def load(database: str, *arguments: object, cwd: Path | None = None) -> tuple[int, dict[str, Any]]:
    """Run ``mlbsdk raw load --json``."""
    command = [str(MLBSDK), "raw", "load", *map(str, arguments), "--to", database, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=cwd)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def insert(database: str, captures: Iterable[Capture], table: str = "mini.game") -> None:
    """Put captures into a raw table, as somebody else's program would: made if it is missing."""
    with psycopg.connect(database) as connection:
        raw_table.create(connection, table)
        for capture in captures:
            connection.execute(
                f"INSERT INTO {table} (captured_at, endpoint, method, status_code, data) "
                "VALUES (%s, 'mini', 'game', 200, %s)",
                (capture.captured_at, json.dumps(capture.document())),
            )


def execute(database: str, *statements: str, parameters: tuple[object, ...] | None = None) -> None:
    with psycopg.connect(database) as connection:
        for statement in statements:
            connection.execute(statement, parameters)  # type: ignore[arg-type]


def read(spark: SparkSession, database: str, mapping: LoadedMapping, **options: object) -> list[Row]:
    return PostgresSource(database, options).read(spark, mapping.mapping).frame.collect()


def games(rows: Iterable[Row]) -> list[tuple[int, str]]:
    """Return game and state of raw rows, in order."""
    documents = [json.loads(row["data"]) for row in rows]
    return sorted((document["gamePk"], document["state"]) for document in documents)


def stored(spark: SparkSession, folder: Path, table: str) -> list[dict[str, Any]]:
    rows = spark.read.format("delta").load(str(folder / table.replace(".", "/"))).collect()
    found = [row.asDict(recursive=True) for row in rows]
    for row in found:
        row["source_captured_at"] = row["source_captured_at"].astimezone(timezone.utc)
    return found


SOME = [Capture(game, minute) for game in (1, 2) for minute in (0, 1, 2)]


def test_what_is_loaded_and_run_is_what_a_run_over_the_files_gives(
    spark: SparkSession, database: str, tmp_path: Path
) -> None:
    captures = save(tmp_path / "captures", SOME)
    assert load(database, captures, "--mapping", MAPPING)[0] == 0
    reports = [
        mlbsdk.run(
            mlbsdk.RunRequest(name="mini.game", source=source, target=f"delta:{tmp_path / name}", mapping=MAPPING),
            spark=spark,
        )
        for name, source in (("files", str(captures)), ("database", database))
    ]
    for table in TABLES:
        assert ordered(stored(spark, tmp_path / "database", table)) == ordered(expected(SOME)[table])
        assert ordered(stored(spark, tmp_path / "files", table)) == ordered(expected(SOME)[table])
    assert reports[0].documents == reports[1].documents
    assert reports[1].source_dataset[0].startswith("postgres://127.0.0.1:")
    assert reports[1].source_dataset[1].endswith(".mini.game")


def texts(rows: Iterable[dict[str, Any]], json_columns: Iterable[str]) -> list[str]:
    """Return rows as texts in order; JSON texts by their meaning, as jsonb keeps no order of keys."""
    left_out = ("transform_timestamp", "lineage_metadata")
    found = []
    for row in rows:
        kept = {key: value for key, value in row.items() if key not in left_out}
        kept |= {key: json.loads(kept[key]) for key in json_columns if kept[key]}
        found.append(json.dumps(kept, sort_keys=True, default=str))
    return sorted(found)


@pytest.mark.slow
def test_a_real_game_loaded_and_run_is_the_game_run_from_its_file(
    spark: SparkSession, database: str, tmp_path: Path, live_game: Path
) -> None:
    code, loaded = load(database, live_game)
    assert (code, loaded["tables"]) == (0, {"game.live_game_v1": {"loaded": 1, "already_there": 0}})
    for name, source in (("files", str(live_game)), ("database", database)):
        request = mlbsdk.RunRequest(name="game.live_game_v1", source=source, target=f"delta:{tmp_path / name}")
        report = mlbsdk.run(request, spark=spark)
        assert (report.documents.read, report.documents.newest, report.documents.rejected) == (1, 1, 0)
    plan = compile_mapping(load_mapping(Plugins.load().transform("game.live_game_v1")))
    for table in plan.tables:
        json_columns = [column.name for column in table.columns if column.type.name == "JSONB"]
        from_files = texts(stored(spark, tmp_path / "files", table.name), json_columns)
        assert texts(stored(spark, tmp_path / "database", table.name), json_columns) == from_files, table.name
        assert from_files


# The newest capture, chosen in the database


def test_the_newest_capture_is_chosen_in_the_database(spark: SparkSession, database: str, whole: LoadedMapping) -> None:
    insert(database, SOME)
    assert games(read(spark, database, whole)) == [(1, "minute 2"), (2, "minute 2")]


def test_of_equal_times_the_later_row_is_chosen(spark: SparkSession, database: str, whole: LoadedMapping) -> None:
    insert(database, SOME)
    execute(database, "UPDATE mini.game SET captured_at = '2024-07-01'")
    assert games(read(spark, database, whole)) == [(1, "minute 2"), (2, "minute 2")]


def test_tables_that_keep_rows_get_every_capture(spark: SparkSession, database: str, mini: LoadedMapping) -> None:
    insert(database, SOME)
    assert len(read(spark, database, mini)) == len(SOME)


@pytest.mark.parametrize(
    "change",
    [
        "status_code = 503",
        "endpoint = 'other'",
        "method = 'otherMethod'",
        "captured_at = NULL",
        "captured_at = 'infinity'",
        "data = jsonb_set(data, '{plays}', '7')",
        "data = jsonb_set(data, '{plays,0}', '\"text\"')",
        "data = data || '{\"response\": 7}'",
        "data = data - 'gamePk'",
        "status_code = NULL, data = data || '{\"status_code\": 404}'",
    ],
)
def test_what_a_run_would_refuse_or_can_not_compare_hides_no_other_capture(
    spark: SparkSession, database: str, whole: LoadedMapping, change: str
) -> None:
    insert(database, [Capture(1, 0), Capture(1, 1), Capture(1, 2), Capture(2, 0)])
    execute(database, f"UPDATE mini.game SET {change} WHERE id = 3")
    assert [row["row_id"] for row in sorted(read(spark, database, whole))] == ["2", "3", "4"]


def test_a_run_from_the_database_publishes_the_older_capture_where_the_newest_is_refused(
    spark: SparkSession, database: str, whole: LoadedMapping, tmp_path: Path
) -> None:
    mapping = tmp_path / "whole.yaml"
    text = MAPPING.read_text(encoding="utf-8")
    mapping.write_text(text[: text.index("  - name: mini.players")], encoding="utf-8")
    insert(database, [Capture(1, 0), Capture(1, 1), Capture(1, 2)])
    execute(database, "UPDATE mini.game SET data = jsonb_set(data, '{plays}', '7') WHERE id = 3")
    request = mlbsdk.RunRequest(
        name="mini.game",
        source=database,
        target=f"delta:{tmp_path / 'out'}",
        mapping=mapping,
        on_error=mlbsdk.OnError.QUARANTINE,
    )
    report = mlbsdk.run(request, spark=spark)
    assert (report.documents.newest, report.documents.rejected) == (1, 1)
    assert [row["state"] for row in stored(spark, tmp_path / "out", "mini.games")] == ["minute 1"]


def test_envelopes_are_looked_into(spark: SparkSession, database: str, whole: LoadedMapping) -> None:
    insert(database, SOME)
    execute(database, "UPDATE mini.game SET data = jsonb_build_object('response', data) WHERE id % 2 = 0")
    rows = read(spark, database, whole)
    assert sorted(row["row_id"] for row in rows) == ["3", "6"]


def test_a_key_may_be_a_request_parameter(spark: SparkSession, database: str) -> None:
    text = MAPPING.read_text(encoding="utf-8").replace("json_path: $.gamePk", "source_field: params.game_pk")
    mapping = load_text(text[: text.index("  - name: mini.players")], "params.yaml")
    insert(database, SOME)
    execute(database, "UPDATE mini.game SET params = jsonb_build_object('game_pk', data -> 'gamePk') WHERE id <= 3")
    execute(
        database,
        "UPDATE mini.game SET data = jsonb_build_object('response', data, 'path_params', "
        "jsonb_build_object('game_pk', data -> 'gamePk')) WHERE id > 3",
    )
    assert sorted(row["row_id"] for row in read(spark, database, mapping)) == ["3", "6"]
    assert sorted(row["row_id"] for row in read(spark, database, mapping, where={"game_pk": "2"})) == ["6"]


# Tables that others made

OTHERS = {
    "bare": "CREATE TABLE mini.game (data {type} NOT NULL)",
    "with times": "CREATE TABLE mini.game (data {type}, captured_at timestamptz)",
    "with unordered ids": "CREATE TABLE mini.game (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), data {type}, "
    "captured_at timestamp)",
    "as in the original design": "CREATE TABLE mini.game (id serial PRIMARY KEY, captured_at timestamptz NOT NULL, "
    "endpoint text, method text, params jsonb, url text, status_code int, data {type})",
    "of odd types": 'CREATE TABLE mini.game (id int, captured_at text, status_code text, "Data" {type}, params text)',
}


@pytest.mark.parametrize("type", ["jsonb", "json", "text"])
@pytest.mark.parametrize("kind", OTHERS)
def test_raw_tables_that_others_made_are_read(
    spark: SparkSession, database: str, mini: LoadedMapping, kind: str, type: str
) -> None:
    execute(database, "CREATE SCHEMA mini", OTHERS[kind].format(type=type))
    columns = "data, captured_at" if "captured_at" in OTHERS[kind] else "data"
    for capture in SOME:
        values = (json.dumps(capture.document()), capture.captured_at.isoformat())[: 1 + columns.count(",")]
        with psycopg.connect(database) as connection:
            names = columns.replace("data", '"Data"') if "Data" in OTHERS[kind] else columns
            marks = ", ".join(["%s"] * len(values))
            connection.execute(f"INSERT INTO mini.game ({names}) VALUES ({marks})", values)
    rows = read(spark, database, mini)
    assert games(rows) == [(game, f"minute {minute}") for game in (1, 2) for minute in (0, 1, 2)]
    times = {row["captured_at"].astimezone(timezone.utc) for row in rows if row["captured_at"]}
    assert times == ({capture.captured_at for capture in SOME} if "captured_at" in columns else set())
    assert all(row["row_id"] or kind == "of odd types" for row in rows)
    found = read(spark, database, mini, where={"game_pk": "2", "state": "minute 1"})
    assert games(found) == [(2, "minute 1")]


def test_a_view_is_read(spark: SparkSession, database: str, mini: LoadedMapping) -> None:
    insert(database, SOME)
    execute(database, "CREATE VIEW mini.seen AS SELECT data FROM mini.game WHERE id < 3")
    assert len(read(spark, f"{database}?table=mini.seen", mini)) == 2


def test_a_partitioned_table_is_read(spark: SparkSession, database: str, mini: LoadedMapping) -> None:
    execute(
        database,
        "CREATE SCHEMA mini",
        "CREATE TABLE mini.game (data jsonb, captured_at timestamptz) PARTITION BY RANGE (captured_at)",
        "CREATE TABLE mini.early PARTITION OF mini.game FOR VALUES FROM ('2000-01-01') TO ('2024-07-01 00:01')",
        "CREATE TABLE mini.late PARTITION OF mini.game DEFAULT",
    )
    for capture in SOME:
        execute(
            database,
            "INSERT INTO mini.game VALUES (%s, %s)",
            parameters=(json.dumps(capture.document()), capture.captured_at),
        )
    assert len(read(spark, database, mini)) == len(SOME)


# Reading in parallel, at one moment


@pytest.mark.parametrize("kind", ["chosen", "by id", "by place"])
def test_tasks_read_side_by_side(
    spark: SparkSession, database: str, mini: LoadedMapping, whole: LoadedMapping, kind: str
) -> None:
    from pyspark.sql import functions as F

    table = "mini.game"
    insert(database, [Capture(game, 0) for game in range(1, 41)])
    if kind == "by place":
        table = "mini.plain"
        filler = "SELECT data || jsonb_build_object('filler', repeat(md5(random()::text), 40)) AS data FROM mini.game"
        execute(database, f"CREATE TABLE mini.plain AS {filler}")
    source = PostgresSource(f"{database}?table={table}", {})
    frame = source.read(spark, (whole if kind == "chosen" else mini).mapping).frame
    parts = frame.groupBy(F.spark_partition_id()).count().collect()
    assert sum(part["count"] for part in parts) == 40
    assert len([part for part in parts if part["count"] > 5]) >= 2


@pytest.mark.parametrize("with_transactions", [True, False])
def test_rows_that_come_while_tasks_read_are_left_for_the_next_run(
    spark: SparkSession, database: str, mini: LoadedMapping, with_transactions: bool
) -> None:
    insert(database, SOME)
    if not with_transactions:
        execute(database, "ALTER TABLE mini.game DROP COLUMN xact")
    frame = PostgresSource(database, {}).read(spark, mini.mapping).frame
    insert(database, [Capture(3, 0)])
    assert len(frame.collect()) == len(SOME)
    assert len(read(spark, database, mini)) == len(SOME) + 1


def test_rows_of_a_restored_table_are_read(spark: SparkSession, database: str, mini: LoadedMapping) -> None:
    insert(database, SOME)
    execute(database, "UPDATE mini.game SET xact = '99999999999'::xid8")
    assert len(read(spark, database, mini)) == len(SOME)


def test_an_empty_table_gives_no_rows(
    spark: SparkSession, database: str, mini: LoadedMapping, whole: LoadedMapping
) -> None:
    insert(database, [])
    assert read(spark, database, mini) == read(spark, database, whole) == []


def test_json_comes_as_text_without_python(spark: SparkSession, database: str, mini: LoadedMapping) -> None:
    insert(database, SOME)
    batch = PostgresSource(database, {"where": {"game_pk": "1"}}).read(spark, mini.mapping)
    plan = batch.frame._jdf.queryExecution().toString()
    assert "JDBCRelation" in plan
    assert "Python" not in plan
    assert batch.size is not None
    assert 0 < batch.size < 100_000


# Only what is asked for


def asked(kind: str, database: str, spark: SparkSession, folder: Path, where: dict[str, str]) -> Source:
    if kind == "files":
        return FileSource(str(save(folder / "captures", SOME)), {"where": where})
    if kind == "table":
        rows = [(json.dumps({"response": capture.document()}), capture.captured_at) for capture in SOME]
        spark.createDataFrame(rows, "data string, captured_at timestamp").write.parquet(str(folder / "raw"))
        return TableSource("parquet", str(folder / "raw"), {"where": where})
    insert(database, SOME)
    return PostgresSource(database, {"where": where})


@pytest.mark.parametrize("kind", ["files", "table", "database"])
@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"game_pk": "1"}, [(1, "minute 0"), (1, "minute 1"), (1, "minute 2")]),
        ({"game_pk": "1.0", "state": "minute 2"}, [(1, "minute 2")]),
        ({"game_date": "2024-07-02"}, [(2, "minute 2")]),
        ({"game_pk": "3"}, []),
        ({"state": "minute 1' OR '1' = '1"}, []),
        ({"state": "${env:HOME}"}, []),
        ({"state": "back\\slash ? {fn now()} %s $1 -- /*"}, []),
    ],
)
def test_the_same_captures_are_found_in_every_source(
    spark: SparkSession,
    database: str,
    tmp_path: Path,
    mini: LoadedMapping,
    kind: str,
    where: dict[str, str],
    found: list[tuple[int, str]],
) -> None:
    rows = asked(kind, database, spark, tmp_path, where).read(spark, mini.mapping).frame.collect()
    documents = [json.loads(row["data"]) for row in rows]
    documents = [document.get("response", document) for document in documents]
    assert sorted((document["gamePk"], document["state"]) for document in documents) == found


def test_what_is_asked_for_is_looked_up_in_the_database(
    spark: SparkSession, database: str, mini: LoadedMapping, postgres_server: Server
) -> None:
    insert(database, SOME)
    execute(database, f"ALTER DATABASE {database.rpartition('/')[2]} SET log_statement = 'all'")
    log = postgres_server.folder / "server.log"
    before = log.stat().st_size
    assert len(read(spark, database, mini, where={"game_pk": "2"})) == 3
    said = log.read_bytes()[before:].decode()
    assert re.search(r"#>> '\{gamePk\}'::text\[\]\)::numeric = '2'::numeric", said)
    statements = re.findall(r"execute.*?SELECT .*?FROM \(SELECT.*?\) AS captures.*", said)
    lists = sorted(found for one in statements for found in re.findall(r"= ANY \('(\{[0-9,]+\})'::bigint\[\]\)", one))
    assert lists == ["{4}", "{5,6}"]


def test_where_reaches_the_source_of_a_run(spark: SparkSession, database: str, tmp_path: Path) -> None:
    captures = save(tmp_path / "captures", SOME)
    insert(database, SOME)
    for name, source in (("files", str(captures)), ("database", database)):
        request = mlbsdk.RunRequest(
            name="mini.game",
            source=source,
            target=f"delta:{tmp_path / name}",
            mapping=MAPPING,
            where={"game_pk": "1", "state": "minute 1"},
        )
        report = mlbsdk.run(request, spark=spark)
        assert (report.documents.read, report.notes) == (1, [])
        assert [row["state"] for row in stored(spark, tmp_path / name, "mini.games")] == ["minute 1"]
    nothing = mlbsdk.run(
        mlbsdk.RunRequest(
            name="mini.game",
            source=database,
            target=f"delta:{tmp_path / 'nothing'}",
            mapping=MAPPING,
            where={"game_pk": "77"},
        ),
        spark=spark,
    )
    assert nothing.notes == ["no capture has game_pk=77"]


# Ranges


def test_a_range_read_again_gives_the_same_rows(
    spark: SparkSession, database: str, mini: LoadedMapping, whole: LoadedMapping
) -> None:
    insert(database, SOME)
    source = PostgresSource(database, {})
    first = source.next_range(spark, mini.mapping, None)
    assert first is not None
    insert(database, [Capture(3, 0)])
    assert len(source.read_range(spark, mini.mapping, first).frame.collect()) == len(SOME)
    second = source.next_range(spark, mini.mapping, first)
    assert second is not None
    insert(database, [Capture(1, 3)])
    assert games(source.read_range(spark, mini.mapping, second).frame.collect()) == [(3, "minute 0")]
    assert sorted(source.read_range(spark, mini.mapping, first).frame.collect()) == sorted(
        row for row in read(spark, database, mini) if int(row["row_id"]) <= len(SOME)
    )
    assert games(source.read_range(spark, whole.mapping, first).frame.collect()) == [(1, "minute 2"), (2, "minute 2")]


def test_a_range_of_a_table_without_ids_is_read(spark: SparkSession, database: str, mini: LoadedMapping) -> None:
    insert(database, SOME)
    execute(database, "CREATE TABLE mini.plain AS SELECT data::text FROM mini.game")
    source = PostgresSource(f"{database}?table=mini.plain", {})
    first = source.next_range(spark, mini.mapping, None)
    assert first is not None
    execute(database, "INSERT INTO mini.plain SELECT data::text FROM mini.game WHERE id = 1")
    second = source.next_range(spark, mini.mapping, first)
    assert second is not None
    assert len(source.read_range(spark, mini.mapping, first).frame.collect()) == len(SOME)
    assert len(source.read_range(spark, mini.mapping, second).frame.collect()) == 1


# Passwords


@pytest.mark.parametrize("place", ["PGPASSWORD", "PGPASSFILE", "address"])
def test_the_password_is_found_where_libpq_looks_and_shown_nowhere(
    spark: SparkSession,
    database: str,
    mini: LoadedMapping,
    tmp_path: Path,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    insert(database, SOME)
    name = database.rpartition("/")[2]
    execute(
        database,
        "DROP ROLE IF EXISTS guarded_reader",
        "CREATE ROLE guarded_reader LOGIN PASSWORD 'hunter22'",
        f"GRANT CONNECT ON DATABASE {name} TO guarded_reader",
        "GRANT USAGE ON SCHEMA mini TO guarded_reader",
        "GRANT SELECT ON mini.game TO guarded_reader",
    )
    address = database.replace("postgres@", "guarded_reader@")
    if place == "PGPASSWORD":
        monkeypatch.setenv("PGPASSWORD", "hunter22")
    elif place == "PGPASSFILE":
        (tmp_path / "pass").write_text("*:*:*:guarded_reader:hunter22\n", encoding="utf-8")
        (tmp_path / "pass").chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pass"))
    else:
        address = address.replace("guarded_reader@", "guarded_reader:hunter22@")
    batch = PostgresSource(address, {}).read(spark, mini.mapping)
    assert len(batch.frame.collect()) == len(SOME)
    batch.frame.explain(True)
    shown = batch.frame._jdf.queryExecution().toString() + str(batch) + "".join(capfd.readouterr())
    assert "JDBCRelation" in shown
    assert "hunter22" not in shown
    with psycopg.connect(address) as connection:
        assert "hunter22" not in jdbc.url(connection)
        options = jdbc.properties(connection)
        with pytest.raises(ConfigurationError, match="can't connect") as caught:
            jdbc.read(spark, jdbc.url(connection), options | {"password": "hunter33"}, "SELECT 1", ["true"])
    assert "hunter" not in str(caught.value)
    execute(database, "DROP OWNED BY guarded_reader", "DROP ROLE guarded_reader")
