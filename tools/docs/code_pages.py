"""Pages made from the core's modules: errors, types, hooks."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from types import ModuleType

import markdown as md

from mlbsdk import errors as errors_module
from mlbsdk import hookspecs, report
from mlbsdk.errors import MlbsdkError
from mlbsdk.mapping import plan
from mlbsdk.mapping.expressions import FUNCTIONS
from mlbsdk.mapping.types import NAMES, ColumnType
from mlbsdk.runtime import batch, raw, raw_capture

_FAMILIES = {
    "1": "Plugins",
    "2": "Mappings and configuration",
    "3": "Reading",
    "4": "Quality",
    "5": "Writing",
    "6": "Environment",
    "7": "Lineage",
}
_EXIT = {1: "1, failed", 2: "2, usage or configuration", 3: "3, quality gate closed"}


def errors() -> str:
    """Return the page of all error codes."""
    parts = [
        md.head("Errors", "mlbsdk/errors.py"),
        "",
        "An error that a user can meet has a code that stays, says where and what, and how to mend it. "
        "`mlbsdk --debug` (or `MLBSDK_DEBUG=1`) shows the traceback as well. "
        "Passwords in addresses are shown as `***`.",
        "",
        "In Python every class below derives from `mlbsdk.MlbsdkError` and has `code`, `exit_code`, `message`, `where` "
        "and `fix`.",
        "",
    ]
    by_family: dict[str, list[type[MlbsdkError]]] = {}
    for kind in error_classes():
        by_family.setdefault(kind.code[6], []).append(kind)
    for family, title in _FAMILIES.items():
        rows = [
            [
                f'<span id="{kind.code.lower()}"></span>`{kind.code}`',
                md.code(kind.__name__),
                _meaning(kind),
                _EXIT[kind.exit_code],
            ]
            for kind in sorted(by_family.get(family, []), key=lambda kind: kind.code)
        ]
        parts += [f"## {title}", "", md.table(["code", "class", "meaning", "exit code"], rows), ""]
    return "\n".join(parts)


def error_classes() -> list[type[MlbsdkError]]:
    """Return every error class of the module, in its order."""
    found = [kind for _, kind in inspect.getmembers(errors_module, inspect.isclass) if issubclass(kind, MlbsdkError)]
    return sorted(found, key=lambda kind: inspect.getsourcelines(kind)[1])


def _meaning(kind: type[MlbsdkError]) -> str:
    text = md.from_docstring(inspect.getdoc(kind) or "")
    return "An unexpected error, or one without a code of its own. " + text if kind is MlbsdkError else text


_SAMPLES = {"VARCHAR": "VARCHAR(n)", "CHAR": "CHAR(n)", "NUMERIC": "NUMERIC(p,s)"}
_PARQUET = {
    "SMALLINT": "INT32 (INT_16); Delta `short`",
    "INT": "INT32; Delta `integer`",
    "BIGINT": "INT64; Delta `long`",
    "REAL": "FLOAT; Delta `float`",
    "DOUBLE": "DOUBLE; Delta `double`",
    "VARCHAR": "BYTE_ARRAY (UTF8); Delta `string`",
    "CHAR": "BYTE_ARRAY (UTF8); Delta `string`",
    "TEXT": "BYTE_ARRAY (UTF8); Delta `string`",
    "JSONB": "BYTE_ARRAY (UTF8), JSON text; Delta `string`",
    "BOOLEAN": "BOOLEAN; Delta `boolean`",
    "DATE": "INT32 (DATE); Delta `date`",
    "TIMESTAMP": "INT64 (TIMESTAMP_MICROS, not UTC); Delta `timestamp_ntz`",
    "TIMESTAMPTZ": "INT64 (TIMESTAMP_MICROS, UTC); Delta `timestamp`, which Spark writes as INT96",
    "NUMERIC": "DECIMAL(p,s); Delta `decimal(p,s)`",
}
_VALUES = {
    "SMALLINT": "-32,768 to 32,767. `95.0` fits, `95.7` does not.",
    "INT": "32 bits, signed.",
    "BIGINT": "64 bits, signed.",
    "REAL": "32-bit floating point.",
    "DOUBLE": "64-bit floating point.",
    "VARCHAR": "Text of at most n characters. Longer text fails the check `length:COLUMN`; it is never cut.",
    "CHAR": "As VARCHAR(n). No store but PostgreSQL pads it.",
    "TEXT": "Text of any length.",
    "BOOLEAN": "true or false.",
    "DATE": "A day.",
    "TIMESTAMP": "Date and time of day without a time zone, microseconds.",
    "TIMESTAMPTZ": "A moment, UTC, microseconds.",
    "JSONB": "An object or array, kept as its JSON text.",
    "NUMERIC": "Exact decimal: precision p of 1 to 38, s digits after the point; rounds half up to the scale.",
}


def types() -> str:
    """Return the page of all types."""
    rows = []
    for name in NAMES:
        sample = _SAMPLES.get(name, name)
        column = ColumnType.parse({"NUMERIC": "NUMERIC(5,2)"}.get(name, sample.replace("(n)", "(10)")))
        spark = column.spark.replace("(5,2)", "(p,s)")
        avro = _avro(column.avro).replace('"precision": 5, "scale": 2', '"precision": p, "scale": s')
        postgresql = column.postgresql.replace("(5,2)", "(p,s)").replace("(10)", "(n)")
        rows.append(
            [md.code(sample), md.code(spark), md.code(avro), _PARQUET[name], md.code(postgresql), _VALUES[name]]
        )
    aliases = "`INTEGER` is INT, `DECIMAL` NUMERIC, `STRING` TEXT, `FLOAT` REAL and `BOOL` BOOLEAN."
    return "\n".join(
        [
            md.head("Types", "mlbsdk/mapping/types.py or tools/docs/code_pages.py"),
            "",
            "A mapping's types have one meaning in every store. They are defined in `mlbsdk/mapping/types.py`.",
            "",
            md.table(["mapping", "Spark", "Avro", "Parquet and Delta", "PostgreSQL", "values"], rows),
            "",
            f"Other names are understood too: {aliases}",
            "",
            "The Avro column is what `mapping avro` prints; a column that may be null is a union with `null`. "
            "Avro *files* are written by Spark, which stores a decimal as `fixed` and makes every column a union with "
            "`null`.",
            "",
            "Parquet and Delta columns are all nullable in the file: that a "
            "value must be there is the check `not_null:COLUMN`, see [quality](quality.md).",
            "",
            "A value that does not fit its type is never nulled in silence: it fails the check `type:COLUMN`.",
            "",
        ]
    )


def _avro(kind: object) -> str:
    return kind if isinstance(kind, str) else json.dumps(kind)


def functions() -> str:
    """Return the page of all functions that a mapping may call."""
    by_letter: dict[str, list[str]] = {}
    for name in sorted(FUNCTIONS):
        by_letter.setdefault(name[0], []).append(md.code(name))
    return "\n".join(
        [
            md.head("Functions", "mlbsdk/mapping/expressions.py"),
            "",
            "What [expressions](mapping-language.md#expressions), filters and rules may call: "
            "functions of Spark SQL, with Spark's meaning. Any other is refused when the mapping is loaded; "
            "[decision 0005](decisions/0005-expressions.md) says why.",
            "",
            "\n\n".join(", ".join(names) for names in by_letter.values()),
            "",
        ]
    )


def hooks() -> str:
    """Return the hook reference: hooks with their records, then what records are made of."""
    classes = _classes(hookspecs)
    parts = [
        md.head("Hooks", "mlbsdk/hookspecs.py"),
        "",
        *md.from_docstring(inspect.getdoc(hookspecs) or "").splitlines()[2:],
        "",
        f"The version of this interface is {hookspecs.HOOKSPEC_VERSION} (`HOOKSPEC_VERSION`). "
        "[Writing a plugin](plugins.md) is the guide to it.",
        "",
    ]
    shown: set[str] = {"Hooks"}
    for hook in _functions(classes["Hooks"]):
        record = ast.unparse(hook.returns).partition("[")[2].rstrip("]") if hook.returns else ""
        shown.add(record)
        parts += [f"## `{hook.name}`", "", md.from_docstring(ast.get_docstring(hook) or ""), ""]
        parts += [f"Returns an iterable of `{record}`.", "", *_record(classes[record])]
    parts += ["## What records hold", ""]
    for name, node in classes.items():
        if name not in shown:
            parts += _protocol(node) if any(_functions(node)) else _record(node)
    parts += ["## What objects are given", "", _GIVEN, ""]
    for module, names in _PASSED.items():
        for name in names:
            parts += _record(_classes(module)[name], _MEANINGS.get(name, {}))
            parts += _raw_columns() if name == "RawBatch" else []
    return "\n".join(parts).rstrip() + "\n"


_GIVEN = (
    "Sources return these records, writers, quality engines and listeners are given them. A plugin imports `Batch`, "
    "`RawBatch`, `RunReport` and `TableWritten` from `mlbsdk.plugin`; the others it only reads."
)
_PASSED: dict[ModuleType, tuple[str, ...]] = {
    raw: ("RawBatch",),
    raw_capture: ("RawRequest", "RawCapture", "StoredCapture"),
    batch: ("Batch", "TableRows", "Document", "TableWritten"),
    plan: ("Plan", "Table", "Column"),
    report: ("RunReport", "TableReport", "RuleReport", "DriftReport", "DocumentsReport"),
}


_MEANINGS = {
    "RawBatch": {"frame": "The raw rows."},
    "RawRequest": {
        "endpoint": "As the API calls it.",
        "method": "As the API calls it.",
        "path_params": "Parameters in the path, by name.",
        "query_params": "Parameters after it, by name.",
    },
    "RawCapture": {
        "request": "What was asked for.",
        "captured_at": "When the response had come, UTC.",
        "url": "The whole address, without user and password.",
        "status_code": "The answer's HTTP status.",
        "body": "The response's JSON text, as it came.",
        "digest": "Of what the response says; a fetcher decides which parts count.",
        "etag": "The server's ETag, if it sent one.",
        "last_modified": "The server's Last-Modified, if it sent one.",
        "is_final": "Whether the document will not change any more, as far as its fetcher could tell.",
        "elapsed_ms": "How long the API took, in milliseconds.",
    },
    "StoredCapture": {
        "captured_at": "As in `RawCapture`.",
        "etag": "As in `RawCapture`.",
        "last_modified": "As in `RawCapture`.",
    },
    "Batch": {
        "spark": "The session.",
        "plan": "The compiled mapping.",
        "run_id": "The run; the same id stands in its report, its rows and its events.",
        "batch_id": "Number of the batch; 0 in batch mode. After a failure a batch comes again under the same number.",
        "documents": "The newest capture of each document.",
        "tables": "The rows by table name; with `quarantine` also those of `mlbsdk.quarantine`.",
    },
    "TableRows": {
        "table": "What the mapping says of the table.",
        "frame": "The rows on Spark.",
        "arrow": "The same rows in memory, or None.",
        "count": "Number of rows.",
    },
    "Document": {"key": "Values of the document's key fields, in order.", "captured_at": "When it was captured."},
    "TableWritten": {
        "inserted": "Rows whose key was not stored.",
        "updated": "Rows whose key was stored with other values.",
        "unchanged": "Incoming rows that changed nothing.",
        "deleted": "Stored rows that the newest capture no longer holds.",
    },
    "Plan": {
        "endpoint": "As in the mapping.",
        "method": "As in the mapping.",
        "raw_table": "As in the mapping.",
        "description": "As in the mapping.",
        "document": "The tree of JSON paths to parse.",
        "tables": "The tables, in the mapping's order.",
    },
    "Table": {
        "name": "`schema.table`.",
        "description": "As in the mapping.",
        "levels": "What gives the rows: arrays, maps and branches, from the outside in; empty for a root target.",
        "columns": "The columns in order.",
        "primary_key": "Columns that identify a row.",
        "partition_by": "Columns that a store partitions by.",
        "on_missing": "What happens to stored rows that the newest capture of their document lacks.",
        "filter": "Which items become rows.",
        "rules": "The data-quality rules.",
        "relationships": "References to other tables.",
        "indexes": "Indexes, for stores that have them.",
    },
    "Column": {
        "name": "The column.",
        "type": "Its type: `str(type)` as in the mapping, `type.spark`, `type.avro` and `type.postgresql`.",
        "nullable": "Whether the value may be missing.",
        "origin": "Where the value comes from.",
        "default": "Used where the value is missing or null.",
        "null_values": "Texts that mean null.",
        "description": "As in the mapping.",
    },
    "RunReport": {
        "run_id": "A UUID.",
        "transform": "The transform's name.",
        "source": "What was read.",
        "target": "What was written to.",
        "started_at": "When the run began, UTC.",
        "mode": "`batch` or `streaming`.",
        "duration_s": "Seconds in all.",
        "documents": "Captures.",
        "tables": "What happened, by table name.",
        "quality": "Checks that failed.",
        "errors": "What went wrong, and rejected captures with their reason.",
    },
    "TableReport": {
        "inserted": "As in `TableWritten`.",
        "updated": "As in `TableWritten`.",
        "deleted": "As in `TableWritten`.",
        "quarantined": "Rows that were refused.",
    },
    "RuleReport": {
        "table": "The table.",
        "rule": "The check: a rule's name, or `type:COLUMN` and the like.",
        "severity": "`error` or `warning`.",
        "failed": "Rows.",
    },
    "DriftReport": {"kind": "`new_path` or `vanished_path`.", "path": "From the document's root."},
    "DocumentsReport": {
        "read": "Captures read.",
        "newest": "Documents: the newest capture of each.",
        "rejected": "Captures that could not be used.",
    },
}


def _raw_columns() -> list[str]:
    rows = [[md.code(name), md.code(kind), _RAW_COLUMNS[name]] for name, kind in raw.RAW_SCHEMA.items()]
    head = "The columns of `frame`, which must all be there; only `row_id` and `data` must have values:"
    return [head, "", md.table(["column", "Spark type", "meaning"], rows), ""]


_RAW_COLUMNS = {
    "row_id": "Identifies the raw row; it becomes `source_row_id` in `lineage_metadata`.",
    "captured_at": "When the response was captured; null where only the document knows.",
    "endpoint": "StatsAPI endpoint; a row of another endpoint than the mapping's is rejected.",
    "method": "Method, compared without case and separators: `liveGameV1` is `live_game_v1`.",
    "params": "The request's parameters as a JSON object.",
    "url": "The request's address.",
    "status_code": "The answer's HTTP status.",
    "data": "The JSON text of a response, or of an envelope around it.",
    "origin": "The file that the row is from; null for tables.",
    "modified_at": "The file's modification time, the last resort for `captured_at`.",
}


def _classes(module: ModuleType) -> dict[str, ast.ClassDef]:
    tree = ast.parse(inspect.getsource(module))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def hook_names() -> list[str]:
    """Return the names of all hooks."""
    return [name for name in vars(hookspecs.Hooks) if name.startswith("mlbsdk_")]


def _record(node: ast.ClassDef, meanings: Mapping[str, str] | None = None) -> list[str]:
    """Return a record's fields; what a field's own docstring does not say is taken from ``meanings``."""
    known = _COMMON if meanings is None else meanings
    rows = []
    for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        has_doc = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        doc = str(following.value.value) if has_doc else known.get(statement.target.id, "")  # type: ignore[union-attr]
        default = _default(statement.value)
        rows.append(
            [md.code(statement.target.id), md.code(ast.unparse(statement.annotation)), default, md.from_docstring(doc)]
        )
    text = md.from_docstring(ast.get_docstring(node) or "").strip()
    return [f"### `{node.name}`", "", text, "", md.table(["field", "type", "default", "meaning"], rows), ""]


#: What fields mean that several records have and none describes.
_COMMON = {
    "name": "What a user asks for; text without spaces, and one plugin's alone.",
    "summary": "One line, shown by `mlbsdk plugins show`.",
    "make": "Called when a command needs the object; heavy imports belong in it.",
    "spark": "What the object needs of the Spark session.",
    "packages": "Maven coordinates, `group:artifact:version`.",
    "session": "Spark settings.",
}
_FACTORIES = {"dict": "`{}`", "list": "`[]`", "SparkRequirements": "nothing", "DocumentsReport": "zeros"}


def _default(value: ast.expr | None) -> str:
    if value is None:
        return "required"
    text = ast.unparse(value)
    factory = text.removeprefix("field(default_factory=").removesuffix(")")
    return _FACTORIES.get(factory, md.code(text))


def _protocol(node: ast.ClassDef) -> list[str]:
    parts = [f"### `{node.name}`", "", md.from_docstring(ast.get_docstring(node) or ""), ""]
    for function in _functions(node):
        arguments = ast.unparse(function.args).removeprefix("self, ").removeprefix("self")
        returns = ast.unparse(function.returns) if function.returns else "None"
        parts += [
            "```python",
            f"def {function.name}(self{', ' if arguments else ''}{arguments}) -> {returns}",
            "```",
            "",
        ]
        parts += [md.from_docstring(ast.get_docstring(function) or "").strip(), ""]
    return parts


def _functions(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    return (each for each in node.body if isinstance(each, ast.FunctionDef))
