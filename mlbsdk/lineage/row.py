"""Where one stored row came from: its capture, its run, its rules, and the place of each value; no Spark is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from mlbsdk.errors import ConfigurationError, MlbsdkError, SourceError, redact
from mlbsdk.hookspecs import RowFinder
from mlbsdk.lineage.capture import CaptureFound, capture_of
from mlbsdk.lineage.graph import ColumnLineage, graph_of_plan
from mlbsdk.lineage.look import plan_of
from mlbsdk.lineage.place import Item, item_of, value_of
from mlbsdk.lineage.recorded import saved_run
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.plan import CAPTURED_AT, LINEAGE, Plan, Table
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import split_address
from mlbsdk.runtime.preparation import load_mapping, location_of
from mlbsdk.runtime.storage import Storages

#: Keys that are listed where several rows are meant.
MOST_KEYS = 20
#: Characters of the capture's JSON at the row's place that are kept.
_MOST_JSON = 20_000
#: Characters of one value that are kept of the capture.
_MOST_VALUE = 500


@dataclass(frozen=True)
class ValueFound:
    """A column of the row: its value, and where that came from."""

    column: str
    value: Any
    kind: str = "unknown"
    paths: tuple[str, ...] = ()
    """The JSON paths that it comes from, as the mapping has them."""
    text: str = ""
    """The SQL of an expression, or the field of the request."""
    place: str | None = None
    """The one place of this capture that it was read from, with positions; None where that is not known."""
    captured: Any = None
    """The value at that place."""


@dataclass(frozen=True)
class RuleAsked:
    """A rule that the row was asked."""

    name: str
    held: bool
    severity: str = ""
    asks: str = ""
    reason: str = ""


@dataclass(frozen=True)
class RowLineage:
    """Where a row came from."""

    table: str
    target: str
    key: dict[str, Any]
    run: dict[str, Any]
    """run_id, job and transformed_at; of a run whose report is there also status, source, started_at, duration_s."""
    capture: CaptureFound
    rules: tuple[RuleAsked, ...]
    values: tuple[ValueFound, ...]
    place: str | None = None
    """The place of the row's item in the capture; None where it was not found."""
    json_text: str | None = field(default=None, repr=False)
    """The JSON at that place; long text is cut."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data; the capture's documents are left out."""
        data = {name: value for name, value in asdict(self).items() if name not in ("json_text",)}
        data["capture"].pop("documents")
        return {"version": 1} | data | {"json": self.json_text}


@dataclass(frozen=True)
class KeysFound:
    """The keys of several rows that are meant."""

    table: str
    keys: tuple[dict[str, Any], ...]
    is_all: bool
    """Whether there are no more of them."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"version": 1, "table": self.table, "keys": list(self.keys), "is_all": self.is_all}


def row_lineage(
    table: str,
    key: Mapping[str, str],
    target: str = "delta:warehouse",
    *,
    mapping: str | None = None,
    source: str | None = None,
    plugins: Plugins | None = None,
    storages: Storages | None = None,
) -> RowLineage | KeysFound:
    """Return where a row came from; for a key that several rows have, their keys.

    Args:
        table: ``schema.table``.
        key: values of columns as text, by name: best all of the primary key.
        target: the address of the tables.
        mapping: the transform or mapping file whose table it is; by default the installed one that has it.
        source: where raw rows are; by default where the run read.
        plugins: the loaded plugins; by default those installed.
        storages: the storages with the user's settings; by default the environment's own.

    Raises:
        UnknownNameError: no plugin has such targets.
        ConfigurationError: the table has no such column, or its writer can't look up rows.
        SourceError: there is no such table, or no such row.
    """
    plugins = plugins or Plugins.load()
    storages = storages or Storages(plugins)
    if table.count(".") != 1 or not all(table.split(".")) or "/" in table or "\\" in table:
        raise ConfigurationError(f"'{table}' is no name of a table", fix="Write schema.table: game.live_game_plays.")
    plan = _plan_with(table, mapping, plugins)
    planned = plan.table(table) if plan is not None else None
    rows = _find(target, table, key, plugins, storages)
    if not rows:
        raise SourceError(
            f"'{table}' of '{redact(target)}' has no row with {_told(key)}",
            fix="Where a check refused it, 'mlbsdk quality report' shows it in the quarantine.",
        )
    names = planned.primary_key if planned is not None else tuple(key)
    if len(rows) > 1:
        if planned is None:
            names = tuple(name for name in rows[0] if name != LINEAGE)[:6]
        keys = tuple({name: plain(row.get(name)) for name in names} for row in rows[:MOST_KEYS])
        return KeysFound(table, keys, len(rows) <= MOST_KEYS)
    row = rows[0]
    stamp = _metadata(row)
    run = _run_of(stamp, target, storages)
    asked = source or run.get("source")
    addresses = [asked] if asked else []
    capture = capture_of(
        str(stamp.get("source_row_id") or ""),
        str(stamp.get("source_table") or ""),
        [*addresses, *([target] if location_of(target) is None and target not in addresses else [])],
        plugins,
        storages,
    )
    if capture.captured_at is None and isinstance(row.get(CAPTURED_AT), datetime):
        capture = replace(capture, captured_at=row[CAPTURED_AT].isoformat())
    item = _item(capture, plan, planned, row)
    return RowLineage(
        table=table,
        target=redact(target),
        key={name: plain(row.get(name)) for name in names},
        run=run,
        capture=capture,
        rules=_rules(stamp, planned),
        values=_values(row, plan, planned, item),
        place=None if item is None else item.path,
        json_text=None if item is None else _cut(json.dumps(item.chain[-1], indent=2, ensure_ascii=False), _MOST_JSON),
    )


def parsed_key(text: str) -> dict[str, str]:
    r"""Return a key as a person writes it, ``game_pk=747175,at_bat_index=0``; ``\,`` is a comma inside a value.

    Raises:
        ConfigurationError: it is none.
    """
    parts = [part.replace("\0", ",") for part in text.replace("\\,", "\0").split(",")]
    found: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or name.strip() in found:
            raise ConfigurationError(
                f"'{text}' is no key of a row", fix="Write NAME=VALUE, several with commas: game_pk=747175,side=home."
            )
        found[name.strip()] = value.strip()
    return found


def plain(value: Any) -> Any:
    """Return a stored value as JSON data."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _plan_with(table: str, mapping: str | None, plugins: Plugins) -> Plan | None:
    """Return the mapping that has the table; None where no installed one has it."""
    if mapping is not None:
        plan = plan_of(mapping, plugins)
        if table not in [one.name for one in plan.tables]:
            raise ConfigurationError(f"'{mapping}' has no table '{table}'")
        return plan
    for transform in plugins.transforms():
        try:
            plan = compile_mapping(load_mapping(transform))
        except MlbsdkError:  # another transform's fault says nothing of this row
            continue
        if table in [one.name for one in plan.tables]:
            return plan
    return None


