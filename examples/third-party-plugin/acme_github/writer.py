"""The writer: every table in one file of JSON lines, a row a line."""

import json
import os
from decimal import Decimal
from pathlib import Path

from mlbsdk.plugin import CAPTURED_AT, TableWritten, TargetUnwritableError, WriteError

# Six digits, in UTC: what is equal is equal as text, and what is later is greater.
_AS_JSON = (
    """to_json(struct(*), map('ignoreNullFields', 'false', 'timestampFormat', "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"))"""
)


class JsonLinesWriter:
    """Keeps each table in FOLDER/SCHEMA.TABLE.jsonl. A file is replaced whole, so it should not be large."""

    def __init__(self, address):
        self.folder = Path(address).expanduser().resolve()

    def prepare(self):
        """Make the folder, and prove that files can be made in it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as problem:
            raise TargetUnwritableError(
                f"can't write to '{self.folder}': {problem.strerror or problem}", fix="Choose another --target."
            ) from problem

    def address_of(self, table):
        """Return the table's OpenLineage dataset."""
        return "file", str(self._path(table))

    def write(self, batch):
        """Write every table; each is replaced in one step."""
        return {name: self._write(rows) for name, rows in batch.tables.items()}

    def _path(self, table):
        return self.folder / f"{table}.jsonl"

    def _write(self, rows):
        table = rows.table
        stored = self._stored(table)
        inserted = updated = unchanged = 0
        for (line,) in rows.frame.selectExpr(_AS_JSON).toLocalIterator():
            row = _row(line)
            key = tuple(row[name] for name in table.primary_key)
            old = _row(stored[key]) if key in stored else None
            if old is None:
                inserted += 1
            elif row[CAPTURED_AT] < old[CAPTURED_AT] or all(
                old.get(name) == row[name] for name in table.compared_columns
            ):
                unchanged += 1
                continue
            else:
                updated += 1
            stored[key] = line
        if inserted or updated:
            self._replace(table, stored.values())
        return TableWritten(inserted, updated, unchanged)

    def _stored(self, table):
        """Return the lines of a table by primary key."""
        path = self._path(table.name)
        try:
            lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
            rows = [(_row(line), line) for line in lines if line]
            return {tuple(row[name] for name in table.primary_key): line for row, line in rows}
        except (OSError, ValueError, KeyError) as problem:
            raise WriteError(f"'{path}' can't be read as rows of {table.name}: {problem}") from problem

    def _replace(self, table, lines):
        path = self._path(table.name)
        draft = path.with_suffix(f".{os.getpid()}")
        try:
            draft.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            draft.replace(path)
        except OSError as problem:
            raise WriteError(f"'{path}' can't be written: {problem.strerror or problem}") from problem


def _row(line):
    # As exact decimals: a float would make equal amounts differ.
    return json.loads(line, parse_float=Decimal)
