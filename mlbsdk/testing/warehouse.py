"""A target for tests: tables as Parquet files in a temporary folder, which plain Arrow reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Warehouse:
    """A folder of tables. ``target`` is its address for a run."""

    folder: Path

    @property
    def target(self) -> str:
        """The address, as ``--target`` and ``RunRequest.target`` take it."""
        return f"parquet:{self.folder}"

    def tables(self) -> list[str]:
        """Return the names of the tables that were written, sorted."""
        found = (path for path in self.folder.glob("*/*") if path.is_dir() and any(path.rglob("*.parquet")))
        return sorted(
            f"{path.parent.name}.{path.name}" for path in found if not path.parent.name.startswith(("_", "."))
        )

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return all rows of ``schema.table``; none where it was never written.

        Dates that the table is partitioned by come as text, as they stand in the names of folders.
        """
        import pyarrow.dataset as ds

        folder = self.folder.joinpath(*table.split("."))
        files = sorted(map(str, folder.rglob("*.parquet")))
        if not files:
            return []
        partitions = ds.HivePartitioning.discover(infer_dictionary=False)
        found = ds.dataset(files, partitioning=partitions, partition_base_dir=str(folder))
        return list(found.to_table().to_pylist())
