"""Parse each document once: raw rows in, one struct of the mapped paths a document out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbsdk.mapping.paths import join
from mlbsdk.mapping.plan import RESCUED_FROM, Column, FromExpression, FromJson, FromRaw, Plan
from mlbsdk.runtime.cut import RunStamp
from mlbsdk.runtime.envelopes import envelope_value, with_parsed
from mlbsdk.runtime.method_names import comparable
from mlbsdk.runtime.rescued import with_rescued
from mlbsdk.runtime.sql import Over, literal, name, reach, select
from mlbsdk.runtime.values import expression, layers, misfit, raw_value, usable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class ParsedDocument:
    """One capture as parsing found it. ``key`` is None, with the reason in ``problem``, for a rejected one."""

    document_id: int
    row_id: str
    origin: str | None
    key: tuple[Any, ...] | None
    captured_at: datetime | None
    captured_from: str
    problem: str | None
    size: int
    """Bytes of its text."""


def parse(raw: DataFrame, plan: Plan, stamp: RunStamp, keep: tuple[str, ...] = ()) -> DataFrame:
    """Parse raw rows; ``keep`` are raw columns that are wanted besides, such as ``data``.

    Returns:
        One row a capture: ``document_id`` bigint (unique in the batch, rising in the order read), ``row_id``,
        ``captured_at``, ``captured_from`` (raw, document or file), ``origin``, ``problem`` (why it is no document of
        this mapping; null when it is), ``data_bytes`` (of its text), the raw columns ``endpoint, method, params, url,
        status_code``, ``run_id``, ``transformed_at``, ``document_columns`` (struct of the key and what child tables
        inherit) and ``document``.
        Every leaf of ``document`` is text, unless the plan has its type in JSON: types are applied, and failures seen,
        when tables are cut.
    """
    with Over(with_rescued(raw, plan)) as over:
        return over.run(query(plan, over.name, stamp, keep))


def parse_stamped(raw: DataFrame, plan: Plan) -> DataFrame:
    """Parse raw rows that carry the run in two more columns: ``run_id`` string, ``transformed_at`` timestamp."""
    with Over(with_rescued(raw, plan)) as over:
        return over.run(_query(plan, over.name, "run_id", "transformed_at"))


def query(plan: Plan, raw: str, stamp: RunStamp, keep: tuple[str, ...] = ()) -> str:
    """Return the query that parses raw rows, as :func:`with_rescued` returns them, by their view's name."""
    moment = literal(stamp.transformed_at.isoformat())
    return _query(plan, raw, literal(stamp.run_id), f"cast({moment} AS timestamp)", keep)


def _query(plan: Plan, raw: str, run_id: str, transformed_at: str, keep: tuple[str, ...] = ()) -> str:
    parsed = with_parsed(raw, plan.document, corrupt=True)
    kept = [*([] if plan.not_rescued is None else [RESCUED_FROM]), *keep]
    more = [f"{run_id} AS __run_id", f"{transformed_at} AS __transformed_at"]
    more += [f"{column} AS __{column}" for column in kept]
    opened = select([*_OPENED, *more, "__parsed.document AS __document"], parsed)
    columns = plan.document_columns
    texts = [column for column in columns if not isinstance(column.origin, FromExpression)]
    keyed = select(["*", *(f"{_typed(column)} AS {name(column.name)}" for column in texts)], opened)
    for layer in layers([column for column in columns if isinstance(column.origin, FromExpression)]):
        keyed = select(["*", *(f"{expression(column)} AS {name(column.name)}" for column in layer)], keyed)
    time = _time_in_document(plan)
    captured_at = f"coalesce(__captured_at, {time}, __modified_at)"
    struct = ", ".join(f"{literal(column.name)}, {name(column.name)}" for column in columns) or "'__none', 0"
    passed_on = [f"{name(f'__{column}')} AS {name(column)}" for column in ("row_id", "origin", *_PASSED_ON, *kept)]
    return select(
        [
            "document_id",
            *passed_on,
            f"{captured_at} AS captured_at",
            f"CASE WHEN __captured_at IS NOT NULL THEN 'raw' WHEN {time} IS NOT NULL THEN 'document' ELSE 'file' END"
            " AS captured_from",
            f"{_problem(plan, captured_at)} AS problem",
            "__data_bytes AS data_bytes",
            "__run_id AS run_id",
            "__transformed_at AS transformed_at",
            f"named_struct({struct}) AS document_columns",
            "__document AS document",
        ],
        keyed,
    )


def _merged_params() -> str:
    """Return path and query parameters as one JSON object; path parameters win, they identify the document."""

    def entries(field: str) -> str:
        none = "cast(map() AS map<string,string>)"
        return f"coalesce(from_json({envelope_value(field)}, 'map<string,string>'), {none})"

    query_only = (
        f"map_filter({entries('query_params')}, (k, v) -> NOT array_contains(map_keys({entries('path_params')}), k))"
    )
    given = f"coalesce({envelope_value('path_params')}, {envelope_value('query_params')}) IS NOT NULL"
    return f"CASE WHEN {given} THEN to_json(map_concat({entries('path_params')}, {query_only})) END"


