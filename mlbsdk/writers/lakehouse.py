"""What all lakehouse targets share: their layout, a lock, and the ledger of captures.

The ledger is a small Delta table, ``TARGET/_mlbsdk/documents``, with the newest captured_at of every document. It is
written *before* the tables: after a crash an older capture is still refused, and the same capture, run again, completes
what was begun.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from mlbsdk.errors import ConfigurationError, SourceError, TargetUnwritableError, WriteError, shortened
from mlbsdk.hookspecs import Storage
from mlbsdk.mapping.plan import Plan, Table
from mlbsdk.runtime.addresses import child, dataset_of, is_local, local_path
from mlbsdk.runtime.batch import Decisions, Document, TableRows, decisions_by_table, names_seen
from mlbsdk.runtime.storage import read_text, storage_of

if TYPE_CHECKING:
    from deltalake import DeltaTable

HOUSEKEEPING = "_mlbsdk"
_UNUSABLE = re.compile(r"[\[\]|^\\]|%[0-9A-Fa-f]{2}")


class Lakehouse:
    """A target folder: ``TARGET/{schema}/{table}``, with mlbsdk's own files below ``TARGET/_mlbsdk``.

    Args:
        address: a path, local or with the scheme of a storage: ``s3a://bucket/warehouse``.
        storage: what keeps it; by default found by the address, with the environment's own settings.

    Raises:
        UnknownNameError: no plugin declares a storage of the address's scheme.
    """

    def __init__(self, address: str, storage: Storage | None = None) -> None:
        self.root = root_of(address)
        self.storage = storage or storage_of(self.root)
        self.is_local = self.storage.is_local

    @classmethod
    def of(cls, address: str, options: Mapping[str, object]) -> Lakehouse:
        """Return the target at an address with the ``storage`` among a writer's options, if there is one."""
        return cls(address, cast("Storage | None", options.get("storage")))

    def path(self, table: str) -> str:
        """Return a table's folder."""
        return child(self.root, *table.split("."))

    @property
    def housekeeping(self) -> str:
        """Where mlbsdk keeps what is not a table: ledger, lock, reports, lineage."""
        return child(self.root, HOUSEKEEPING)

    def table_names(self, format: str) -> tuple[str, ...]:
        """Return the names of the tables that are stored in a format, sorted.

        Raises:
            SourceError: there is nothing at the address.
            StorageError: its object store can't be reached, or refuses.
        """
        self.storage.check(self.root)
        if not self.storage.exists(self.root):
            raise SourceError(f"there is no target at '{self.root}'", fix="Run a transform into it first.")
        names = [".".join(folder) for folder in self._table_folders()]
        if format == "delta":
            return tuple(name for name in names if self.is_delta(self.path(name)))
        ending = f".{format}"
        return tuple(
            name for name in names if any(file.path.endswith(ending) for file in self.storage.files(self.path(name)))
        )

    def _table_folders(self) -> list[tuple[str, str]]:
        """Return (schema, table) of all folders that may be a table's, sorted."""
        from pyarrow.fs import FileSelector, FileType

        system, root = self.storage.arrow(self.root)

        def folders(path: str) -> list[str]:
            found = system.get_file_info(FileSelector(path))
            named = [one.base_name for one in found if one.type is FileType.Directory]
            return sorted(name for name in named if not name.startswith(("_", ".")))

        return [(schema, table) for schema in folders(root) for table in folders(child(root, schema))]

    def dataset(self, table: str) -> tuple[str, str]:
        """Return a table's OpenLineage (namespace, name)."""
        return dataset_of(self.path(table))

    # Delta tables, wherever they are

    def delta_options(self, path: str) -> dict[str, str] | None:
        """Return the ``storage_options`` with which delta-rs opens or writes a path; None for a local one."""
        return self.storage.delta_options(path) or None

    def is_delta(self, path: str) -> bool:
        """Return whether there is a Delta table at a path."""
        from deltalake import DeltaTable

        return bool(DeltaTable.is_deltatable(path, self.delta_options(path)))

    def open_delta(self, path: str) -> DeltaTable:
        """Open the Delta table at a path, as it is now."""
        from deltalake import DeltaTable

        return DeltaTable(path, storage_options=self.delta_options(path))

    def check_writable(self) -> None:
        """Make the target folder and prove that it can be written.

        Raises:
            TargetUnwritableError: it can't.
            StorageError: its object store can't be reached, or refuses.
        """
        odd = _UNUSABLE.search(self.root)
        if odd:
            # delta-rs 1.6 panics on the first four and takes %41 for A.
            raise TargetUnwritableError(
                f"tables can't be kept in '{self.root}': Delta can't use a path with '{odd[0]}'",
                fix="Choose another --target.",
            )
        try:
            self.storage.check(self.root)
            probe = child(self.housekeeping, f"probe-{os.getpid()}")
            self.storage.write(probe, b"")
            self.storage.delete([probe])
        except OSError as problem:
            raise TargetUnwritableError(
                f"can't write to '{self.root}': {problem.strerror or problem}",
                fix="Choose another --target, or give this user the right to write there.",
            ) from problem

    def claim(self, format: str) -> None:
        """Bind a target folder to one format: tables of two would share folders and ledger, and harm each other.

        Raises:
            ConfigurationError: it holds tables of another format.
        """
        marker = child(self.housekeeping, "format")
        try:
            held = read_text(self.storage, marker).strip()
        except FileNotFoundError:
            self.storage.write(marker, f"{format}\n".encode())
            held = read_text(self.storage, marker).strip()
        if held != format:
            raise ConfigurationError(
                f"'{self.root}' holds {held} tables, so it can't take {format} ones",
                fix=f"Choose another --target, or {held}:{self.root}.",
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[Callable[[], None]]:
        """Hold the target alone among all that write it with mlbsdk; a killed process lets go by itself.

        Gives a function that raises WriteError where the lock was lost: see :meth:`mlbsdk.hookspecs.Storage.locked`.
        """
        with self.storage.locked(child(self.housekeeping, "lock")) as still_held:
            yield still_held


def root_of(address: str) -> str:
    """Return the path of a target: absolute where it is local."""
    return str(local_path(address)) if is_local(address) else address.rstrip("/")


class Ledger:
    """The newest captured_at of every document in a target."""

    def __init__(self, house: Lakehouse, plan: Plan) -> None:
        self.house = house
        self.path = child(house.housekeeping, "documents")
        self.plan = plan

    def check(self, holds: Callable[[str], bool]) -> None:
        """Check that the ledger is there when tables are; ``holds`` says whether a table is.

        Without it every document would count as new, and its rows would be doubled.

        Raises:
            WriteError: it is missing.
        """
        if self.house.is_delta(self.path):
            return
        there = [table.name for table in self.plan.tables if holds(table.name)]
        if there:
            raise WriteError(
                f"the target has tables ({shortened(there, 3)}) but no ledger of their captures at '{self.path}'",
                fix="Restore the ledger's folder, or write to another --target.",
            )

    def decide(self, documents: Iterable[Document]) -> dict[str, Decisions]:
        """Compare a batch's documents with what the target has seen, table by table."""
        return decisions_by_table(self.plan, documents, self.newest())

    def record(self, documents: Iterable[Document], run_id: str) -> None:
        """Note the captures that are about to be written; those older than what is noted change nothing."""
        import pyarrow as pa
        from deltalake import write_deltalake

        rows = [
            {
                "transform": name,
                "document": document.name,
                "captured_at": document.captured_at,
                "run_id": run_id,
                "recorded_at": datetime.now(timezone.utc),
            }
            for name in self.plan.ledger_names
            for document in documents
        ]
        incoming = pa.Table.from_pylist(rows, schema=_LEDGER_SCHEMA())
        if not self.house.is_delta(self.path):
            options = self.house.delta_options(self.path)
            write_deltalake(
                self.path, incoming, description="Newest capture of every document.", storage_options=options
            )
            return
        if not rows:
            return
        merge = self.house.open_delta(self.path).merge(
            incoming, "t.transform = s.transform AND t.document = s.document", source_alias="s", target_alias="t"
        )
        merge.when_matched_update_all("s.captured_at > t.captured_at").when_not_matched_insert_all().execute()

    def newest(self) -> dict[tuple[str, str], datetime]:
        """Return the newest captured_at seen for the plan's tables, by (ledger name, document name)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.house.is_delta(self.path):
            return {}
        table = self.house.open_delta(self.path).to_pyarrow_table(columns=["transform", "document", "captured_at"])
        own = pc.is_in(table["transform"].cast(pa.string()), pa.array(names_seen(self.plan), pa.string()))
        table = table.filter(own)
        return {(row["transform"], row["document"]): row["captured_at"] for row in table.to_pylist()}


def _LEDGER_SCHEMA() -> Any:
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    fields = [("transform", pa.string()), ("document", pa.string()), ("captured_at", moment), ("run_id", pa.string())]
    return pa.schema([*fields, ("recorded_at", moment)])


def joining(rows: TableRows, decisions: Decisions) -> TableRows:
    """Return the rows that may join what is stored of their documents, to be merged by key.

    The caller holds the target, so that no newer capture comes in between.
    """
    table = replace(rows.table, on_missing="keep")
    if rows.arrow is not None:
        from mlbsdk.writers.changes import rows_of

        arrow = rows_of(rows.arrow, rows.table, decisions.replacing)
        return replace(rows, table=table, arrow=arrow, count=arrow.num_rows)
    predicate = documents_predicate(rows.table, decisions.replacing, "`") if decisions.replacing else "false"
    frame = rows.frame.where(predicate)
    return replace(rows, table=table, frame=frame, count=frame.count())


def storable(rows: TableRows) -> TableRows:
    """Return rows as stores keep them: an empty text in a partition column is null, as folders can't say it."""
    names = [name for name in rows.table.partition_by if rows.table.column(name).type.spark == "string"]
    if not names:
        return rows
    from pyspark.sql import functions as F

    arrow = rows.arrow
    if arrow is not None:
        import pyarrow.compute as pc

        for name in names:
            values = pc.if_else(pc.equal(arrow[name], ""), None, arrow[name])
            arrow = arrow.set_column(arrow.schema.get_field_index(name), arrow.schema.field(name), values)
        return replace(rows, arrow=arrow)
    return replace(rows, frame=rows.frame.withColumns({name: F.expr(f"nullif(`{name}`, '')") for name in names}))


def sql_literal(value: Any, quote: str) -> str:
    """Return a key value as a SQL literal; ``quote`` tells the engine: ` is Spark, " is DataFusion.

    DataFusion brings text to a column's type; Spark brings the column to text, so its literals are typed.
    """
    is_spark = quote == "`"
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime):
        kind = "TIMESTAMP " if value.tzinfo else "TIMESTAMP_NTZ "
        return f"{kind if is_spark else ''}'{value.isoformat()}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, Decimal):
        return f"{value:f}BD" if is_spark else f"'{value:f}'"
    # Spark reads \\ as the start of an escape, DataFusion as itself.
    text = str(value).replace("\\", "\\\\") if is_spark else str(value)
    return "'" + text.replace("'", "\\'" if is_spark else "''") + "'"


