"""The types that reports need in Atlas, and the entities that a run is: pure functions, nothing is sent here.

Tables and columns are ``DataSet``, so that Atlas draws them; a transform and the lineage of a column are ``Process``.
The shapes are those of Atlas's own Hive model (addons/models/1000-Hadoop/1030-hive_model.json).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from mlbsdk.plugin import LineageColumn, LineageTable
from mlbsdk_plugin_atlas.server import SERVICE

#: Raised whenever a type gets another attribute: types of an older version are then brought forward.
TYPE_VERSION = "1.0"
TABLE, COLUMN, PROCESS, COLUMN_LINEAGE = "mlbsdk_table", "mlbsdk_column", "mlbsdk_process", "mlbsdk_column_lineage"
TABLE_COLUMNS, PROCESS_COLUMN_LINEAGES = "mlbsdk_table_columns", "mlbsdk_process_column_lineages"
NAMES = [TABLE, COLUMN, PROCESS, COLUMN_LINEAGE, TABLE_COLUMNS, PROCESS_COLUMN_LINEAGES]
#: Bytes of a text that Atlas's index takes.
_MOST_TEXT = 8000


def type_definitions() -> dict[str, Any]:
    """Return all types, as ``AtlasTypesDef``."""
    entities = [
        _entity(TABLE, "DataSet", "A table that mlbsdk writes, or the raw data that it reads.", _TABLE_ATTRIBUTES),
        _entity(COLUMN, "DataSet", "A column of a table, or a JSON path of raw data.", _COLUMN_ATTRIBUTES),
        _entity(PROCESS, "Process", "A transform, with the figures of its last run.", _PROCESS_ATTRIBUTES),
        _entity(COLUMN_LINEAGE, "Process", "How one column is made.", _LINEAGE_ATTRIBUTES),
    ]
    relationships = [
        _composition(TABLE_COLUMNS, (TABLE, "columns"), (COLUMN, "table")),
        _composition(PROCESS_COLUMN_LINEAGES, (PROCESS, "columnLineages"), (COLUMN_LINEAGE, "query")),
    ]
    empty: dict[str, Any] = {"enumDefs": [], "structDefs": [], "classificationDefs": [], "businessMetadataDefs": []}
    return empty | {"entityDefs": entities, "relationshipDefs": relationships}


_TABLE_ATTRIBUTES = {"namespace": "string", "dataset": "string", "kind": "string"}
_COLUMN_ATTRIBUTES = {"type": "string", "position": "int"}
_PROCESS_ATTRIBUTES = {
    "runId": "string",
    "state": "string",
    "mode": "string",
    "startTime": "date",
    "endTime": "date",
    "durationSeconds": "double",
    "capturesRead": "long",
    "capturesRejected": "long",
    "rowsByTable": "map<string,long>",
    "insertedByTable": "map<string,long>",
    "updatedByTable": "map<string,long>",
    "deletedByTable": "map<string,long>",
    "quarantinedByTable": "map<string,long>",
    "failedRules": "map<string,long>",
    "error": "string",
}
_LINEAGE_ATTRIBUTES = {"dependencyType": "string", "expression": "string"}


def _entity(name: str, above: str, description: str, attributes: Mapping[str, str]) -> dict[str, Any]:
    return {
        "category": "ENTITY",
        "name": name,
        "description": description,
        "superTypes": [above],
        "serviceType": SERVICE,
        "typeVersion": TYPE_VERSION,
        "attributeDefs": [_attribute(*one) for one in attributes.items()],
    }


def _attribute(name: str, type_name: str) -> dict[str, Any]:
    return {
        "name": name,
        "typeName": type_name,
        "cardinality": "SINGLE",
        "isIndexable": name in ("runId", "state", "type", "kind"),
        "isOptional": True,
        "isUnique": False,
        "valuesMinCount": 0,
        "valuesMaxCount": 1,
    }


def _composition(name: str, whole: tuple[str, str], part: tuple[str, str]) -> dict[str, Any]:
    return {
        "category": "RELATIONSHIP",
        "name": name,
        "serviceType": SERVICE,
        "typeVersion": TYPE_VERSION,
        "relationshipCategory": "COMPOSITION",
        "propagateTags": "NONE",
        "attributeDefs": [],
        "endDef1": {"type": whole[0], "name": whole[1], "isContainer": True, "cardinality": "SET"},
        "endDef2": {"type": part[0], "name": part[1], "isContainer": False, "cardinality": "SINGLE"},
    }


class Entities:
    """The entities of one report. Names end in ``@`` and Atlas's name for the cluster, as its own hooks' do."""

    def __init__(self, metadata_namespace: str) -> None:
        self.metadata_namespace = metadata_namespace

    def table_name(self, table: LineageTable) -> str:
        """Return a table's qualifiedName: where it is and its name there."""
        return f"{table.namespace}/{table.dataset.lstrip('/')}@{self.metadata_namespace}"

    def column_name(self, table: LineageTable, column: str) -> str:
        """Return a column's qualifiedName."""
        return f"{table.namespace}/{table.dataset.lstrip('/')}#{column}@{self.metadata_namespace}"

    def process_name(self, job_id: str, source: LineageTable) -> str:
        """Return a transform's qualifiedName: it is another process where it reads other raw data."""
        return f"{job_id}:{source.namespace}/{source.dataset.lstrip('/')}@{self.metadata_namespace}"

    def tables(self, source: LineageTable, targets: Sequence[LineageTable]) -> list[dict[str, Any]]:
        """Return the raw data and all tables."""
        kinds = [(source, "raw"), *((target, "table") for target in targets)]
        return [
            {
                "typeName": TABLE,
                "attributes": {
                    "qualifiedName": self.table_name(table),
                    "name": table.name,
                    "description": _text(table.description),
                    "namespace": table.namespace,
                    "dataset": table.dataset,
                    "kind": kind,
                },
            }
            for table, kind in kinds
        ]

    def columns(self, table: LineageTable) -> list[dict[str, Any]]:
        """Return a table's columns, each told of its table."""
        return [
            {
                "typeName": COLUMN,
                "attributes": {
                    "qualifiedName": self.column_name(table, column.name),
                    "name": column.name,
                    "description": _text(column.description),
                    "type": column.type,
                    "position": position,
                },
                "relationshipAttributes": {"table": _reference(TABLE, self.table_name(table))},
            }
            for position, column in enumerate(table.columns)
        ]

    def process(
        self, job_id: str, source: LineageTable, targets: Sequence[LineageTable], metrics: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the transform, with what its run says."""
        by_table: Mapping[str, Mapping[str, int]] = metrics.get("tables", {})
        documents = metrics.get("documents", {})
        ended = metrics.get("state") in ("COMPLETE", "FAIL", "ABORT")
        attributes: dict[str, Any] = {
            "qualifiedName": self.process_name(job_id, source),
            "name": job_id,
            "description": f"Transform {job_id} of mlbsdk.",
            "inputs": [_reference(TABLE, self.table_name(source))],
            "outputs": [_reference(TABLE, self.table_name(target)) for target in targets],
            "runId": metrics.get("run_id"),
            "state": metrics.get("state"),
            "mode": metrics.get("mode"),
            "startTime": _milliseconds(metrics.get("started_at")),
            "endTime": _milliseconds(metrics.get("at")) if ended else None,
            "durationSeconds": metrics.get("duration_s"),
            "capturesRead": documents.get("read", 0),
            "capturesRejected": documents.get("rejected", 0),
            "failedRules": {f"{one['table']}.{one['rule']}": int(one["failed"]) for one in metrics.get("quality", [])},
            "error": _text(str(metrics.get("error", ""))),
        }
        for figure in ("rows", "inserted", "updated", "deleted", "quarantined"):
            attributes[f"{figure}ByTable"] = {name: int(table.get(figure, 0)) for name, table in by_table.items()}
        return {"typeName": PROCESS, "attributes": attributes}

    def column_lineages(
        self, job_id: str, source: LineageTable, targets: Iterable[LineageTable]
    ) -> list[dict[str, Any]]:
        """Return how each column is made that comes from anything."""
        return [
            self._column_lineage(job_id, source, target, column)
            for target in targets
            for column in target.columns
            if column.sources
        ]

    def _column_lineage(
        self, job_id: str, source: LineageTable, target: LineageTable, column: LineageColumn
    ) -> dict[str, Any]:
        process = self.process_name(job_id, source)
        return {
            "typeName": COLUMN_LINEAGE,
            "attributes": {
                "qualifiedName": f"{target.name}.{column.name}:{process}",
                "name": f"{job_id}:{target.name}.{column.name}",
                "inputs": [_reference(COLUMN, self.column_name(source, path)) for path in column.sources],
                "outputs": [_reference(COLUMN, self.column_name(target, column.name))],
                # What Atlas's Hive model calls so: a value as it is, or one that is computed.
                "dependencyType": "EXPRESSION" if column.expression else "SIMPLE",
                "expression": _text(column.expression),
            },
            "relationshipAttributes": {"query": _reference(PROCESS, process)},
        }


def _reference(type_name: str, qualified_name: str) -> dict[str, Any]:
    return {"typeName": type_name, "uniqueAttributes": {"qualifiedName": qualified_name}}


def _text(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}..."


def _milliseconds(moment: object) -> int | None:
    """Return a time as Atlas keeps dates; it gives them as ISO 8601."""
    if not isinstance(moment, str) or not moment:
        return None
    found = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    return int(found.astimezone(timezone.utc).timestamp() * 1000)
