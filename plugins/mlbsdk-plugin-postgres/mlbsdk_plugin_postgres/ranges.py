"""Ranges of a raw table's rows, for following it: every row is in exactly one, also one that is committed late.

Neither ids nor times are in the order in which rows are committed. What is: snapshots. A range holds two, and means the
rows that the later one sees and the earlier one does not.

The transaction that wrote a row is in its column ``xact``. A table without that column has PostgreSQL's own ``xmin``:
it may be a part of a transaction (a savepoint), of which snapshots do not tell, so such a table is read up to the
oldest transaction that runs, and each look at it reads it all. A hot standby does not tell in a snapshot what runs on
its primary either, and is read likewise.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import psycopg
from psycopg import errors, sql

from mlbsdk.plugin import SourceError
from mlbsdk_plugin_postgres import newest
from mlbsdk_plugin_postgres.raw_table import RawTable, is_restored

#: Rows of a range: 200 captures of whole games are some 170 MB of text.
MOST_ROWS = 200
_VERSION = 1
_SERVER = "SELECT system_identifier::text FROM pg_control_system()"
_DATABASE = "SELECT oid::bigint FROM pg_database WHERE datname = current_database()"
_SNAPSHOT = """
    SELECT CASE WHEN pg_is_in_recovery() OR %s
                THEN pg_snapshot_xmin(now.snapshot)::text || ':' || pg_snapshot_xmin(now.snapshot)::text || ':'
                ELSE now.snapshot::text END
    FROM (SELECT pg_current_snapshot() AS snapshot) AS now
