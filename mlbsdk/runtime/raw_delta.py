"""A raw store in a Delta table, by delta-rs: appended to without Java, read by a source ``delta:``."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import RawSchemaError, TargetUnwritableError
from mlbsdk.runtime.addresses import local_path
from mlbsdk.runtime.raw_capture import FETCHED, RawCapture, RawRequest, StoredCapture
from mlbsdk.runtime.raw_folder import raw_row
from mlbsdk.runtime.storage import storage_in

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_REQUIRED = ("data", "captured_at")


class DeltaStore:
    """A raw table in Delta; a batch of captures is a commit, and there is all of it or nothing."""

    batch = 50

    def __init__(self, address: str, options: Mapping[str, object]) -> None:
        self._storage = storage_in(options)
        self._path = str(local_path(address)) if self._storage.is_local else address.rstrip("/")
        self._index: dict[str, tuple[StoredCapture, str]] | None = None

    def prepare(self) -> None:
        """Check the table, where there is one.

        Raises:
            RawSchemaError: it is a Delta table, but no raw table.
            TargetUnwritableError: the place can't be written.
        """
        from pathlib import Path

        self._storage.check(self._path)
        table = self._table()
        if table is not None:
            columns = {field.name for field in table.schema().fields}
            if not columns.issuperset(_REQUIRED):
                raise RawSchemaError(
                    f"'{self._path}' has no column {' or '.join(sorted(set(_REQUIRED) - columns))}: it is no raw table",
                    fix="Name a folder of its own.",
                )
            return
        if not self._storage.is_local:
            return  # a bucket has no folders to make; a first commit that is refused says so
        try:
            Path(self._path).mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise TargetUnwritableError(f"can't write to '{self._path}': {problem.strerror}") from problem

    def append(self, captures: Sequence[RawCapture]) -> None:
        """Append captures in one commit.

        Raises:
            TargetUnwritableError: the commit failed; nothing of it is there.
        """
        import pyarrow as pa
        from deltalake import write_deltalake
        from deltalake.exceptions import DeltaError

        if not captures:
            return
        known = self._known()
        rows = [raw_row(capture) for capture in captures]
        table = pa.Table.from_pylist(rows, schema=_schema())
        try:
            write_deltalake(self._path, table, mode="append", schema_mode="merge", storage_options=self._delta_options)
        except (DeltaError, OSError, ValueError) as problem:
            raise TargetUnwritableError(
                f"can't append captures to '{self._path}': {problem}",
                fix="Check the folder's permissions and the free space; what was stored before is there.",
            ) from problem
        for capture, row in zip(captures, rows, strict=True):
            _keep(known, capture.request.key, capture.stored, row["row_id"])

    def newest(self, requests: Collection[RawRequest]) -> Mapping[str, StoredCapture]:
        """Return what is known of the newest capture of each request, by the request's key."""
        known = self._known()
        return {request.key: known[request.key][0] for request in requests if request.key in known}

    def body(self, request: RawRequest) -> str | None:
        """Return the response of the newest capture of a request; None where there is none."""
        import pyarrow.compute as pc

        table = self._table()
        if table is None or request.key not in self._known():
            return None
        row_id = self._known()[request.key][1]
        found = table.to_pyarrow_dataset().to_table(columns=["data"], filter=pc.field("row_id") == row_id)
        return str(found["data"][0].as_py())

    def _known(self) -> dict[str, tuple[StoredCapture, str]]:
        if self._index is None:
            self._index = {}
            table = self._table()
            names = {field.name for field in table.schema().fields} if table else set()
            if table is not None and names >= {"row_id", FETCHED}:
                dataset = table.to_pyarrow_dataset()
                # Texts of responses are not read: Parquet keeps columns apart.
                for row in dataset.to_table(columns=["captured_at", "row_id", FETCHED]).to_pylist():
                    known = json.loads(row[FETCHED]) if row[FETCHED] else None
                    stored = StoredCapture.of(row["captured_at"], known)
                    if known is not None and stored is not None:
                        _keep(self._index, str(known["request"]), stored, row["row_id"])
        return self._index

    def _table(self) -> DeltaTable | None:
        from deltalake import DeltaTable

        if not DeltaTable.is_deltatable(self._path, self._delta_options):
            return None
        return DeltaTable(self._path, storage_options=self._delta_options)

    @property
    def _delta_options(self) -> dict[str, str] | None:
        # Asked for each time: credentials end, and are renewed.
        return self._storage.delta_options(self._path) or None


def _keep(index: dict[str, tuple[StoredCapture, str]], key: str, stored: StoredCapture, row_id: str) -> None:
    if key not in index or stored.captured_at >= index[key][0].captured_at:
        index[key] = (stored, row_id)


def _schema() -> pa.Schema:
    import pyarrow as pa

    text: Any = pa.string()
    fields: list[tuple[str, Any]] = [("row_id", text), ("captured_at", pa.timestamp("us", tz="UTC"))]
    fields += [(name, text) for name in ("endpoint", "method", "params", "url")]
    fields += [("status_code", pa.int32()), ("data", text), (FETCHED, text)]
    return pa.schema(fields)
