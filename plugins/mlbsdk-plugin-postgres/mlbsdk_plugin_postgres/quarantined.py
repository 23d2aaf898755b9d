"""What a database holds in quarantine, and the captures that it has seen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from mlbsdk.plugin import QUARANTINE_COLUMNS, Plan, QuarantineQuery, names_seen, quarantine_rows
from mlbsdk_plugin_postgres.catalog import OWN_SCHEMA, read

if TYPE_CHECKING:
    import pyarrow as pa

_TABLE = "quarantine"


def rows(connection: psycopg.Connection, query: QuarantineQuery) -> pa.Table:
    """Return the entries of a query, the newest first; a table made before some columns has null there."""
    stored = read(connection, f"{OWN_SCHEMA}.{_TABLE}")
    if stored is None:
        return quarantine_rows([])
    columns = [name for name in QUARANTINE_COLUMNS if name in stored.columns]
    conditions: list[sql.Composable] = [sql.SQL("true")]
    conditions += [sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in query.equal.items()]
    if query.is_open and "resolution" in stored.columns:
        conditions.append(sql.SQL("resolution IS NULL"))
    statement = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY transform_timestamp DESC, quarantine_id LIMIT {}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(OWN_SCHEMA, _TABLE),
        sql.SQL(" AND ").join(conditions),
        query.limit,
    )
    return quarantine_rows(dict(zip(columns, row, strict=True)) for row in connection.execute(statement))


def newest_captures(connection: psycopg.Connection, plan: Plan) -> Mapping[tuple[str, str], datetime]:
    """Return the newest captured_at of every document of a plan, by (ledger name, document name)."""
    found = connection.execute(
        f"SELECT transform, document, captured_at FROM {OWN_SCHEMA}.documents WHERE transform = ANY(%s)",
        (list(names_seen(plan)),),
    )
    return {(name, document): captured_at for name, document, captured_at in found}
