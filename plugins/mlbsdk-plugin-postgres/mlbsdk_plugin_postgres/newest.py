"""Rows chosen before Spark reads any: the newest capture of each document, or those that meet conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from mlbsdk.plugin import JsonNode, TransformMapping, document_key
from mlbsdk_plugin_postgres import capture_sql
from mlbsdk_plugin_postgres.raw_table import TEXT_PER_BYTE, RawTable

_EVERY = sql.SQL("true")


@dataclass(frozen=True)
class Chosen:
    """The ids of rows, rising, and the bytes of JSON text in them, roughly."""

    ids: tuple[str, ...]
    size: int


def can_choose(table: RawTable, mapping: TransformMapping) -> bool:
    """Whether older captures can be left unread.

    They can where no table keeps rows of older captures, the database sees what identifies a document, and rows can be
    told apart and say when they were captured.
    """
    if any(target.on_missing != "delete" for target in mapping.targets):
        return False
    places = document_key(mapping).values()
    return (
        table.identity is not None
        and table.has_moments
        and all(place is not None and capture_sql.can_see(table, place) for place in places)
    )


def rows(connection: psycopg.Connection, table: RawTable, conditions: Sequence[sql.Composable]) -> Chosen:
    """Return the rows that meet all conditions. The table has an identity.

    Raises:
        psycopg.Error: they can't be read.
    """
    query = sql.SQL("SELECT {id}::text, pg_column_size({data}) FROM {table} AS raw WHERE {where} ORDER BY {id}")
    found = connection.execute(
        query.format(id=_id(table), data=table.column("data"), table=table.identifier, where=all_of(conditions))
    ).fetchall()
    return _chosen(found)


def newest(
    connection: psycopg.Connection,
    table: RawTable,
    mapping: TransformMapping,
    tree: JsonNode,
    conditions: Sequence[sql.Composable],
) -> Chosen:
    """Return the newest capture of each document, and every row that can't be compared.

    Those are rows without a time of their own or without a key, and captures that parsing will refuse: they must not
    hide an older one, and are read to be told.

    Raises:
        psycopg.Error: they can't be read.
    """
    refused: list[str] = []
    while True:
        query = _newest_query(table, mapping, conditions, refused)
        found = connection.execute(query).fetchall()
        compared = [str(row[0]) for row in found if row[2]]
        misshaped = _misshaped(connection, table, tree, compared)
        if not misshaped:
            return _chosen(found)
        refused += misshaped


def all_of(conditions: Sequence[sql.Composable]) -> sql.Composable:
    """Return the conjunction of conditions."""
    return sql.SQL(" AND ").join(sql.SQL("({})").format(one) for one in conditions) if conditions else _EVERY


def among(table: RawTable, ids: Sequence[str], column: sql.Composable) -> sql.Composed:
    """Return whether a column is one of some ids."""
    assert table.identity is not None
    kind = sql.SQL(table.columns[table.identity])  # one of a few names, see raw_table
    return sql.SQL("{} = ANY ({}::{}[])").format(column, sql.Literal(list(ids)), kind)


def _newest_query(
    table: RawTable, mapping: TransformMapping, conditions: Sequence[sql.Composable], refused: Sequence[str]
) -> sql.Composed:
    places = [place for place in document_key(mapping).values() if place is not None]
    keys = [sql.Identifier(f"key_{number}") for number in range(len(places))]
    has_key = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(key) for key in keys)
    values = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(capture_sql.value(table, place), key)
        for place, key in zip(places, keys, strict=True)
    )
    sound = [
        sql.SQL("isfinite({})").format(table.column("captured_at")),
        capture_sql.is_acceptable(table, mapping),
        *([sql.SQL("NOT ({})").format(among(table, refused, _id(table)))] if refused else []),
    ]
    query = sql.SQL(
        "WITH candidates AS MATERIALIZED ("
        "SELECT {id} AS id, {captured_at} AS captured_at, pg_column_size({data}) AS size, "
        "{sound} AS is_sound, {values} "
        "FROM {table} AS raw WHERE {where}), "
        "judged AS (SELECT *, coalesce(is_sound AND {has_key}, false) AS is_compared FROM candidates) "
        "SELECT id::text, size, is_compared FROM ("
        "(SELECT DISTINCT ON ({keys}) id, size, is_compared FROM judged WHERE is_compared "
        "ORDER BY {keys}, captured_at DESC, id DESC) "
        "UNION ALL SELECT id, size, is_compared FROM judged WHERE NOT is_compared) AS chosen ORDER BY id"
    )
    return query.format(
        id=_id(table),
        captured_at=table.column("captured_at"),
        data=table.column("data"),
        sound=all_of(sound),
        values=values,
        table=table.identifier,
        where=all_of(conditions),
        has_key=has_key,
        keys=sql.SQL(", ").join(keys),
    )


def _misshaped(connection: psycopg.Connection, table: RawTable, tree: JsonNode, ids: Sequence[str]) -> list[str]:
    query = sql.SQL("SELECT {id}::text FROM {table} AS raw WHERE {among} AND NOT ({shaped})").format(
        id=_id(table),
        table=table.identifier,
        among=among(table, ids, _id(table)),
        shaped=capture_sql.is_shaped(table, tree),
    )
    return [str(row[0]) for row in connection.execute(query).fetchall()]


def _id(table: RawTable) -> sql.Composable:
    assert table.identity is not None
    return table.column(table.identity)


def _chosen(found: Sequence[tuple[object, ...]]) -> Chosen:
    stored = sum(size for _, size, *_ in found if isinstance(size, int))
    return Chosen(tuple(str(row[0]) for row in found), stored * TEXT_PER_BYTE)
