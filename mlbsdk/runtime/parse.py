"""Parse each document once: raw rows in, one struct of the mapped paths a document out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbsdk.mapping.plan import FromDocument, FromExpression, FromJson, FromRaw, Node, Plan
from mlbsdk.mapping.plan import Column as PlanColumn

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType, StructType

#: Columns of a parsed frame besides ``document`` (the struct) and ``document_columns`` (struct of key and inherited fields).
PARSED_COLUMNS = ("document_id", "row_id", "captured_at", "captured_from", "origin", "problem")
_ENVELOPE = ("endpoint", "method", "url", "status_code", "path_params", "query_params", "captured_at")
_CORRUPT = "_corrupt"
_RESPONSE = "response"


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


def parse(raw: DataFrame, plan: Plan) -> DataFrame:
    """Parse raw rows.

    Returns:
        One row a capture: ``document_id`` bigint (unique in the batch, rising in the order read), ``row_id``, ``captured_at``,
        ``captured_from`` (raw, document or file), ``origin``, ``problem`` (why it is no document of this mapping; null when it
        is), the raw columns ``endpoint, method, params, url, status_code``, ``document_columns`` and ``document``.
        Every leaf of ``document`` is text: types are applied, and failures seen, when tables are cut.
    """
    from pyspark.sql import functions as F

    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": _CORRUPT}
    parsed = raw.withColumn("p", F.from_json("data", envelope_schema(plan.document), options))
    parsed = parsed.select(
        F.monotonically_increasing_id().alias("document_id"),
        "row_id",
        F.coalesce("captured_at", F.to_timestamp("p.captured_at")).alias("captured_at"),
        F.coalesce("endpoint", "p.endpoint").alias("endpoint"),
        F.coalesce("method", "p.method").alias("method"),
        F.coalesce("params", _merged_params()).alias("params"),
        F.coalesce("url", "p.url").alias("url"),
        F.coalesce("status_code", F.col("p.status_code").cast("int")).alias("status_code"),
        "origin",
        "modified_at",
        _document(plan.document).alias("document"),
        F.col(f"p.{_CORRUPT}").isNotNull().alias("is_corrupt"),
        F.col("p").isNull().alias("is_empty"),
    )
    keyed = _with_document_columns(parsed, plan)
    return keyed.select(
        "document_id",
        "row_id",
        _captured_at(plan).alias("captured_at"),
        _captured_from(plan).alias("captured_from"),
        "origin",
        _problem(plan).alias("problem"),
        "endpoint",
        "method",
        "params",
        "url",
        "status_code",
        "document_columns",
        "document",
    )


def envelope_schema(document: Node) -> StructType:
    """Return the schema that reads a bare response and a pymlb-statsapi envelope alike, mapped paths only."""
    from pyspark.sql.types import StringType, StructField, StructType

    bare = spark_type(document)
    assert isinstance(bare, StructType)
    fields = {name: StructField(name, StringType()) for name in (*_ENVELOPE, _CORRUPT)}
    fields[_RESPONSE] = StructField(_RESPONSE, bare)
    fields |= {field.name: field for field in bare.fields}
    return StructType(list(fields.values()))


def spark_type(node: Node) -> DataType:
    """Return the Spark type that reads a node of the mapping's tree; leaves are text."""
    from pyspark.sql.types import ArrayType, MapType, StringType, StructField, StructType

    if node.kind == "leaf":
        return StringType()
    if node.kind == "object":
        return StructType([StructField(name, spark_type(child)) for name, child in node.fields.items()])
    assert node.item is not None
    item = spark_type(node.item)
    return ArrayType(item) if node.kind == "array" else MapType(StringType(), item)


def reach(start: Column, path: tuple[str | int, ...]) -> Column:
    """Return the value at a path of fields and array positions; null where any step is missing."""
    from pyspark.sql import functions as F

    for step in path:
        start = F.get(start, F.lit(step)) if isinstance(step, int) else start.getField(step)
    return start


def _document(document: Node) -> Column:
    from pyspark.sql import functions as F

    bare = F.struct(*(F.col("p").getField(name).alias(name) for name in document.fields))
    return F.coalesce(F.col(f"p.{_RESPONSE}"), bare)


