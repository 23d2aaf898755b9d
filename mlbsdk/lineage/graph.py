"""The graph from a raw capture to each column: of a compiled mapping, or of a run as its events and report tell.

Plain data: pages, terminal text and JSON are views of a :class:`LineageGraph`. No Spark is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from mlbsdk.mapping.paths import Every, join
from mlbsdk.mapping.plan import (
    LINEAGE,
    Column,
    FromDocument,
    FromExpression,
    FromItem,
    FromJson,
    FromRaw,
    Plan,
    Table,
)

if TYPE_CHECKING:
    from mlbsdk.quality.page.saved import SavedRun

Kind = Literal["value", "expression", "position", "key", "request", "unknown"]
#: What each kind of origin means to a person.
KINDS: Mapping[Kind, str] = {
    "value": "a value of the capture",
    "expression": "an expression",
    "position": "the position in an array",
    "key": "the key in an object",
    "request": "the request or the raw row",
    "unknown": "not recorded",
}
_LAST_ITEM = re.compile(r".*(?:\[\*\]|\.\*|\['[^]]*'\])")


@dataclass(frozen=True)
class ColumnLineage:
    """A column, and where its value comes from."""

    name: str
    type: str
    kind: Kind
    paths: tuple[str, ...] = ()
    """The JSON paths of the capture that it comes from, also through other columns."""
    text: str = ""
    """The SQL of an expression; of the request, which of its fields."""
    uses: tuple[str, ...] = ()
    """The columns of the same row that an expression reads."""
    description: str = ""
    is_key: bool = False
    is_nullable: bool = True
    rules: tuple[str, ...] = ()
    """The rules that look at it."""


@dataclass(frozen=True)
class RuleLineage:
    """A rule of a table; ``failed`` rows, None where no run tells."""

    name: str
    severity: str
    asks: str = ""
    reason: str = ""
    columns: tuple[str, ...] = ()
    failed: int | None = None


@dataclass(frozen=True)
class TableLineage:
    """A table with its columns in order."""

    name: str
    """``schema.table``."""
    description: str = ""
    place: str = ""
    """The path of which each item gives a row; empty for the document."""
    columns: tuple[ColumnLineage, ...] = ()
    rules: tuple[RuleLineage, ...] = ()
    dataset: tuple[str, str] | None = None
    """OpenLineage (namespace, name), where a run has written it."""
    state: str | None = None
    """The last event of its job: START, RUNNING, COMPLETE, FAIL or ABORT."""
    figures: Mapping[str, int] = field(default_factory=dict)
    """Rows by what became of them: rows, inserted, updated, unchanged, deleted, quarantined."""

    @property
    def failed(self) -> int:
        """Rules that failed."""
        return sum(bool(rule.failed) for rule in self.rules)


@dataclass(frozen=True)
class RunLineage:
    """The run that a graph tells of."""

    run_id: str
    state: str
    at: str
    """When its last event happened, ISO 8601, UTC."""
    mode: str = ""
    started_at: str = ""
    duration_s: float | None = None
    source: str = ""
    target: str = ""
    documents: Mapping[str, int] = field(default_factory=dict)
    """Captures: read, newest, rejected."""
    error: str = ""


@dataclass(frozen=True)
class LineageGraph:
    """What comes from where: one source, the transform, its tables."""

    transform: str
    description: str
    source: tuple[str, str]
    """OpenLineage (namespace, name) of the raw data; of a mapping, (empty, its raw table)."""
    tables: tuple[TableLineage, ...]
    run: RunLineage | None = None
    """None for a mapping."""

    @property
    def column_count(self) -> int:
        """Columns of all tables."""
        return sum(len(table.columns) for table in self.tables)

    @property
    def paths(self) -> tuple[str, ...]:
        """The JSON paths that any column comes from, in the order of tables and columns."""
        return tuple(dict.fromkeys(p for table in self.tables for column in table.columns for p in column.paths))

    def table(self, name: str) -> TableLineage | None:
        """Return the table of that name, with or without its schema."""
        return next((one for one in self.tables if name in (one.name, one.name.partition(".")[2])), None)

    def to_json(self) -> dict[str, Any]:
        """Return the graph as JSON data."""
        return asdict(self)


# Of a mapping


def graph_of_plan(plan: Plan) -> LineageGraph:
    """Return the graph of a compiled mapping, that need never have run."""
    tables = tuple(_table_of_plan(plan, table) for table in plan.tables)
    return LineageGraph(plan.name, plan.description, ("", plan.raw_table), tables)


def _table_of_plan(plan: Plan, table: Table) -> TableLineage:
    steps: list[Any] = []
    for level in table.levels:
        steps += [*level.path, Every(level.kind, level.branches)]
    rules = tuple(RuleLineage(r.name, r.severity, r.text or r.sql, r.reason, r.columns) for r in table.rules)
    columns = tuple(_column_of_plan(plan, table, column) for column in table.columns)
    return TableLineage(
        table.name, table.description, join("$", tuple(steps)).removeprefix("$").lstrip("."), columns, rules
    )


def _column_of_plan(plan: Plan, table: Table, column: Column) -> ColumnLineage:
    origin, siblings = column.origin, table.columns
    if isinstance(origin, FromDocument):
        siblings = plan.document_columns
        origin = next((one.origin for one in siblings if one.name == origin.name), origin)
    kind, text, uses = _told(origin)
    return ColumnLineage(
        name=column.name,
        type=str(column.type),
        kind=kind,
        paths=column_paths(plan, table, column),
        text=text,
        uses=uses,
        description=column.description,
        is_key=column.name in table.primary_key,
        is_nullable=column.nullable,
        rules=tuple(rule.name for rule in table.rules if column.name in rule.columns),
    )


def _told(origin: object) -> tuple[Kind, str, tuple[str, ...]]:
    """Return kind, text and the columns used."""
    if isinstance(origin, FromExpression):
        return "expression", origin.sql, origin.columns
    if isinstance(origin, FromItem):
        return ("position" if origin.what == "index" else "key"), "", ()
    if isinstance(origin, FromRaw):
        return "request", origin.column + (f" {origin.parameter}" if origin.parameter else ""), ()
    if isinstance(origin, FromJson):
        return "value", "the item before this one" if origin.previous else "", ()
    return "unknown", "", ()


def column_paths(plan: Plan, table: Table, column: Column) -> tuple[str, ...]:
    """Return the JSON paths that a column's value comes from, also those of the document's columns."""
    if column.source_path:
        return (column.source_path,)
    origin, siblings = column.origin, {one.name: one for one in table.columns}
    if isinstance(origin, FromDocument):
        siblings = {one.name: one for one in plan.document_columns}
        own = siblings.get(origin.name)
        if own is None:
            return ()
        if own.source_path:
            return (own.source_path,)
        origin = own.origin
    if not isinstance(origin, FromExpression):
        return ()
    used = [siblings[name] for name in origin.columns if name in siblings and siblings[name].name != column.name]
    return tuple(dict.fromkeys(path for one in used for path in column_paths(plan, table, one)))


# Of a run


def graph_of_run(
    events: Sequence[Mapping[str, Any]], saved: SavedRun | None = None, plan: Plan | None = None
) -> LineageGraph:
    """Return the graph of a run.

    Args:
        events: the last event of each of its jobs.
        saved: the report that the run saved; its figures and rules are added.
        plan: the mapping as it is now; what it knows more of columns is added where it agrees with the events.

    Raises:
        ValueError: there is no event of a transform.
    """
    whole = _whole(events)
    own = {_dataset(event["outputs"][0]): event for event in events if len(event.get("outputs", [])) == 1}
    states = {dataset: str(event["eventType"]) for dataset, event in own.items()}
    # The job of one table may say more of it than that of the whole run.
    outputs = [_merged(output, own.get(_dataset(output))) for output in whole["outputs"]]
    outputs = [output for output in outputs if "schema" in output["facets"]]
    assertions = _assertions(events)
    now = graph_of_plan(plan) if plan is not None else None
    tables = tuple(
        _table_of_run(output, states, assertions.get(_dataset(output), []), saved, now) for output in outputs
    )
    facets = whole["run"].get("facets", {})
    run = RunLineage(
        run_id=str(whole["run"]["runId"]),
        state=str(whole["eventType"]),
        at=str(whole["eventTime"]),
        mode=str(whole["job"].get("facets", {}).get("jobType", {}).get("processingType", "")).lower(),
        error=str(facets.get("errorMessage", {}).get("message", "")),
    )
    if saved is not None:
        run = replace(
            run,
            started_at=saved.started_at.isoformat().replace("+00:00", "Z"),
            duration_s=saved.duration_s,
            source=saved.source,
            target=saved.target,
            documents=asdict(saved.documents),
        )
    source = _dataset(whole["inputs"][0]) if whole.get("inputs") else ("", "")
    text = str(whole["job"].get("facets", {}).get("documentation", {}).get("description", ""))
    return LineageGraph(str(whole["job"]["name"]), text, source, tables, run)


def transform_of(events: Sequence[Mapping[str, Any]]) -> str:
    """Return the name of the transform whose run it was; raises as :func:`graph_of_run`."""
    return str(_whole(events)["job"]["name"])


def _whole(events: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the event of a transform's whole run: its job's name begins those of its tables' jobs.

    Of several transforms that ran together, the one that was told of last.
    """
    found = [event for event in events if event.get("outputs")]
    names = {str(event["job"]["name"]) for event in found}
    whole = [one for one in found if not any(str(one["job"]["name"]).startswith(f"{name}.") for name in names)]
    if not whole:
        raise ValueError("no event of the run has an output")
    return max(whole, key=lambda event: str(event["eventTime"]))


