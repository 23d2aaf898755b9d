"""Golden files: the rows that a test expects, committed as JSON, compared whole and written anew on demand."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Columns that differ from run to run.
RUN_COLUMNS = ("transform_timestamp", "lineage_metadata")
_SHOWN = 40


@dataclass(frozen=True)
class Golden:
    """Compares tables with JSON files of one folder.

    Args:
        folder: where the files are: ``golden`` beside the test.
        update: write the files instead of comparing, as ``pytest --mlbsdk-update-golden`` asks for.
    """

    folder: Path
    update: bool = False

    def check(
        self,
        name: str,
        tables: Mapping[str, Iterable[Mapping[str, Any]]],
        ignore: Iterable[str] = RUN_COLUMNS,
    ) -> None:
        """Compare rows with ``NAME.json``, whatever their order.

        Args:
            name: the file's name, without ending.
            tables: rows by table name.
            ignore: columns that are left out; by default those that tell of the run.

        Raises:
            AssertionError: they differ, or there is no such file; the message shows the difference.
        """
        if Path(name).name != name:
            raise ValueError(f"a golden file's name has no folder in it: '{name}'")
        path = self.folder / f"{name}.json"
        text = golden_text(tables, ignore)
        if self.update:
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        if not path.exists():
            raise AssertionError(f"there is no golden file {path}. Make it: pytest --mlbsdk-update-golden")
        wanted = path.read_text(encoding="utf-8")
        if text != wanted:
            raise AssertionError(
                f"the rows differ from {path}. If they are right: pytest --mlbsdk-update-golden\n"
                + _difference(wanted, text)
            )


def golden_text(tables: Mapping[str, Iterable[Mapping[str, Any]]], ignore: Iterable[str] = RUN_COLUMNS) -> str:
    """Return tables as the text of a golden file: a row a line, sorted; what JSON lacks is written as text."""
    ignored = set(ignore)
    lines = ["{"]
    for number, name in enumerate(sorted(tables), 1):
        rows = sorted(_json({key: row[key] for key in row if key not in ignored}) for row in tables[name])
        end = "," if number < len(tables) else ""
        body = ",\n".join(f"    {row}" for row in rows)
        lines += [f"  {_json(name)}: [\n{body}\n  ]{end}" if rows else f"  {_json(name)}: []{end}"]
    return "\n".join([*lines, "}", ""])


def _json(value: Any) -> str:
    return json.dumps(value, default=str, sort_keys=True, ensure_ascii=False)


def _difference(wanted: str, found: str) -> str:
    lines = list(difflib.unified_diff(wanted.splitlines(), found.splitlines(), "committed", "now", lineterm="", n=0))
    more = [f"... and {len(lines) - _SHOWN} lines more"] if len(lines) > _SHOWN else []
    return "\n".join([*lines[:_SHOWN], *more])
