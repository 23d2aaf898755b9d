"""What a raw row says of its capture, as SQL. Queries call the raw table ``raw``; texts are quoted, never formatted in.

The meaning is that of the core's parsing: a document is a bare response or in an envelope, and
what a raw column does not tell the envelope may.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from psycopg import sql

from mlbsdk.plugin import Condition, JsonNode, Place, TransformMapping, comparable
from mlbsdk_plugin_postgres.raw_table import RawTable

_NUMBER = r"^\s*[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?\s*$"


def can_see(table: RawTable, place: Place) -> bool:
    """Whether the database can be asked for the value there."""
    params = table.columns.get("params", "jsonb")
    return table.is_binary_json and (place.parameter is None or params == "jsonb")


def document(table: RawTable) -> sql.Composed:
    """Return the response, whether it is bare or in an envelope."""
    template = (
        "CASE WHEN jsonb_typeof({data} -> 'response') = 'object' THEN {data} -> 'response' "
        "WHEN jsonb_typeof({data} #> '{{metadata,request}}') = 'object' AND ({data} -> 'data') IS NOT NULL "
        "THEN {data} -> 'data' "
        "ELSE {data} END"
    )
    return sql.SQL(template).format(data=table.column("data"))


def value(table: RawTable, place: Place) -> sql.Composed:
    """Return the text at a place; null where there is none."""
    if place.parameter is None:
        steps = sql.Literal([str(step) for step in place.path])
        return sql.SQL("({}) #>> {}::text[]").format(document(table), steps)
    template = (
        "CASE WHEN {params} IS NOT NULL THEN {params} ->> {name} ELSE "
        "coalesce({data} -> 'path_params' ->> {name}, {data} -> 'query_params' ->> {name}, "
        "{data} #> '{{metadata,request,path_params}}' ->> {name}, "
        "{data} #> '{{metadata,request,query_params}}' ->> {name}) END"
    )
    params = table.column("params") if "params" in table.columns else sql.SQL("NULL::jsonb")
    return sql.SQL(template).format(params=params, data=table.column("data"), name=sql.Literal(place.parameter))


def meets(table: RawTable, condition: Condition) -> sql.Composed:
    """Return whether a capture meets a condition."""
    text, wanted = value(table, condition.place), sql.Literal(condition.value)
    if not condition.is_number:
        return sql.SQL("({}) = {}").format(text, wanted)
    # The CASE keeps PostgreSQL from casting what is no number.
    template = "CASE WHEN ({text}) ~ {number} THEN ({text})::numeric = {wanted}::numeric ELSE false END"
    return sql.SQL(template).format(text=text, number=sql.Literal(_NUMBER), wanted=wanted)


def is_acceptable(table: RawTable, mapping: TransformMapping) -> sql.Composed:
    """Return whether status, endpoint and method are those of the mapping, or not known."""
    template = (
        "coalesce({status} ~ '^2[0-9][0-9]$', true) AND coalesce(lower({endpoint}) = {wanted}, true) "
        "AND coalesce(regexp_replace(lower({method}), '[^a-z0-9]', '', 'g') = ANY ({wanted_methods}), true)"
    )
    return sql.SQL(template).format(
        status=_told(table, "status_code"),
        endpoint=_told(table, "endpoint"),
        method=_told(table, "method"),
        wanted=sql.Literal(mapping.source.endpoint.lower()),
        wanted_methods=sql.Literal([comparable(method) for method in mapping.methods]),
    )


def is_shaped(table: RawTable, tree: JsonNode) -> sql.Composed:
    """Return whether objects and arrays are where the mapping has them: parsing refuses other documents.

    One JSON path looks at all places, so that the document is read once.
    """
    wrong = " || ".join(
        f'exists({path}.type() ? (@ != "{_KINDS[node.kind]}" && @ != "null"))' for path, node in _inner(tree, "$")
    )
    template = (
        "coalesce(jsonb_typeof({data} -> 'response'), 'null') IN ('object', 'null') "
        "AND NOT jsonb_path_exists({document}, {path}::jsonpath)"
    )
    path = sql.Literal(f"lax $ ? ({wrong})")
    return sql.SQL(template).format(data=table.column("data"), document=document(table), path=path)


def columns(table: RawTable) -> sql.Composed:
    """Return the columns of a raw row, for Spark: ``captured_at`` is a moment or text, all else is text."""
    identity = next((key for key in ("row_id", "id") if key in table.columns), None)
    found = {
        "row_id": sql.SQL("{}::text").format(table.column(identity)) if identity else sql.SQL("NULL::text"),
        "captured_at": _moment(table),
        "data": sql.SQL("{}::text").format(table.column("data")),
    }
    for key in ("endpoint", "method", "params", "url", "status_code"):
        found[key] = sql.SQL("{}::text").format(table.column(key))
    return sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(expression, sql.Identifier(key)) for key, expression in found.items()
    )


#: Where the envelope that pymlb-statsapi 1.4 saves has what a raw row may tell.
_SAVED = {
    "status_code": ["metadata", "response", "status_code"],
    "endpoint": ["metadata", "request", "endpoint_name"],
    "method": ["metadata", "request", "method_name"],
}
_KINDS = {"object": "object", "map": "object", "array": "array"}


def _inner(node: JsonNode, path: str) -> Iterator[tuple[str, JsonNode]]:
    """Give every place that holds an object or array, as a JSON path."""
    if node.kind == "leaf":
        return
    yield path, node
    for name, child in node.fields.items():
        yield from _inner(child, f"{path}.{json.dumps(name)}")
    if node.item is not None:
        yield from _inner(node.item, path + ("[*]" if node.kind == "array" else ".*"))


def _told(table: RawTable, key: str) -> sql.Composed:
    """Return what the raw row says, else what the document itself says."""
    template = "coalesce({column}::text, {data} ->> {key}, {data} #>> {saved}::text[])"
    return sql.SQL(template).format(
        column=table.column(key), data=table.column("data"), key=sql.Literal(key), saved=sql.Literal(_SAVED[key])
    )


def _moment(table: RawTable) -> sql.Composed:
    """Return captured_at; one without a time zone is UTC."""
    kind = table.columns.get("captured_at")
    if kind in ("timestamp without time zone", "date"):
        return sql.SQL("{}::timestamp AT TIME ZONE 'UTC'").format(table.column("captured_at"))
    return sql.SQL("{}::{}").format(
        table.column("captured_at"),
        sql.SQL("timestamptz" if kind in (None, "timestamp with time zone") else "text"),
    )
