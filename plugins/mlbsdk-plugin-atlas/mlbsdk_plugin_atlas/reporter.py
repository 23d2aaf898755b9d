"""The reporter: types once, then tables, columns and how they are made, then the process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlbsdk.plugin import LineageTable
from mlbsdk_plugin_atlas.server import AtlasServer, as_json
from mlbsdk_plugin_atlas.types import NAMES, TYPE_VERSION, Entities, type_definitions

#: Entities of one request: Atlas takes one as one transaction, and is slow.
_AT_ONCE = 200


class AtlasReporter:
    """Keeps a transform in Atlas as a process with its figures, and how every column is made.

    What does not change in a run, tables and columns, is sent with its first report only.
    """

    def __init__(self, server: AtlasServer, metadata_namespace: str) -> None:
        self.server = server
        self.entities = Entities(metadata_namespace)
        self._has_types = False
        self._sent: set[str] = set()

    def report_transform(
        self,
        source_table: LineageTable,
        target_tables: Sequence[LineageTable],
        job_id: str,
        metrics: Mapping[str, Any],
    ) -> None:
        """Tell Atlas of one run; everything is an upsert by qualifiedName, so that it may come again.

        Raises:
            LineageError: Atlas can't be reached, or refuses.
        """
        if not self._has_types:
            self._make_types()
            self._has_types = True
        process = self.entities.process(job_id, source_table, target_tables, metrics)
        tables = self.entities.tables(source_table, target_tables)
        columns = [one for table in (source_table, *target_tables) for one in self.entities.columns(table)]
        lineages = self.entities.column_lineages(job_id, source_table, target_tables)
        known = hashlib.sha256(as_json([tables, columns, lineages]).encode()).hexdigest()
        if known in self._sent:
            self.server.upsert([process])
            return
        # A reference by qualifiedName has to be there already, so each kind has requests of its own, in this order.
        for kind in (tables, [process], columns, lineages):
            for part in _parts(kind):
                self.server.upsert(part)
        self._sent.add(known)

    def _make_types(self) -> None:
        """Create the types that are missing, and bring older ones forward."""
        there = self.server.existing_types(NAMES)
        definitions = type_definitions()
        missing = _only(definitions, [name for name in NAMES if name not in there])
        if any(missing.values()) and not self.server.create_types(missing):
            # Another run was faster: what it has made is looked at again.
            there = self.server.existing_types(NAMES)
            rest = _only(definitions, [name for name in NAMES if name not in there])
            if any(rest.values()):
                self.server.create_types(rest)
        older = _only(definitions, [name for name, version in there.items() if _is_older(version)])
        if any(older.values()):
            self.server.update_types(older)


def _only(definitions: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {kind: [one for one in defined if one["name"] in names] for kind, defined in definitions.items()}


def _is_older(version: str) -> bool:
    """Whether a type's version is older than ours; a newer plugin's types stay as they are."""

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(".") if part.isdigit())

    return numbers(version) < numbers(TYPE_VERSION)


def _parts(entities: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for begin in range(0, len(entities), _AT_ONCE):
        yield entities[begin : begin + _AT_ONCE]