_PASSED_ON = ("endpoint", "method", "params", "url", "status_code")
_OPENED = [
    "document_id",
    "row_id AS __row_id",
    f"coalesce(captured_at, to_timestamp({envelope_value('captured_at')})) AS __captured_at",
    f"coalesce(endpoint, {envelope_value('endpoint')}) AS __endpoint",
    f"coalesce(method, {envelope_value('method')}) AS __method",
    f"coalesce(params, {_merged_params()}) AS __params",
    f"coalesce(url, {envelope_value('url')}) AS __url",
    f"coalesce(status_code, cast({envelope_value('status_code')} AS int)) AS __status_code",
    "origin AS __origin",
    "modified_at AS __modified_at",
    "octet_length(data) AS __data_bytes",
    "__parsed.is_corrupt AS __is_corrupt",
    "__parsed.is_empty AS __is_empty",
]


def _typed(column: Column) -> str:
    """Return a document column's value; null where it does not fit its type: a key of 28.5 is not document 28."""
    origin = column.origin
    if isinstance(origin, FromRaw):
        text = usable(raw_value(origin, "__"), column)
    else:
        text = usable(reach("__document", origin.path if isinstance(origin, FromJson) else ()), column)
    value = f"cast({text} AS {column.type.spark})"
    return value if column.type.is_text else f"CASE WHEN NOT ({misfit(text, value, column.type)}) THEN {value} END"


def _time_in_document(plan: Plan) -> str:
    if plan.captured_at is None:
        return "cast(NULL AS timestamp)"
    origin, pattern = plan.captured_at
    return f"try_to_timestamp({reach('__document', origin.path)}, {literal(pattern)})"


def misread(plan: Plan) -> tuple[str, str]:
    """Return the problems of captures that Spark's parser refuses: no JSON, or another shape than was looked for."""
    shape = "a part of it has another shape than the mapping says (an object or array where a value is, or the reverse)"
    # With a key that could be read it is JSON; without one there is no telling.
    return "it is not JSON, or is cut off" + ("" if plan.key else f"; or {shape}"), shape


def _problem(plan: Plan, captured_at: str) -> str:
    """Say why a capture is no document of this mapping; null when it is."""
    no_key, missing = _no_key(plan) if plan.key else _no_items(plan)
    unread, shape = misread(plan)
    other = is_of_other("__endpoint", "__method", plan.endpoint, (plan.method, *plan.also_methods))
    return (
        "CASE WHEN __is_empty THEN 'it is empty' "
        f"WHEN __is_corrupt AND {no_key} THEN {literal(unread)} "
        # The body of an error is JSON too, and would pass for a document that lost all its rows.
        "WHEN NOT __status_code BETWEEN 200 AND 299 THEN concat('the API answered with status ', __status_code) "
        f"WHEN {other} THEN concat('it is a response of ', __endpoint, '.', __method, "
        f"{literal(f', not of {plan.name}')}) "
        f"WHEN __is_corrupt THEN {literal(shape)} "
        f"WHEN {no_key} THEN {literal(f'it has no {missing}: is it a response of {plan.name}?')} "
        f"WHEN {captured_at} IS NULL THEN 'it has no capture time, and neither has its raw row' END"
    )


def is_of_other(endpoint: str, method: str, own_endpoint: str, own_methods: Iterable[str]) -> str:
    """Return whether the endpoint and method of a capture are others than the mapping's; null where it has neither."""
    methods = ", ".join(literal(comparable(own)) for own in own_methods)
    return (
        f"lower({endpoint}) <> {literal(own_endpoint.lower())} "
        f"OR regexp_replace(lower({method}), '[^a-z0-9]', '') NOT IN ({methods})"
    )


def _no_key(plan: Plan) -> tuple[str, str]:
    """Return whether a capture lacks what identifies its document, and what that is."""
    where = ", ".join(_key_place(plan, key) for key in plan.key)
    lacks = " OR ".join(f"{name(key)} IS NULL" for key in plan.key)
    return f"({lacks})", f"{', '.join(plan.key)} at {where}"


def _no_items(plan: Plan) -> tuple[str, str]:
    """Return whether a capture without a key lacks all that the tables are cut from; an empty list is there."""
    lacks = " AND ".join(f"{reach('__document', place)} IS NULL" for place in plan.row_places)
    return f"({lacks})", " or ".join(join("$", place) for place in plan.row_places)


def _key_place(plan: Plan, key: str) -> str:
    column = next(column for column in plan.document_columns if column.name == key)
    if isinstance(column.origin, FromRaw) and column.origin.parameter:
        return f"the request parameter {column.origin.parameter} (a bare response does not carry it: save the envelope)"
    return f"$.{column.source_path}" if column.source_path else key
