"""What all lakehouse targets share: their layout, a lock, and the ledger of captures.

The ledger is a small Delta table, ``TARGET/_mlbsdk/documents``, with the newest captured_at of every document. It is
written *before* the tables: after a crash an older capture is still refused, and the same capture, run again, completes
what was begun.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mlbsdk.errors import TargetUnwritableError
from mlbsdk.mapping.plan import Plan, Table
from mlbsdk.runtime.addresses import child, dataset_of, is_local, local_path
from mlbsdk.runtime.batch import Document

HOUSEKEEPING = "_mlbsdk"


@dataclass(frozen=True)
class Decisions:
    """Which documents of a batch are new to the target, which replace what is stored, and which are older than that."""

    new: tuple[Document, ...]
    replacing: tuple[Document, ...]
    stale: tuple[Document, ...]


class Lakehouse:
    """A target folder: ``TARGET/{schema}/{table}``, with mlbsdk's own files below ``TARGET/_mlbsdk``."""

    def __init__(self, address: str) -> None:
        self.root = str(local_path(address)) if is_local(address) else address.rstrip("/")
        self.is_local = is_local(address)

    def path(self, table: str) -> str:
        """Return a table's folder."""
        return child(self.root, *table.split("."))

    @property
    def housekeeping(self) -> str:
        """Where mlbsdk keeps what is not a table: ledger, lock, reports, lineage."""
        return child(self.root, HOUSEKEEPING)

    def dataset(self, table: str) -> tuple[str, str]:
        """Return a table's OpenLineage (namespace, name)."""
        return dataset_of(self.path(table))

    def check_writable(self) -> None:
        """Make the target folder and prove that it can be written.

        Raises:
            TargetUnwritableError: it can't.
        """
        if not self.is_local:
            return
        try:
            folder = Path(self.housekeeping)
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f"probe-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as problem:
            raise TargetUnwritableError(
                f"can't write to '{self.root}': {problem.strerror or problem}",
                fix="Choose another --target, or give this user the right to write there.",
            ) from problem

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the target alone among the processes of this machine; a killed process lets go by itself."""
        if not self.is_local:
            # An object store has no locks: Delta's own optimistic commits still keep each table whole.
            yield
            return
        import fcntl

        with (Path(self.housekeeping) / "lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


class Ledger:
    """The newest captured_at of every document in a target."""

    def __init__(self, house: Lakehouse, plan: Plan) -> None:
        self.path = child(house.housekeeping, "documents")
        self.transform = plan.name

    def decide(self, documents: Iterable[Document]) -> Decisions:
        """Compare a batch's documents with what the target has seen."""
        stored = self._stored()
        new: list[Document] = []
        replacing: list[Document] = []
        stale: list[Document] = []
        for document in documents:
            seen = stored.get(document_name(document.key))
            (new if seen is None else replacing if document.captured_at >= seen else stale).append(document)
        return Decisions(tuple(new), tuple(replacing), tuple(stale))

    def record(self, documents: Iterable[Document], run_id: str) -> None:
        """Note the captures that are about to be written."""
        import pyarrow as pa
        from deltalake import DeltaTable, write_deltalake

        rows = [
            {
                "transform": self.transform,
                "document": document_name(document.key),
                "captured_at": document.captured_at,
                "run_id": run_id,
                "recorded_at": datetime.now(timezone.utc),
            }
            for document in documents
        ]
        if not rows:
            return
        incoming = pa.Table.from_pylist(rows, schema=_LEDGER_SCHEMA())
        if not DeltaTable.is_deltatable(self.path):
            write_deltalake(self.path, incoming, description="Newest capture of every document.")
            return
        merge = DeltaTable(self.path).merge(
            incoming, "t.transform = s.transform AND t.document = s.document", source_alias="s", target_alias="t"
        )
        merge.when_matched_update_all("s.captured_at > t.captured_at").when_not_matched_insert_all().execute()

    def _stored(self) -> dict[str, datetime]:
        from deltalake import DeltaTable

        if not DeltaTable.is_deltatable(self.path):
            return {}
        table = DeltaTable(self.path).to_pyarrow_table(
            columns=["document", "captured_at"], filters=[("transform", "=", self.transform)]
        )
        return dict(zip(table["document"].to_pylist(), table["captured_at"].to_pylist(), strict=True))


def _LEDGER_SCHEMA() -> Any:
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    fields = [("transform", pa.string()), ("document", pa.string()), ("captured_at", moment), ("run_id", pa.string())]
    return pa.schema([*fields, ("recorded_at", moment)])


def document_name(key: tuple[Any, ...]) -> str:
    """Return a document's key as JSON text."""
    return json.dumps([value if isinstance(value, int | str | bool) or value is None else str(value) for value in key])


def sql_literal(value: Any) -> str:
    """Return a key value as a SQL literal that Spark and DataFusion both read."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.isoformat()}'"
    return "'" + str(value).replace("'", "''") + "'"


def documents_predicate(table: Table, documents: Iterable[Document], quote: str, prefix: str = "") -> str:
    """Return SQL that is true for the rows of these documents; ``quote`` is the engine's identifier quote."""
    names = [f"{prefix}{quote}{name}{quote}" for name in table.document_key]
    keys = [document.key for document in documents]
    if len(names) == 1:
        return f"{names[0]} IN ({', '.join(sql_literal(key[0]) for key in keys)})"
    one_by_one = (
        " AND ".join(f"{name} = {sql_literal(value)}" for name, value in zip(names, key, strict=True)) for key in keys
    )
    return "(" + " OR ".join(f"({one})" for one in one_by_one) + ")"