def _merged_params() -> Column:
    """Return path and query parameters as one JSON object."""
    from pyspark.sql import functions as F

    def entries(name: str) -> Column:
        return F.coalesce(F.from_json(f"p.{name}", "map<string,string>"), F.create_map().cast("map<string,string>"))

    given = F.col("p.path_params").isNotNull() | F.col("p.query_params").isNotNull()
    # Path parameters identify the document, so they win over query parameters of the same name.
    query = F.map_filter(entries("query_params"), lambda name, _: ~F.array_contains(F.map_keys(entries("path_params")), name))
    return F.when(given, F.to_json(F.map_concat(entries("path_params"), query)))


def document_value(column: PlanColumn) -> Column:
    """Return the text (or, for expressions, the value) of a column of the document, before its type is applied."""
    from pyspark.sql import functions as F

    origin = column.origin
    if isinstance(origin, FromJson):
        return reach(F.col("document"), origin.path)
    if isinstance(origin, FromRaw):
        return raw_value(origin)
    assert isinstance(origin, FromExpression)
    return F.expr(origin.sql)


def raw_value(origin: FromRaw) -> Column:
    """Return a column of the raw row or one request parameter."""
    from pyspark.sql import functions as F

    if origin.parameter is None:
        return F.col(origin.column)
    return F.get_json_object("params", f"$['{origin.parameter}']")


def _with_document_columns(parsed: DataFrame, plan: Plan) -> DataFrame:
    from pyspark.sql import functions as F

    from mlbsdk.runtime.values import typed, usable

    frame = parsed
    for column in plan.document_columns:
        assert not isinstance(column.origin, FromDocument)
        is_expression = isinstance(column.origin, FromExpression)
        value = document_value(column)
        # Expressions read columns by their own names, so those stand beside the raw columns until the struct is made.
        frame = frame.withColumn(column.name, value.cast(column.type.spark) if is_expression else typed(usable(value, column), column.type))
    names = [column.name for column in plan.document_columns]
    return frame.withColumn("document_columns", F.struct(*names))


def _captured_at(plan: Plan) -> Column:
    from pyspark.sql import functions as F

    return F.coalesce(F.col("captured_at"), _time_in_document(plan), F.col("modified_at"))


def _captured_from(plan: Plan) -> Column:
    from pyspark.sql import functions as F

    return (
        F.when(F.col("captured_at").isNotNull(), "raw").when(_time_in_document(plan).isNotNull(), "document").otherwise("file")
    )


def _time_in_document(plan: Plan) -> Column:
    from pyspark.sql import functions as F

    if plan.captured_at is None:
        return F.lit(None).cast("timestamp")
    origin, pattern = plan.captured_at
    return F.try_to_timestamp(reach(F.col("document"), origin.path), F.lit(pattern))


def _problem(plan: Plan) -> Column:
    """Say why a capture is no document of this mapping; null when it is."""
    from pyspark.sql import functions as F

    keys = [F.col(f"document_columns.{name}") for name in plan.key]
    no_key = keys[0].isNull()
    for key in keys[1:]:
        no_key = no_key | key.isNull()
    where = ", ".join(_key_place(plan, name) for name in plan.key)
    ours = F.lit(comparable(plan.method))
    other = (F.lower("endpoint") != plan.endpoint.lower()) | (F.regexp_replace(F.lower("method"), "[^a-z0-9]", "") != ours)
    return (
        F.when(F.col("is_empty"), F.lit("it is empty"))
        .when(F.col("is_corrupt") & no_key, F.lit("it is not JSON, or is cut off"))
        .when(other, F.concat(F.lit("it is a response of "), "endpoint", F.lit("."), "method", F.lit(f", not of {plan.name}")))
        .when(F.col("is_corrupt"), F.lit("a part of it has another shape than the mapping says (an object or array where a value is, or the reverse)"))
        .when(no_key, F.lit(f"it has no {', '.join(plan.key)} at {where}: is it a response of {plan.name}?"))
        .when(_captured_at(plan).isNull(), F.lit("it has no capture time, and neither has its raw row"))
    )


def comparable(method: str) -> str:
    """Return a method's name without case and separators: liveGameV1 and live_game_v1 are one."""
    return "".join(char for char in method.lower() if char.isalnum())


def _key_place(plan: Plan, name: str) -> str:
    column = next(column for column in plan.document_columns if column.name == name)
    if isinstance(column.origin, FromRaw) and column.origin.parameter:
        return f"the request parameter {column.origin.parameter} (a bare response does not carry it: save the envelope)"
    return f"$.{column.source_path}" if column.source_path else name
