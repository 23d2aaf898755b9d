"""Raw rows: what every source gives and what parsing starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: The raw row: name and Spark type of each column.
RAW_SCHEMA = {
    "row_id": "string",
    "captured_at": "timestamp",
    "endpoint": "string",
    "method": "string",
    "params": "string",
    "url": "string",
    "status_code": "int",
    "data": "string",
    "origin": "string",
    "modified_at": "timestamp",
}


@dataclass(frozen=True)
class RawBatch:
    """Raw rows and what is known about them without reading them.

    ``frame`` has the columns of :data:`RAW_SCHEMA`: ``data`` is the JSON text of a response or of a pymlb-statsapi
    envelope; ``captured_at`` is null where only the document knows; ``origin`` is the file (null for tables) and
    ``modified_at`` its modification time, the last resort for captured_at.
    """

    frame: DataFrame
    dataset: tuple[str, str]
    """OpenLineage (namespace, name)."""
    files: tuple[str, ...] = ()
    """Files that must give at least one row each; those that give none could not be read."""
    size: int | None = None
    """Bytes of JSON text, roughly; None when not known."""
