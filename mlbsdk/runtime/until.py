"""The condition that ends a stream: every document that it has seen satisfies it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError
from mlbsdk.mapping.expressions import ExpressionError, check_condition
from mlbsdk.mapping.plan import CAPTURED_AT, Plan
from mlbsdk.runtime.batch import Document, key_value
from mlbsdk.runtime.checkpoint import FORMAT, Checkpoint

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_FILE = "until.json"


class Until:
    """Watches the newest capture of each document for a condition over the columns of the first root table.

    What it has seen is kept in the checkpoint, so that a stream that is started again knows what had been met.

    Args:
        text: the condition, as Spark SQL: ``detailed_state = 'Final'``.
        plan: the compiled mapping.

    Raises:
        ConfigurationError: it is no condition over those columns.
    """

    def __init__(self, text: str, plan: Plan) -> None:
        root = next((table for table in plan.tables if plan.key and not table.levels), None)
        if root is None:
            raise ConfigurationError(f"--until needs a table with a row a document, and {plan.name} has none")
        try:
            self.sql = check_condition(text, {column.name: column.type for column in root.columns}).sql
        except ExpressionError as problem:
            raise ConfigurationError(
                f"--until {problem}", fix=f"It is a condition over the columns of {root.name}."
            ) from problem
        self.table = root
        #: By name, the captured_at of a document's newest capture, and whether that satisfies the condition.
        self.seen: dict[str, tuple[datetime, bool]] = {}

    @property
    def is_met(self) -> bool:
        """Whether a document was seen, and every one satisfies the condition."""
        return bool(self.seen) and all(satisfied for _, satisfied in self.seen.values())

    def load(self, checkpoint: Checkpoint) -> None:
        """Take up what a stream with this checkpoint and the same condition saw before.

        Raises:
            ConfigurationError: the checkpoint is damaged.
        """
        found = checkpoint.read(_FILE)
        if found is None or found.get("condition") != self.sql:
            return
        self.seen = {
            name: (datetime.fromisoformat(moment), satisfied)
            for name, (moment, satisfied) in found["documents"].items()
        }

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep what was seen."""
        documents = {name: (moment.isoformat(), satisfied) for name, (moment, satisfied) in self.seen.items()}
        checkpoint.write(_FILE, {"version": FORMAT, "condition": self.sql, "documents": documents})

    def judge(self, tables: Mapping[str, DataFrame], documents: Iterable[Document]) -> dict[str, tuple[datetime, bool]]:
        """Return what a batch's newest captures say, by document; :meth:`take` makes it count."""
        rows = self._rows(tables[self.table.name])
        found = {}
        for document in documents:
            verdicts = rows.get((document.name, document.captured_at), [])
            found[document.name] = (document.captured_at, bool(verdicts) and all(verdicts))
        return found

    def take(self, found: Mapping[str, tuple[datetime, bool]]) -> None:
        """Count what :meth:`judge` found, once the batch is in the store; older captures change nothing."""
        newer = {name: one for name, one in found.items() if name not in self.seen or one[0] >= self.seen[name][0]}
        # Another thread may be looking through what was seen: it gets a new dictionary, not a changing one.
        self.seen = self.seen | newer

    def _rows(self, table: DataFrame) -> dict[tuple[str, datetime], list[bool]]:
        """Return whether rows satisfy the condition, by document and capture: a few values for each document."""
        key = {name: self.table.column(name).type.name for name in self.table.document_key}
        condition = f"coalesce({self.sql}, false) AS __met"
        found: dict[tuple[str, datetime], list[bool]] = {}
        for row in table.selectExpr(*(f"`{name}`" for name in key), f"`{CAPTURED_AT}`", condition).collect():
            captured_at = row[CAPTURED_AT].astimezone(timezone.utc)
            document = Document(tuple(key_value(row[name], kind) for name, kind in key.items()), captured_at)
            found.setdefault((document.name, captured_at), []).append(row["__met"])
        return found