def _find(
    target: str, table: str, key: Mapping[str, str], plugins: Plugins, storages: Storages
) -> Sequence[Mapping[str, Any]]:
    scheme, rest = split_address(target, "delta")
    declared = plugins.writer(scheme)
    writer = plugins.call(declared, declared.make, rest, storages.options(rest))
    if not isinstance(writer, RowFinder):
        raise ConfigurationError(
            f"rows of '{redact(target)}' can't be looked up: the writer of '{scheme}' in {plugins.origin(declared)} "
            "has no find_rows",
            fix="Name a target in Delta, Parquet, Avro or PostgreSQL.",
        )
    try:
        with plugins.running(declared, f"looking up a row of {table}"):
            return writer.find_rows(table, key, MOST_KEYS + 1)
    finally:
        close = getattr(writer, "close", None)
        if close is not None:
            plugins.call(declared, close)


def _metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return lineage_metadata: a struct, or JSON text where a store has none."""
    found = row.get(LINEAGE)
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            found = None
    return dict(found) if isinstance(found, Mapping) else {}


def _run_of(stamp: Mapping[str, Any], target: str, storages: Storages) -> dict[str, Any]:
    run = {
        "run_id": stamp.get("run_id"),
        "job": stamp.get("transform_job"),
        "transformed_at": plain(stamp.get("transform_timestamp")),
    }
    location = location_of(target)
    if location is None or not run["run_id"]:
        return run
    saved = saved_run(location, str(run["run_id"]), storages.of(location))
    if saved is None:
        return run
    started = saved.started_at.isoformat()
    told = {"status": saved.status, "source": saved.source, "started_at": started, "duration_s": saved.duration_s}
    return run | told


def _rules(stamp: Mapping[str, Any], table: Table | None) -> tuple[RuleAsked, ...]:
    """Return the rules that the row was asked, and other checks that it failed."""
    known = {rule.name: rule for rule in table.rules} if table is not None else {}
    failed = list(stamp.get("quality_checks_failed") or [])
    found = []
    for name in dict.fromkeys([*(stamp.get("quality_checks_run") or []), *failed]):
        rule = known.get(name)
        told = (rule.severity, rule.text or rule.sql, rule.reason) if rule is not None else ("", "", "")
        found.append(RuleAsked(str(name), name not in failed, *told))
    return tuple(found)


def _item(capture: CaptureFound, plan: Plan | None, table: Table | None, row: Mapping[str, Any]) -> Item | None:
    if plan is None or table is None:
        return None
    found = (item_of(document, plan, table, row) for document in capture.documents)
    return next((item for item in found if item is not None), None)


def _values(
    row: Mapping[str, Any], plan: Plan | None, table: Table | None, item: Item | None
) -> tuple[ValueFound, ...]:
    told: dict[str, ColumnLineage] = {}
    if plan is not None and table is not None:
        graph = graph_of_plan(plan).table(table.name)
        told = {column.name: column for column in graph.columns} if graph is not None else {}
    # In the mapping's order; then what only the store has.
    names = [*(name for name in told if name in row), *(name for name in row if name not in told and name != LINEAGE)]
    found = []
    for name in names:
        column = told.get(name)
        if column is None or plan is None or table is None:
            found.append(ValueFound(name, plain(row[name])))
            continue
        place = value_of(item, plan, table.column(name)) if item is not None else None
        found.append(
            ValueFound(
                name,
                plain(row[name]),
                column.kind,
                column.paths,
                column.text,
                None if place is None else place[0],
                None if place is None else _short(place[1]),
            )
        )
    return tuple(found)


def _short(value: Any) -> Any:
    return _cut(json.dumps(value, ensure_ascii=False), _MOST_VALUE) if isinstance(value, dict | list) else value


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def _told(key: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in key.items())
