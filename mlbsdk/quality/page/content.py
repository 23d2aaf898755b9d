"""What stands on the page of a run: figures put in the order in which a person asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlbsdk.quality.examples import MOST_CHARACTERS, shortened_value
from mlbsdk.quality.page.charts import Bar, Part, bars, share_bar, stacked
from mlbsdk.quality.page.saved import Asked, Example, SavedRun

if TYPE_CHECKING:
    from markupsafe import Markup

    from mlbsdk.quality.page.profiles import TableProfile

#: What a row can become, in the order of the stacked bars.
KINDS = {
    "inserted": "new in the store",
    "updated": "replaced a stored row",
    "unchanged": "equal to what is stored, or of an older capture",
    "deleted": "no longer in the newest capture of their document",
    "quarantined": "refused: in the quarantine table",
}
#: Earlier runs that the trend shows, with this one.
MOST_RUNS = 30
#: Example rows of a check that are shown.
_EXAMPLES = 5
_DRIFT = {"new_path": "new path", "vanished_path": "vanished path"}


@dataclass(frozen=True)
class Check:
    """A check of a table: what it asks, and what came of it."""

    table: str
    name: str
    asks: str
    severity: str
    reason: str
    checked: int
    failed: int
    examples: tuple[Example, ...] = ()

    @property
    def bar(self) -> Markup:
        """The share of rows that failed."""
        share = self.failed / self.checked if self.checked else (1.0 if self.failed else 0.0)
        return share_bar(share, f"{self.failed:,} of {self.checked:,} rows failed", self.severity)

    @property
    def columns(self) -> list[str]:
        """The columns that its examples show."""
        return list(dict.fromkeys(name for one in self.examples for name in one.values))


@dataclass(frozen=True)
class TableView:
    """A table: its figures, and every check of it."""

    name: str
    figures: dict[str, int]
    bar: Markup
    checks: tuple[Check, ...]
    built_in: tuple[tuple[str, int, str], ...]
    """(what is asked, of how many columns, which) of the checks of types, nulls and keys that all rows passed."""

    @property
    def failing(self) -> int:
        """How many of its checks failed."""
        return sum(1 for check in self.checks if check.failed)

    @property
    def count(self) -> int:
        """How many checks its rows went through."""
        return len(self.checks) + sum(count for _, count, _ in self.built_in)


@dataclass(frozen=True)
class Chart:
    """A figure over runs or batches."""

    title: str
    latest: str
    picture: Markup


@dataclass(frozen=True)
class Settled:
    """What has become of the rows that the run put in quarantine."""

    open: int = 0
    by_resolution: dict[str, int] = field(default_factory=dict)


def content(
    run: SavedRun,
    runs: Sequence[SavedRun],
    profiles: Iterable[TableProfile],
    quarantined: Iterable[Example],
    settled: Settled | None,
) -> dict[str, Any]:
    """Return what the template is filled with.

    Args:
        run: the run.
        runs: it and the runs before it, the oldest first.
        profiles: of its tables as they are stored now.
        quarantined: rows of the quarantine table that failed in this run.
        settled: what has become of its refused rows; None where the store was not asked.
    """
    examples = [*run.examples, *quarantined]
    tables = [_table(run, name, examples) for name in dict.fromkeys([*run.checks, *run.tables])]
    tables += [_table(run, name, examples) for name in sorted({rule.table for rule in run.quality} - _names(tables))]
    failing = sorted(
        (check for table in tables for check in table.checks if check.failed),
        key=lambda check: (check.severity != "error", -check.failed, check.table, check.name),
    )
    return {
        "run": run,
        "verdict": _verdict(run, failing),
        "headline": _headline(run, tables, failing),
        "tables": [table for table in tables if table.name in run.tables or table.checks or table.built_in],
        "failing": failing,
        "kinds": KINDS,
        "drift": [(_DRIFT[one.kind], one) for one in run.drift],
        "profiles": list(profiles),
        "settled": settled,
        "trend": _trend(runs) if len(runs) > 1 else [],
        "runs": list(reversed(runs)),
        "batches": _batches(run),
        "longest": MOST_CHARACTERS,
    }


def _names(tables: Iterable[TableView]) -> set[str]:
    return {table.name for table in tables}


def _verdict(run: SavedRun, failing: Sequence[Check]) -> tuple[str, str]:
    """Return (good, warn or bad; a sentence)."""
    errors = sum(1 for check in failing if check.severity == "error")
    refused = run.total("quarantined")
    if run.status == "failed":
        gate = any(f"[MLBSDK{code}]" in text for text in run.errors for code in ("302", "401", "403", "404"))
        return "bad", "The quality gate is closed: nothing was published." if gate else "The run failed."
    if run.status == "running":
        return "warn", "The run has not ended."
    if refused or run.documents.rejected or errors:
        captures = f" and {_many(run.documents.rejected, 'capture')}" if run.documents.rejected else ""
        return "warn", f"Published, without {_many(refused, 'row')}{captures} that were refused."
    if failing:
        return "warn", f"Published; {_many(len(failing), 'check')} of severity warning did not hold for every row."
    return "good", "Published: every row passed every check."


def _headline(run: SavedRun, tables: Sequence[TableView], failing: Sequence[Check]) -> dict[str, Any]:
    count = sum(table.count for table in tables)
    parts = [Part(kind, run.total(kind)) for kind in KINDS]
    whole = sum(part.count for part in parts)
    return {
        "checks": count,
        "passed": count - len(failing),
        "rows": run.total("rows") + run.total("quarantined"),
        "bar": stacked(parts, whole, "Rows of all tables"),
        "parts": parts,
    }


def _table(run: SavedRun, name: str, examples: Sequence[Example]) -> TableView:
    entry = run.tables.get(name)
    figures = {kind: int(getattr(entry, kind, 0)) for kind in ("rows", *KINDS)}
    checked = figures["rows"] + figures["quarantined"]
    parts = [Part(kind, figures[kind]) for kind in KINDS]
    asked = run.checks.get(name, Asked())
    # After what was refused is taken out, a table that is no part of the report has no rows to compare with.
    failed = {rule.rule: rule for rule in run.quality if rule.table == name}
    checks = [
        Check(
            name,
            rule.rule,
            rule.asks,
            rule.severity,
            rule.reason,
            checked,
            _failed(failed, rule.rule),
            _examples(examples, name, rule.rule),
        )
        for rule in asked.rules
    ]
    known = {rule.rule for rule in asked.rules}
    checks += [
        Check(
            name,
            one.rule,
            _built_in_asks(one.rule, asked),
            one.severity,
            "",
            checked,
            one.failed,
            _examples(examples, name, one.rule),
        )
        for one in failed.values()
        if one.rule not in known
    ]
    checks.sort(key=lambda check: (-check.failed, check.name))
    bar = stacked(parts, sum(part.count for part in parts), name)
    return TableView(name, figures, bar, tuple(checks), _built_in(asked, set(failed)))


def _failed(failed: dict[str, Any], rule: str) -> int:
    return int(failed[rule].failed) if rule in failed else 0


def _built_in(asked: Asked, failed: set[str]) -> tuple[tuple[str, int, str], ...]:
    found = []
    for kind, words in (
        ("type", "values fit their type"),
        ("length", "texts are not too long"),
        ("not_null", "values are there"),
    ):
        columns = [column for column in getattr(asked, kind) if f"{kind}:{column}" not in failed]
        if columns:
            found.append((words, len(columns), ", ".join(columns)))
    if asked.unique and "unique:primary_key" not in failed:
        found.append(("the primary key is unique", 1, ", ".join(asked.unique)))
    return tuple(found)


def _built_in_asks(check: str, asked: Asked) -> str:
    kind, _, column = check.partition(":")
    known = {
        "type": f"values of {column} fit their type",
        "length": f"texts of {column} are not too long",
        "not_null": f"{column} has a value",
        "unique": f"no two rows have the same {', '.join(asked.unique) or 'primary key'}",
    }
    return known.get(kind, "a check of a quality engine")


def _examples(examples: Sequence[Example], table: str, check: str) -> tuple[Example, ...]:
    return tuple(one for one in examples if one.table == table and check in one.checks)[:_EXAMPLES]


# Trend


def _trend(runs: Sequence[SavedRun]) -> list[Chart]:
    last = runs[-1]

    def chart(title: str, values: list[float], shown: str, unit: str = "") -> Chart:
        found = [
            Bar(
                f"{run.started_at:%Y-%m-%d %H:%M}: {value:,.6g}{unit}, {run.status}",
                value,
                run is last,
                run.status == "failed",
            )
            for run, value in zip(runs, values, strict=True)
        ]
        return Chart(title, shown, bars(found, f"{title}, {len(runs)} runs, the last {shown}"))

    rows = [float(run.total("rows") + run.total("quarantined")) for run in runs]
    failed = [float(run.failed) for run in runs]
    refused = [float(run.total("quarantined")) for run in runs]
    seconds = [round(run.duration_s, 1) for run in runs]
    return [
        chart("Rows checked", rows, f"{rows[-1]:,.0f}"),
        chart("Failures", failed, f"{failed[-1]:,.0f}"),
        chart("Rows quarantined", refused, f"{refused[-1]:,.0f}"),
        chart("Duration", seconds, f"{seconds[-1]:,.1f} s", " s"),
    ]


def _batches(run: SavedRun) -> list[Chart]:
    history = run.stream.history if run.stream is not None else ()
    if not history:
        return []

    def chart(title: str, values: Sequence[float | None], unit: str = "") -> Chart:
        found = [
            Bar(
                f"batch {batch.batch}: " + ("not known" if value is None else f"{value:,.6g}{unit}"),
                value,
                is_bad=bool(batch.rejected or batch.quarantined),
            )
            for batch, value in zip(history, values, strict=True)
        ]
        last = values[-1]
        shown = "not known" if last is None else f"{last:,.6g}{unit}"
        return Chart(title, shown, bars(found, f"{title}, {len(history)} batches, the last {shown}"))

    return [
        chart("Rows", [float(batch.rows) for batch in history]),
        chart("Rows quarantined", [float(batch.quarantined) for batch in history]),
        chart("Seconds until visible", [batch.seconds for batch in history], " s"),
        chart("Lag behind the newest capture", [batch.lag_s for batch in history], " s"),
    ]


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def example_of(entry: dict[str, Any], values: dict[str, Any]) -> Example:
    """Return an entry of the quarantine table as an example; ``values`` are those of its row that are shown."""
    captured_at = entry["source_captured_at"]
    return Example(
        table=entry["table_name"],
        checks=tuple((entry["checks"] or "").split(",")),
        values={name: shortened_value(value) for name, value in values.items()},
        source_row_id=entry["source_row_id"],
        source_captured_at=None if captured_at is None else captured_at.isoformat(),
    )
