"""The envelopes that captures come in, as Spark SQL: one parse reads a bare response and every envelope alike.

There are two. pymlb-statsapi's stored stubs, and ``mlbsdk fetch``, have all at the root beside ``response``; what
pymlb-statsapi 1.4 saves has ``metadata`` (``request`` and ``response``) beside ``data``.
"""

from __future__ import annotations

from collections.abc import Iterable

from mlbsdk.mapping.plan import Node
from mlbsdk.mapping.tree import ENVELOPE_VALUES
from mlbsdk.runtime.sql import let, literal, name, select

CORRUPT = "_corrupt"
_RESPONSE = "response"
_METADATA = "metadata"
_DATA = "data"
#: What the saved envelope calls an envelope's values.
_SAVED = {
    "endpoint": "request.endpoint_name",
    "method": "request.method_name",
    "path_params": "request.path_params",
    "query_params": "request.query_params",
    "url": "request.url",
    "captured_at": "request.timestamp",
    "status_code": "response.status_code",
}
_SAVED_DDL = (
    "request struct<endpoint_name:string,method_name:string,path_params:string,query_params:string,url:string,"
    "timestamp:string>, response struct<status_code:string>"
)


def with_parsed(raw: str, document: Node, *, values: Iterable[str] = ENVELOPE_VALUES, corrupt: bool = False) -> str:
    """Return the query that parses the ``data`` of raw rows, once.

    Args:
        raw: the name of a view of raw rows, or a query of them.
        document: the tree of what is read of the response.
        values: the values of the envelope that are read.
        corrupt: whether what is no JSON, or has another shape, is told from the rest.

    Returns:
        The columns of ``raw``, ``document_id`` bigint (unique, rising in the order read) and ``__parsed``, a struct of
        ``is_empty``, ``is_corrupt``, the values of the envelope as text, and ``document``.
    """
    wanted = tuple(values)
    fields = _fields(document, (*wanted, *([CORRUPT] if corrupt else [])))
    given = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": CORRUPT} if corrupt else {}
    if has_types(document):
        # The text of a capture says more of these than that they are no numbers.
        given["allowNonNumericNumbers"] = "false"
    listed = ", ".join(f"{literal(key)}, {literal(value)}" for key, value in given.items())
    options = f", map({listed})" if given else ""
    # A cast goes by position. The new names keep metadata apart from a document's own metaData: in JSON they are two,
    # and Spark can't tell them apart.
    renamed = ", ".join(f"{name(field)}: {kind}" for field, kind in _renamed(document, fields).items())
    found = f"cast(from_json(data, {literal(_ddl(fields))}{options}) AS struct<{renamed}>)"
    saved = f"from_json(__p.__{_METADATA}, {literal(_SAVED_DDL)})" if _may_be_saved(document) else _no_metadata()
    parts = {
        "is_empty": "__p IS NULL",
        "is_corrupt": f"__p.{CORRUPT} IS NOT NULL" if corrupt else "false",
        **{key: f"coalesce(__p.{name(key)}, __s.{_SAVED[key]})" for key in wanted},
        "document": _response(document),
    }
    struct = ", ".join(f"{literal(part)}, {value}" for part, value in parts.items())
    # All in one expression: each step of its own would copy the document, in every shape that it may have.
    parsed = let("__p", found, let("__s", saved, f"named_struct({struct})"))
    return select(["*", "monotonically_increasing_id() AS document_id", f"{parsed} AS __parsed"], raw)


def envelope_ddl(document: Node) -> str:
    """Return the schema that reads a bare response and every envelope alike, mapped paths only."""
    return _ddl(_fields(document, (*ENVELOPE_VALUES, CORRUPT)))


def spark_type(node: Node) -> str:
    """Return the Spark type that reads a node of the mapping's tree."""
    if node.kind == "leaf":
        return node.type
    if node.kind == "object":
        return "struct<" + ",".join(f"{name(field)}:{spark_type(child)}" for field, child in node.fields.items()) + ">"
    assert node.item is not None
    return f"array<{spark_type(node.item)}>" if node.kind == "array" else f"map<string,{spark_type(node.item)}>"


def has_types(node: Node) -> bool:
    """Whether a leaf in a node is parsed as something else than text."""
    inside = [*node.fields.values(), *([node.item] if node.item is not None else [])]
    return node.type != "string" or any(map(has_types, inside))


def envelope_value(key: str) -> str:
    """Return a value of the envelope, of :func:`with_parsed`, as text; null where there is none."""
    return f"__parsed.{name(key)}"


def _response(document: Node) -> str:
    """Return the response of a bare body and of an envelope alike."""
    if not document.fields:
        return "NULL"
    bare = ", ".join(f"{literal(field)}, __p.{name(field)}" for field in document.fields)
    response = f"coalesce(__p.{_RESPONSE}, named_struct({bare}))"
    if not _may_be_saved(document):
        return response
    return f"CASE WHEN __s.request IS NOT NULL THEN __p.__{_DATA} ELSE {response} END"


def _may_be_saved(document: Node) -> bool:
    """Whether a saved envelope can be told from a document: not where that has the envelope's own keys."""
    return not {_METADATA, _DATA} & set(document.fields)


def _fields(document: Node, values: Iterable[str]) -> dict[str, str]:
    """Return the types of the keys at the root, by their names in JSON."""
    fields = dict.fromkeys(values, "string")
    if document.fields:
        fields[_RESPONSE] = spark_type(document)
    if _may_be_saved(document):
        # As text, so that any bare response may have some metadata of another shape.
        fields[_METADATA] = "string"
        if document.fields:
            fields[_DATA] = spark_type(document)
    return fields | {field: spark_type(child) for field, child in document.fields.items()}


def _renamed(document: Node, fields: dict[str, str]) -> dict[str, str]:
    own = (_METADATA, _DATA) if _may_be_saved(document) else ()
    return {f"__{field}" if field in own else field: kind for field, kind in fields.items()}


def _ddl(fields: dict[str, str]) -> str:
    return ", ".join(f"{name(field)} {kind}" for field, kind in fields.items())


def _no_metadata() -> str:
    return f"from_json(cast(NULL AS string), {literal(_SAVED_DDL)})"
