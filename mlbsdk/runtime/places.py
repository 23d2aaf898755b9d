"""The places of a document that tables are cut from, each a column of its own: a table reads no more than its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlbsdk.mapping.plan import Table
from mlbsdk.runtime.cut import document_paths
from mlbsdk.runtime.sql import name, reach

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Places:
    """The places that some tables read, by path, with the column that each has."""

    columns: dict[Path, str]

    @classmethod
    def of(cls, tables: Iterable[Table]) -> Places:
        """Return what tables open at first, and the values that they read beside it."""
        found: dict[Path, None] = {}
        for table in tables:
            found |= dict.fromkeys(document_paths(table))
        return cls({path: f"__place_{number}" for number, path in enumerate(found)})

    def split(self) -> list[str]:
        """Return the columns, as SQL over what :func:`mlbsdk.runtime.parse.parse` returns."""
        return [f"{reach('document', path)} AS {name(column)}" for path, column in self.columns.items()]

    def reach(self, path: Path) -> str:
        """Return the SQL of one of the places."""
        return name(self.columns[path])
