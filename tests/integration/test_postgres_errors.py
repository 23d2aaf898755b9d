"""What PostgreSQL refuses is told in one sentence with its code and what to do; no password is ever shown."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from mlbsdk_plugin_postgres.writer import PostgresWriter

from mlbsdk.errors import ConfigurationError, MlbsdkError, StoredSchemaError, TargetUnwritableError, WriteError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.ddl import script
from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import Table
from mlbsdk.runtime.batch import Batch, Document
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.runtime.transformation import OnError
from tests.contract.test_writers import _arrow_batch, at, batch_of, made, postgres_rows
from tests.integration.test_bad_input import command
from tests.integration.test_crash import BEFORE, KILLED, rows_after
from tests.integration.test_postgres_crash import tables, write
from tests.integration.test_postgres_tasks import batch_of as batch_on_spark
from tests.mini import MAPPING, Capture, save
from tests.postgres import Server, running

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.integration]

SECRET = "Sesam-17.open"
_NUMBERS = itertools.count(1)


def execute(address: str, *statements: str) -> None:
    """Execute statements as the database's owner."""
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@contextlib.contextmanager
def role(address: str, name: str, password: str = "") -> Iterator[str]:
    """Make a role that may only connect, and give the database's address for it."""
    name = f"{name}_{next(_NUMBERS)}"
    execute(address, f"CREATE ROLE {name} LOGIN" + (f" PASSWORD '{password}'" if password else ""))
    try:
        yield address.replace("postgres@", f"{name}@")
    finally:
        execute(address, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def run_mini(cwd: Path, target: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line over one capture of the mini mapping."""
    if not (cwd / "in").exists():
        save(cwd / "in", [Capture(1, 1)])
    given = ["--mapping", str(MAPPING), "--source", "in", "--target", target, *arguments]
    return command("run", "mini.game", *given, cwd=cwd, **variables)


def told_before_spark(done: subprocess.CompletedProcess[str], cwd: Path) -> str:
    """Return the one sentence, told before Java started."""
    assert "Traceback" not in done.stderr
    assert not (cwd / "home" / "spark.log").exists()
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


# Before Spark starts


@pytest.mark.parametrize(
    ("target", "exit_code", "words"),
    [
        ("postgresql://x@127.0.0.1:1/db", 1, ["[MLBSDK502]", "Connection refused", "Check that the server runs"]),
        ("postgresql://postgres@{place}/nosuch", 1, ["[MLBSDK502]", 'database "nosuch" does not exist', "createdb"]),
        ("postgresql://nobody@{place}/postgres", 1, ["[MLBSDK502]", 'role "nobody" does not exist', "createuser"]),
        ("postgresql://{place}/db?nosuch=1", 2, ["[MLBSDK202]", 'invalid URI query parameter: "nosuch"']),
        ("postgresql:db", 2, ["[MLBSDK202]", "'postgresql:db' is no address", "postgresql://USER@HOST:PORT/DATABASE"]),
    ],
)
def test_what_is_wrong_with_an_address_is_told_before_spark_starts(
    postgres_server: Server, tmp_path: Path, target: str, exit_code: int, words: list[str]
) -> None:
    done = run_mini(tmp_path, target.format(place=f"127.0.0.1:{postgres_server.port}"))
    assert done.returncode == exit_code, done.stderr
    sentence = told_before_spark(done, tmp_path)
    assert [word for word in words if word not in sentence] == [], sentence


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://[::1/db",
        "postgresql://host:port/db",
        "postgresql://u:a%zzb@host/db",
        "postgresql://u:a/b@host/db",
        "postgresql://u:a@b@host/db",
        "postgresql://u:a#b@host/db",
        "postgresql://u:a\u2100b@host/db",  # Python's own complaint would repeat all of it
        "host=here password=a",
        "",
    ],
)
def test_addresses_that_are_not_understood_are_not_repeated_with_their_password(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        PostgresWriter(address, {})
    _, colon, password = address.rpartition("@")[0].removeprefix("postgresql://").partition(":")
    assert not colon or password not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_wrong_password_and_one_that_would_be_shown(database: str, tmp_path: Path) -> None:
    with role(database, "guarded_x", SECRET) as address:
        user = address.split("//")[1].split("@")[0]
        wrong = run_mini(tmp_path, address.replace(user, f"{user}:{SECRET}x"))
        assert wrong.returncode == 1
        sentence = told_before_spark(wrong, tmp_path)
        assert "[MLBSDK502]" in sentence
        assert f'password authentication failed for user "{user}"' in sentence
        assert "PGPASSWORD or ~/.pgpass" in sentence
        none = run_mini(tmp_path, address, PGPASSWORD="")
        assert none.returncode == 1
        assert "no password supplied. Give the right password" in told_before_spark(none, tmp_path)
        shown = run_mini(tmp_path, f"{address}?password={SECRET}", "--json")
        assert shown.returncode == 2
        assert "[MLBSDK202]" in told_before_spark(shown, tmp_path)
        assert json.loads(shown.stdout)["status"] == "failed"
        for done in (wrong, none, shown):
            assert SECRET not in done.stdout + done.stderr
        assert not files_with_secret(tmp_path)


def files_with_secret(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


@pytest.mark.slow
def test_the_right_password_is_in_no_output_report_log_or_event(database: str, tmp_path: Path) -> None:
    """Also where Spark's tasks take it along, and Spark logs all it can."""
    log4j = tmp_path / "all.log4j2.properties"
    log4j.write_text(
        "rootLogger.level = debug\nrootLogger.appenderRef.file.ref = file\nappender.file.type = File\n"
        f"appender.file.name = file\nappender.file.fileName = {tmp_path}/debug.log\n"
        "appender.file.layout.type = PatternLayout\nappender.file.layout.pattern = %m%n%ex\n",
        encoding="utf-8",
    )
    options = f"-Dlog4j2.configurationFile={log4j.as_uri()}"
    (tmp_path / "mlbsdk.yaml").write_text(
        f"spark: {{spark.mlbsdk.arrow: 'false', spark.master: 'local[2]', spark.driver.extraJavaOptions: '{options}'}}",
        encoding="utf-8",
    )
    with role(database, "guarded_x", SECRET) as address:
        user = address.split("//")[1].split("@")[0]
        execute(database, f"GRANT CREATE ON DATABASE {Path(database).name} TO {user}")
        done = run_mini(tmp_path, address.replace(user, f"{user}:{SECRET}"), "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["target"] == address.replace(user, f"{user}:***")
        assert SECRET not in done.stdout + done.stderr
        assert (tmp_path / "debug.log").stat().st_size > 100_000
        assert list(tmp_path.rglob("lineage.jsonl"))
        assert not files_with_secret(tmp_path)
        with psycopg.connect(database) as connection:
            found = connection.execute("SELECT string_agg(g::text, '') FROM mini.games g").fetchone()
        assert found
        assert SECRET not in found[0]


def test_a_role_that_may_create_nothing(database: str, tmp_path: Path) -> None:
    with role(database, "poor") as address:
        done = run_mini(tmp_path, address)
    assert done.returncode == 1
    sentence = told_before_spark(done, tmp_path)
    assert f"[MLBSDK502] can't write to the database '{Path(database).name}'" in sentence
    assert "permission denied for database" in sentence
    assert "docs/postgresql.md lists under 'Permissions'" in sentence


def test_a_role_or_standby_that_takes_no_changes(database: str, tmp_path: Path) -> None:
    with role(database, "reader") as address:
        name = address.split("//")[1].split("@")[0]
        execute(database, f"ALTER ROLE {name} SET default_transaction_read_only = on")
        done = run_mini(tmp_path, address)
    assert done.returncode == 1
    sentence = told_before_spark(done, tmp_path)
    assert "[MLBSDK502]" in sentence
    assert "takes no changes: it is a standby, or read-only. Write to the primary server." in sentence


def test_a_postgresql_that_is_too_old(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlbsdk_plugin_postgres.connection.OLDEST", 99)
    with pytest.raises(ConfigurationError, match=r"PostgreSQL \d+ is too old: mlbsdk needs 99 or newer") as caught:
        PostgresWriter(database, {}).prepare()
    assert caught.value.exit_code == 2


# Permissions

#: Owned by somebody else, these rights are enough for small batches: for rows that come as Arrow.
RIGHTS = [
    "USAGE ON SCHEMA mini",
    "USAGE ON SCHEMA mlbsdk",
    "SELECT ON mlbsdk.documents",
    "INSERT ON mlbsdk.documents",
    "UPDATE ON mlbsdk.documents",
    *(f"{right} ON mini.{table}" for table in ("games", "plays") for right in ("SELECT", "INSERT", "UPDATE", "DELETE")),
    # Rows of a table with on_missing: keep are never deleted.
    *(f"{right} ON mini.players" for right in ("SELECT", "INSERT", "UPDATE")),
]


def test_a_role_with_only_the_rights_it_needs(spark: SparkSession, database: str) -> None:
    """It writes; without any one of them it is refused, and nothing is written. Tasks need to create tables too."""
    execute(database, script(compile_mapping(load_file(MAPPING))))
    everybody = f"ON DATABASE {Path(database).name}"
    with role(database, "writer") as address:
        name = address.split("//")[1].split("@")[0]
        execute(database, f"REVOKE TEMPORARY {everybody} FROM PUBLIC")
        rights = [*RIGHTS, f"TEMPORARY {everybody}"]
        execute(database, *(f"GRANT {right} TO {name}" for right in rights))
        write(address, BEFORE)
        for right in rights:
            execute(database, f"REVOKE {right} FROM {name}")
            with pytest.raises(WriteError, match=r"permission denied.*'Permissions'") as caught:
                write(address, KILLED)
            assert caught.value.exit_code == 1
            assert tables(database) == rows_after(BEFORE), right
            execute(database, f"GRANT {right} TO {name}")
        with pytest.raises(WriteError, match="permission denied for schema mlbsdk"):
            written_by_tasks(spark, address, KILLED)
        execute(database, f"GRANT CREATE ON SCHEMA mlbsdk TO {name}", f"REVOKE TEMPORARY {everybody} FROM {name}")
        with pytest.raises(WriteError, match="permission denied"):  # for the keys of documents
            written_by_tasks(spark, address, KILLED)
        execute(database, f"GRANT TEMPORARY {everybody} TO {name}")
        written_by_tasks(spark, address, KILLED)
        assert tables(database) == rows_after([*BEFORE, *KILLED])


def written_by_tasks(spark: SparkSession, address: str, captures: Sequence[Capture]) -> None:
    with contextlib.closing(PostgresWriter(address, {})) as writer:
        writer.prepare()
        writer.write(batch_on_spark(spark, captures))


# Stored tables that differ

TABLE = made({"a": "BIGINT", "v": "VARCHAR(10)", "p": "DATE"}, "a", "a")
PARTITIONED = made({"a": "BIGINT", "v": "VARCHAR(10)", "p": "DATE"}, "a p", "a", "p")
COLUMNS = {
    "a": "bigint NOT NULL",
    "v": "character varying(10)",
    "p": "date",
    "source_captured_at": "timestamptz",
    "transform_timestamp": "timestamptz",
    "lineage_metadata": "jsonb",
    "": "PRIMARY KEY (a)",
}


def stored(tail: str = "", **changes: str) -> str:
    """Return CREATE TABLE for a table as the mapping has it, but for these changes."""
    columns = COLUMNS | {name.replace("key", ""): kind for name, kind in changes.items()}
    return f"CREATE TABLE x.t ({', '.join(f'{name} {kind}' for name, kind in columns.items() if kind)}) {tail}"


DIFFERENT = [
    (TABLE, stored(v="text"), "x.t.v is text, the mapping says character varying(10)"),
    (TABLE, stored(v="varchar(9)"), "x.t.v is character varying(9), the mapping says character varying(10)"),
    (
        TABLE,
        stored(p="timestamp", source_captured_at="timestamp"),
        "x.t.p is timestamp without time zone, the mapping says date; "
        "x.t.source_captured_at is timestamp without time zone, the mapping says timestamp with time zone",
    ),
    (TABLE, stored(key=""), "x.t has no primary key, the mapping says (a)"),
    (
        TABLE,
        stored(key="PRIMARY KEY (a, v)"),
        "x.t has the primary key (a, v), the mapping says (a); "
        "x.t.v may not be null in the database, and may in the mapping",
    ),
    (TABLE, stored(z="int NOT NULL"), "x.t.z may not be null and is not in the mapping"),
    (TABLE, stored(v="varchar(10) NOT NULL"), "x.t.v may not be null in the database, and may in the mapping"),
    (
        TABLE,
        stored("PARTITION BY RANGE (a)"),
        "x.t is partitioned by a, the mapping makes it not partitioned",
    ),
    (
        PARTITIONED,
        stored(p="date NOT NULL", key="PRIMARY KEY (a, p)"),
        "x.t is not partitioned, the mapping makes it partitioned by p",
    ),
]


@pytest.mark.parametrize(("table", "statement", "words"), DIFFERENT, ids=[words for _, _, words in DIFFERENT])
def test_a_stored_table_that_differs(
    spark: SparkSession, database: str, table: Table, statement: str, words: str
) -> None:
    execute(database, "CREATE SCHEMA x", statement)
    batch = one_row(spark, table, v="x")
    with pytest.raises(StoredSchemaError) as caught:
        written(database, batch)
    assert str(caught.value) == (
        f"[MLBSDK503] stored tables differ from the mapping: {words}. "
        "Nothing was changed. Alter them as 'mlbsdk mapping ddl' shows, or use another database."
    )
    assert caught.value.exit_code == 1
    assert not postgres_rows(database, "x.t")


def one_row(spark: SparkSession, table: Table, arrow: bool = True, **values: Any) -> Batch:
    """Return a batch of one row."""
    row = {"a": 1, "p": at(0).date(), "source_captured_at": at(0)} | values
    return batch_of(spark, table, [row], [Document((1,), at(0))], arrow)


def written(address: str, batch: Batch) -> None:
    with contextlib.closing(PostgresWriter(address, {})) as writer:
        writer.prepare()
        writer.write(batch)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW x.t AS SELECT 1 AS a",
        "CREATE MATERIALIZED VIEW x.t AS SELECT 1 AS a",
        "CREATE SEQUENCE x.t",
        "CREATE TYPE x.t AS (a int)",
    ],
)
def test_something_else_of_the_tables_name(spark: SparkSession, database: str, statement: str) -> None:
    execute(database, "CREATE SCHEMA x", statement)
    with pytest.raises(StoredSchemaError) as caught:
        written(database, one_row(spark, TABLE))
    assert str(caught.value) == "[MLBSDK503] 'x.t' is no table in the database (it may be a view). Rename it."


def test_a_stored_table_that_differs_by_the_command_line(database: str, tmp_path: Path) -> None:
    """After Spark has started: a writer learns what it is to write by writing."""
    execute(database, "CREATE SCHEMA mini", "CREATE TABLE mini.games (game_pk text PRIMARY KEY)")
    done = run_mini(tmp_path, database, "--json")
    assert done.returncode == 1
    words = "[MLBSDK503] stored tables differ from the mapping: mini.games.game_pk is text, the mapping says bigint"
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert any(words in error for error in json.loads(done.stdout)["errors"])
    assert not postgres_rows(database, "mini.plays")


# Values that PostgreSQL can't store


@contextlib.contextmanager
def jobs_of(spark: SparkSession) -> Iterator[list[str]]:
    """Give a list that has, after the block, how each of its Spark jobs ended."""
    context, statuses = spark.sparkContext, list[str]()
    tracker, group, last = context.statusTracker(), uuid.uuid4().hex, uuid.uuid4().hex
    context.setJobGroup(group, "of a test")
    try:
        yield statuses
    finally:
        context.setJobGroup(last, "of a test")
        spark.range(1).write.format("noop").mode("overwrite").save()
        context.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]
        while [tracker.getJobInfo(job).status for job in tracker.getJobIdsForGroup(last)] != ["SUCCEEDED"]:
            time.sleep(0.01)  # the tracker learns of the jobs in their order, a little later
        statuses.extend(tracker.getJobInfo(job).status for job in tracker.getJobIdsForGroup(group))


@pytest.mark.parametrize("arrow", [True, False])
@pytest.mark.parametrize(
    ("column", "kind", "value", "words"),
    [
        ("v", "TEXT", "a\0b", "x.t: column v: a text has a NUL character (U+0000)"),
        ("j", "JSONB", '{"b": "\\u0000"}', "x.t: column j: unsupported Unicode escape sequence"),
        ("j", "JSONB", "{", "x.t: column j: invalid input syntax for type json"),
    ],
)
def test_a_value_that_postgresql_can_not_store_names_table_and_column(
    spark: SparkSession, database: str, arrow: bool, column: str, kind: str, value: str, words: str
) -> None:
    table = made({"a": "BIGINT", column: kind}, "a", "a")
    with jobs_of(spark) as statuses, pytest.raises(WriteError) as caught:
        written(database, one_row(spark, table, arrow, **{column: value}))
    assert set(statuses) <= {"SUCCEEDED"}  # a failed task would be tried again on a cluster, for nothing
    assert arrow or statuses
    assert str(caught.value).startswith(f"[MLBSDK501] the tables of mini.game could not be written: {words}")
    assert "Nothing of this batch was published." in str(caught.value)
    if value != "{":
        rule = "NOT contains(COLUMN, chr(0))" if kind == "TEXT" else r"NOT contains(COLUMN, '\\u0000')"
        assert f"Refuse such rows by a rule of the mapping, {rule}, with --on-error" in str(caught.value)
    assert not postgres_rows(database, "x.t")


ADVISED = {
    "event": ("NOT contains(event, chr(0))", "a\0b", "a text has a NUL"),
    "detail": (r"NOT contains(detail, '\\u0000')", {"b": "\0"}, "unsupported Unicode escape sequence"),
}


@pytest.mark.parametrize("column", ADVISED)
def test_what_the_errors_about_nul_advise(spark: SparkSession, database: str, tmp_path: Path, column: str) -> None:
    """A value is never changed in silence: the row is refused, and everything else is published."""
    rule, value, words = ADVISED[column]
    document = Capture(1, 1).document()
    document["plays"][0][column] = value
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.json").write_text(json.dumps(document), encoding="utf-8")
    field = "      - {name: detail, type: JSONB, json_path: $.detail}\n"

    def request(name: str, rule: str) -> RunRequest:
        text = MAPPING.read_text(encoding="utf-8")
        for before, more in (("      - {name: speed,", field), ('      - {rule: "speed BETWEEN', rule)):
            text = text.replace(before, more + before)
        mapping = tmp_path / name
        mapping.write_text(text, encoding="utf-8")
        source = str(tmp_path / "in")
        return RunRequest(
            name="mini.game", mapping=mapping, source=source, target=database, on_error=OnError.QUARANTINE
        )

    with pytest.raises(WriteError, match=rf"mini\.plays: column {column}: {words}"):
        run(request("without.yaml", ""), spark=spark)
    ruled = request("with.yaml", f"      - rule: |-\n          {rule}\n        name: no_nul\n")
    report = run(ruled, spark=spark)
    assert (report.tables["mini.plays"].rows, report.tables["mini.plays"].quarantined) == (3, 1)
    (refused,) = postgres_rows(database, "mlbsdk.quarantine")
    kept = json.loads(refused["row_json"])[column]
    assert (json.loads(kept) if column == "detail" else kept) == value


@pytest.mark.parametrize("arrow", [True, False])
def test_a_database_of_another_encoding(
    spark: SparkSession, postgres_server: Server, monkeypatch: pytest.MonkeyPatch, arrow: bool
) -> None:
    """Texts are translated into it; what it has no character for is refused."""
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    server, name = postgres_server.address(), f"latin_{arrow}".lower()
    execute(server, f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    address = postgres_server.address(name)
    written(address, one_row(spark, TABLE, arrow, v="Peña"))
    with psycopg.connect(address, client_encoding="UTF8") as connection:
        assert connection.execute("SELECT v, length(v) FROM x.t").fetchall() == [("Peña", 4)]
    with pytest.raises(WriteError, match=r"no equivalent in encoding.*Use a database whose encoding is UTF8"):
        written(address, one_row(spark, TABLE, arrow, v="大谷"))
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


# In the middle of a batch


@pytest.fixture
def small_disk(postgres_server: Server, tmp_path: Path) -> Iterator[str]:
    """Return the address of a database on a file system of 32 MB; only where this user may mount one."""
    folder = Path("/tmp") / f"mlbsdk-small-{os.getpid()}"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "none", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("no file system can be mounted here")
    try:
        owner = postgres_server.folder.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        server = postgres_server.address()
        execute(server, f"CREATE TABLESPACE small LOCATION '{folder}'", "CREATE DATABASE small TABLESPACE small")
        yield postgres_server.address("small")
        execute(server, "DROP DATABASE small WITH (FORCE)", "DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def test_a_disk_that_is_full(small_disk: str) -> None:
    """A real one, but for some room: looking at tables may have the server write what others changed."""
    write(small_disk, BEFORE)
    room = Path(f"/tmp/mlbsdk-small-{os.getpid()}/room")
    room.write_bytes(bytes(1 << 20))
    execute(small_disk, "CREATE TABLE filler (v text)", "ALTER TABLE filler ALTER v SET STORAGE PLAIN")
    fill = "INSERT INTO filler SELECT repeat('x', {}) FROM generate_series(1, {})"
    for size, count in [(7000, 1000)] * 5 + [(7000, 1)] * 1000:
        try:
            execute(small_disk, fill.format(size, count))
        except psycopg.errors.DiskFull:
            if count == 1:
                break
    room.unlink()
    captures = [Capture(game, 2) for game in range(100, 400)]
    with pytest.raises(WriteError, match="No space left on device") as caught:
        write(small_disk, captures)
    check_disk_full(caught.value)
    assert tables(small_disk) == rows_after(BEFORE)
    execute(small_disk, "DROP TABLE filler", "CHECKPOINT")
    write(small_disk, captures)
    assert tables(small_disk) == rows_after([*BEFORE, *captures])


def check_disk_full(problem: MlbsdkError) -> None:
    assert str(problem).startswith("[MLBSDK501] the tables of mini.game could not be written: could not ")
    assert str(problem).endswith("Free space for the server; nothing of this batch was published. Then run again.")


def test_a_disk_that_is_said_to_be_full_while_rows_are_copied(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same error without a small disk, which not everybody may mount."""
    write(database, BEFORE)

    def full(*_: object) -> None:
        raise psycopg.errors.DiskFull('could not extend file "base/1/2": No space left on device')

    with monkeypatch.context() as patched:
        patched.setattr("mlbsdk_plugin_postgres.staging.copy", full)
        with pytest.raises(WriteError) as caught:
            write(database, KILLED)
    check_disk_full(caught.value)
    assert tables(database) == rows_after(BEFORE)
    write(database, KILLED)
    assert tables(database) == rows_after([*BEFORE, *KILLED])


def test_a_server_that_is_away_for_longer_than_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlbsdk_plugin_postgres.writer._PATIENCE_SECONDS", 0.5)
    with running() as server, server.database() as address:
        write(address, BEFORE)
        with contextlib.closing(PostgresWriter(address, {})) as writer:
            writer.prepare()
            publish = writer._publish

            def gone(*arguments: Any) -> Any:
                found = publish(*arguments)
                server.stop()
                return found

            monkeypatch.setattr(writer, "_publish", gone)
            with pytest.raises(WriteError) as caught:
                writer.write(_arrow_batch(KILLED, 0))
            server.start()
            assert tables(address) == rows_after(BEFORE)
            monkeypatch.setattr(writer, "_publish", publish)
            writer.write(_arrow_batch(KILLED, 0))
        assert tables(address) == rows_after([*BEFORE, *KILLED])
    assert "Connection refused" in str(caught.value)
    assert str(caught.value).endswith(
        "Nothing of this batch was published. Check that the server runs and can be reached, then run again."
    )
    assert (caught.value.code, caught.value.exit_code) == ("MLBSDK501", 1)
    assert not isinstance(caught.value, TargetUnwritableError)