def documents_predicate(table: Table, documents: Iterable[Document], quote: str, prefix: str = "") -> str:
    """Return SQL that is true for the rows of these documents; ``quote`` is the engine's identifier quote."""
    *names, last = [f"{prefix}{quote}{name}{quote}" for name in table.document_key]
    if names and quote == "`":
        return _structs_predicate(table, list(documents), [*names, last])
    groups: dict[tuple[str, ...], list[str]] = {}
    for document in documents:
        *values, final = [sql_literal(value, quote) for value in document.key]
        groups.setdefault(tuple(values), []).append(final)
    one_by_one = [
        " AND ".join(
            [
                *(f"{name} = {value}" for name, value in zip(names, values, strict=True)),
                f"{last} IN ({', '.join(finals)})",
            ]
        )
        for values, finals in groups.items()
    ]
    return _any_of([f"({one})" for one in one_by_one])


def _structs_predicate(table: Table, documents: list[Document], names: list[str]) -> str:
    """Return the same for Spark and a key of several columns: one IN, since it plans a thousand ORs for minutes."""
    types = [table.column(name).type.spark for name in table.document_key]

    def struct(values: Iterable[str]) -> str:
        return "named_struct(" + ", ".join(f"'key{n}', {value}" for n, value in enumerate(values)) + ")"

    keys = [[sql_literal(value, "`") for value in document.key] for document in documents]
    wanted = [struct(f"CAST({value} AS {kind})" for value, kind in zip(key, types, strict=True)) for key in keys]
    # The first column once more and alone: by it Delta passes over files.
    first = ", ".join(dict.fromkeys(key[0] for key in keys))
    return f"({names[0]} IN ({first}) AND {struct(names)} IN ({', '.join(wanted)}))"


def _any_of(conditions: list[str]) -> str:
    """Join conditions by OR as a balanced tree: engines walk it by recursion, and a chain of 5000 ends the process."""
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    return f"({_any_of(conditions[:middle])} OR {_any_of(conditions[middle:])})"