"""
#: The 32 bits of xmin with those above them: a transaction that wrote a row lies less than 2^32 before the next one.
#: The first three numbers are no transactions: such rows were always there.
_XMIN = (
    "(CASE WHEN raw.xmin::text::bigint < 3 THEN 0 ELSE "
    "(SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint) - "
    "(((SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint) - raw.xmin::text::bigint) & 4294967295) END)"
)


@dataclass(frozen=True)
class Range:
    """Rows that ``current`` sees and ``previous`` does not, after ``above`` and up to ``upto``.

    Rows are in the order of (transaction, row); the last two are such pairs, as text.
    """

    server: str
    database: int
    table: str
    by: Literal["xact", "xmin"]
    previous: str | None
    current: str
    above: tuple[str, str] | None
    upto: tuple[str, str] | None
    is_last: bool
    """Whether no rows follow that the same two snapshots tell apart."""

    def to_json(self) -> str:
        """Return the range as text."""
        return json.dumps({"version": _VERSION} | asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Range:
        """Read a range.

        Raises:
            SourceError: the text is none.
        """
        try:
            found: dict[str, Any] = json.loads(text)
            if found.pop("version") != _VERSION:
                raise ValueError("it is of another version of mlbsdk-plugin-postgres")
            pairs = {key: tuple(found[key]) if found[key] is not None else None for key in ("above", "upto")}
            return cls(**(found | pairs))
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise SourceError(
                f"the checkpoint holds no range of a PostgreSQL table: {problem}", fix="Reset the checkpoint."
            ) from problem


def following(connection: psycopg.Connection, table: RawTable, after: Range | None) -> Range | None:
    """Return the range that follows; None where nothing is new. Reads no captures, only ids.

    Raises:
        SourceError: ``after`` is of another server, database or table, or the table can't be followed.
        psycopg.Error: it can't be read.
    """
    check(connection, table, after)
    if after is not None and not after.is_last:
        rest = _cut(connection, table, replace(after, above=after.upto, upto=None))
        if rest is not None:
            return rest
    server, database = _identity(connection)
    by = _by(table)
    snapshot = connection.execute(_SNAPSHOT, (by == "xmin",)).fetchone()
    assert snapshot is not None
    return _cut(
        connection,
        table,
        Range(
            server=server,
            database=database,
            table=str(table),
            by=by,
            previous=after.current if after else None,
            current=snapshot[0],
            above=None,
            upto=None,
            is_last=True,
        ),
    )


def check(connection: psycopg.Connection, table: RawTable, found: Range | None) -> None:
    """Refuse a range that is not of this table, and a table that can't be followed.

    Raises:
        SourceError: as described.
    """
    row = _row(table)
    if row is None:
        raise SourceError(
            f"'{table}' can't be followed: it has no column id that is unique and never null, "
            "and its rows have no place of their own",
            fix="Follow the table that holds the rows, or read it again and again with 'mlbsdk run'.",
        )
    if _by(table) == "xact" and is_restored(connection, table):
        raise SourceError(
            f"'{table}' can't be followed: its column xact names transactions of another server, from which it was "
            "restored",
            fix=f"UPDATE {table} SET xact = pg_current_xact_id(), and reset the checkpoint.",
        )
    if found is None:
        return
    server, database = _identity(connection)
    was, this = (found.server, found.database, found.table, found.by), (server, database, str(table), _by(table))
    if was != this:
        raise SourceError(
            f"the checkpoint was made with {_named(*was)}, and this is {_named(*this)}",
            fix="Transactions of the two can't be compared: reset the checkpoint (delete its folder). All rows are "
            "then read again, which changes nothing where the target has them.",
        )


def bounds(table: RawTable, found: Range) -> list[sql.Composable]:
    """Return the conditions that rows of a range meet."""
    transaction, row = _transaction(table), _row(table)
    assert row is not None
    if found.by == "xact":
        inside = [
            _within(transaction, "<", _end(found.current), "xid8"),
            sql.SQL("pg_visible_in_snapshot({}, {}::pg_snapshot)").format(transaction, sql.Literal(found.current)),
        ]
        if found.previous is not None:
            template = "NOT pg_visible_in_snapshot({}, {}::pg_snapshot)"
            inside += [
                _within(transaction, ">=", _begin(found.previous), "xid8"),
                sql.SQL(template).format(transaction, sql.Literal(found.previous)),
            ]
    else:
        inside = [_within(transaction, "<", _begin(found.current), "bigint")]
        if found.previous is not None:
            inside.append(_within(transaction, ">=", _begin(found.previous), "bigint"))
    for comparison, pair in ((">", found.above), ("<=", found.upto)):
        if pair is not None:
            inside.append(
                sql.SQL("({}, {}) {} ({}::{}, {}::{})").format(
                    transaction,
                    row,
                    sql.SQL(comparison),
                    sql.Literal(pair[0]),
                    sql.SQL("xid8" if found.by == "xact" else "bigint"),
                    sql.Literal(pair[1]),
                    sql.SQL(table.columns[table.identity] if table.identity else "tid"),
                )
            )
    return list(inside)


def _cut(connection: psycopg.Connection, table: RawTable, wanted: Range) -> Range | None:
    """Return the first rows of a range as a range of their own; None where it has none."""
    transaction, row = _transaction(table), _row(table)
    assert row is not None
    query = sql.SQL("SELECT {0}::text, {1}::text FROM {2} AS raw WHERE {3} ORDER BY {0}, {1} LIMIT {4}").format(
        transaction, row, table.identifier, newest.all_of(bounds(table, wanted)), sql.Literal(MOST_ROWS + 1)
    )
    rows = connection.execute(query).fetchall()
    if not rows:
        return None
    last = rows[:MOST_ROWS][-1]
    return replace(wanted, upto=(str(last[0]), str(last[1])), is_last=len(rows) <= MOST_ROWS)


def _by(table: RawTable) -> Literal["xact", "xmin"]:
    return "xact" if table.has_transactions else "xmin"


def _transaction(table: RawTable) -> sql.Composable:
    return table.column("xact") if table.has_transactions else sql.SQL(_XMIN)


def _row(table: RawTable) -> sql.Composable | None:
    """Return what puts rows of one transaction in order; None where nothing does."""
    has_transactions = table.has_transactions or table.kind in ("r", "m", "p")
    if table.identity is not None and has_transactions:
        return table.column(table.identity)
    return sql.SQL("raw.ctid") if table.is_heap else None


def _within(transaction: sql.Composable, comparison: str, bound: str, kind: str) -> sql.Composed:
    return sql.SQL("{} {} {}::{}").format(transaction, sql.SQL(comparison), sql.Literal(bound), sql.SQL(kind))


def _begin(snapshot: str) -> str:
    """Return the first transaction that may be unfinished in a snapshot, ``xmin:xmax:unfinished``."""
    return snapshot.split(":")[0]


def _end(snapshot: str) -> str:
    """Return the first transaction that a snapshot knows nothing of."""
    return snapshot.split(":")[1]


def _identity(connection: psycopg.Connection) -> tuple[str, int]:
    """Return server and database; some who host servers let nobody ask for the server."""
    try:
        with connection.transaction():
            server = connection.execute(_SERVER).fetchone()
    except errors.InsufficientPrivilege:
        server = ("(unknown)",)
    database = connection.execute(_DATABASE).fetchone()
    assert server is not None
    assert database is not None
    return str(server[0]), int(database[0])


def _named(server: str, database: int, table: str, by: str) -> str:
    column = "" if by == "xact" else " without a column xact"
    return f"table '{table}'{column} in database {database} of server {server}"