def _dataset(dataset: Mapping[str, Any]) -> tuple[str, str]:
    return str(dataset["namespace"]), str(dataset["name"])


def _merged(output: Mapping[str, Any], own: Mapping[str, Any] | None) -> dict[str, Any]:
    more = own["outputs"][0] if own is not None else {}
    return dict(output) | {part: {**output.get(part, {}), **more.get(part, {})} for part in ("facets", "outputFacets")}


def _assertions(events: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for event in events:
        for dataset in [*event.get("inputs", []), *event.get("outputs", [])]:
            for facets in ("facets", "inputFacets"):
                facet = dataset.get(facets, {}).get("dataQualityAssertions")
                if facet:
                    found[_dataset(dataset)] = list(facet["assertions"])
    return found


def table_name(dataset: tuple[str, str]) -> str:
    """Return ``schema.table`` of a dataset's name: of a path its last two folders, of a database's its last two words.

    Only mlbsdk's own names are read so: neither has a dot or slash of its own.
    """
    return ".".join(re.split(r"[/.]", dataset[1].rstrip("/"))[-2:])


def _table_of_run(
    output: Mapping[str, Any],
    states: Mapping[tuple[str, str], str],
    assertions: Sequence[Mapping[str, Any]],
    saved: SavedRun | None,
    now: LineageGraph | None,
) -> TableLineage:
    dataset, facets = _dataset(output), output["facets"]
    name = table_name(dataset)
    known = now.table(name) if now is not None else None
    lineage = facets.get("columnLineage", {}).get("fields", {})
    rules = _rules_of_run(name, assertions, saved, known)
    columns = tuple(
        _column_of_run(one, lineage.get(one["name"]), rules, known)
        for one in facets["schema"]["fields"]
        if one["name"] != LINEAGE
    )
    figures: dict[str, int] = {}
    if saved is not None and name in saved.tables:
        figures = asdict(saved.tables[name])
    elif "outputStatistics" in output.get("outputFacets", {}):
        figures = {"written": int(output["outputFacets"]["outputStatistics"].get("rowCount") or 0)}
    return TableLineage(
        name=name,
        description=str(facets.get("documentation", {}).get("description", "")),
        place=known.place if known is not None else _place(columns),
        columns=columns,
        rules=rules,
        dataset=dataset,
        state=states.get(dataset),
        figures=figures,
    )


def _rules_of_run(
    table: str,
    assertions: Sequence[Mapping[str, Any]],
    saved: SavedRun | None,
    known: TableLineage | None,
) -> tuple[RuleLineage, ...]:
    own = {rule.name: rule for rule in known.rules} if known is not None else {}
    if saved is not None and table in saved.checks:
        failed = {one.rule: one.failed for one in saved.quality if one.table == table}
        return tuple(
            RuleLineage(
                name=asked.rule,
                severity=asked.severity,
                asks=asked.asks,
                reason=asked.reason,
                columns=own[asked.rule].columns if asked.rule in own else (),
                failed=failed.get(asked.rule, 0) if saved.status == "completed" else failed.get(asked.rule),
            )
            for asked in saved.checks[table].rules
        )
    return tuple(
        RuleLineage(
            name=str(one["assertion"]),
            severity=str(one.get("severity") or ""),
            asks=str(one.get("content") or ""),
            reason=str(one.get("description") or ""),
            columns=_columns_of(one),
            failed=0 if one.get("success") else 1,
        )
        for one in assertions
    )


def _columns_of(assertion: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns that an assertion looks at: its own, or where it has several those of its parameters."""
    if assertion.get("column"):
        return (str(assertion["column"]),)
    columns = (assertion.get("params") or {}).get("columns")
    return tuple(map(str, columns)) if isinstance(columns, list) else ()


def _column_of_run(
    field: Mapping[str, Any],
    lineage: Mapping[str, Any] | None,
    rules: Sequence[RuleLineage],
    known: TableLineage | None,
) -> ColumnLineage:
    name, type_ = str(field["name"]), str(field.get("type") or "")
    inputs = (lineage or {}).get("inputFields", [])
    paths = tuple(dict.fromkeys(str(one["field"]) for one in inputs))
    own = next((one for one in known.columns if one.name == name), None) if known is not None else None
    about = tuple(rule.name for rule in rules if name in rule.columns)
    # The events' paths leave out what comes through the document's own columns.
    if own is not None and own.type == type_ and set(paths) <= set(own.paths):
        return replace(own, description=str(field.get("description") or own.description), rules=about or own.rules)
    is_expression = bool(lineage) and (lineage or {}).get("transformationType") == "TRANSFORMATION"
    kind: Kind = "expression" if is_expression else _kind_of(paths)
    text = str((lineage or {}).get("transformationDescription") or "") if is_expression else ""
    return ColumnLineage(name, type_, kind, paths, text, description=str(field.get("description") or ""), rules=about)


def _kind_of(paths: tuple[str, ...]) -> Kind:
    """Return what a path that is read as it stands gives: of one that leads to items, which of them it is."""
    if not paths:
        return "unknown"
    if paths[0].endswith("[*]"):
        return "position"
    return "key" if paths[0].endswith((".*", "']")) else "value"


def _place(columns: Iterable[ColumnLineage]) -> str:
    """Return the longest path of items that any column is below: what the table's rows are cut from, most likely."""
    found = (_LAST_ITEM.match(path) for column in columns if column.kind == "value" for path in column.paths)
    return max((match[0] for match in found if match), key=len, default="")
