"""The raw layer: which captures of a source are whose, and which of them go into the layer."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError, DocumentsRejectedError, SourceError, did_you_mean, shortened
from mlbsdk.hookspecs import Source, SourceDecl, TransformDecl
from mlbsdk.layers.dates import is_expired, oldest_kept
from mlbsdk.layers.raw_writer import Capture, RawWriter
from mlbsdk.layers.report import RawKindReport, RawReport
from mlbsdk.lineage.commands import Command, Step, step_of, table
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import LoadedMapping
from mlbsdk.mapping.plan import FromJson, Plan
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import child, dataset_of
from mlbsdk.runtime.cut import RunStamp
from mlbsdk.runtime.interpreting import interpreting
from mlbsdk.runtime.method_names import comparable
from mlbsdk.runtime.parse import parse
from mlbsdk.runtime.preparation import load_mapping, make_source
from mlbsdk.runtime.raw import RAW_SCHEMA, RawBatch
from mlbsdk.runtime.selection import Place, filter_place, tree_of
from mlbsdk.runtime.sql import Over, literal, reach, select
from mlbsdk.runtime.storage import Storages, path_of_uri
from mlbsdk.runtime.transformation import OnError, why_unreadable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mlbsdk.layers.model import RawLayer

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_OF_OTHERS = "it is a response of "
#: Rejected captures that a report names.
_MOST_NAMED = 20


@dataclass(frozen=True)
class Kind:
    """The captures of one transform, and how they are kept."""

    transform: TransformDecl
    mapping: LoadedMapping
    plan: Plan
    partition_by: tuple[str, ...]
    about: Place | None
    """Where a capture says of which day it is."""

    @property
    def name(self) -> str:
        """The transform's name, which is also that of the folder: ``endpoint.method``."""
        return self.plan.name

    def is_said_by(self, endpoint: str, method: str | None) -> bool:
        """Whether a capture that says its endpoint and method is one of these."""
        own = {comparable(one) for one in (self.plan.method, *self.plan.also_methods)}
        return endpoint.lower() == self.plan.endpoint.lower() and comparable(method or "") in own


@dataclass(frozen=True)
class OpenSource:
    """The source of captures, as one transform's mapping sees it."""

    kind: Kind
    declared: SourceDecl
    source: Source
    size: int | None


@dataclass
class _Row:
    """A row of a source: what it says it is, and who looked at it."""

    said: tuple[str, str | None] | None
    problems: dict[str, str] = field(default_factory=dict)
    taken: bool = False


@dataclass(frozen=True)
class _Found:
    """The captures of one kind, and the rows that hold them."""

    kind: Kind
    captures: list[Capture]
    rows: DataFrame
    expired: int
    from_file_time: int
    size: int | None
    dataset: tuple[str, str]
    """OpenLineage (namespace, name) of the rows."""


def kinds_of(transforms: Sequence[TransformDecl], layer: RawLayer) -> list[Kind]:
    """Return how the captures of transforms are kept.

    Raises:
        ConfigurationError: an override is of none of them.
        MappingError: a mapping is wrong.
    """
    names = [transform.name for transform in transforms]
    for name in layer.overrides:
        if name not in names:
            raise ConfigurationError(
                f"layers.raw.overrides: '{name}' is none of the export's transforms.{did_you_mean(name, names)}",
                fix=f"They are {shortened(names, 12)}.",
            )
    return [_kind(transform, layer) for transform in transforms]


def _kind(transform: TransformDecl, layer: RawLayer) -> Kind:
    loaded = load_mapping(transform)
    about = filter_place(loaded.mapping, "date")
    override = layer.overrides.get(transform.name)
    if override is not None:
        partition_by = override.partition_by
    elif layer.partition_by and about is not None and about.parameter is not None:
        partition_by = ["date"]  # it answers a request for a day, which is what it will be looked for by
    else:
        partition_by = layer.partition_by
    return Kind(transform, loaded, compile_mapping(loaded), tuple(partition_by), about)


def open_sources(
    kinds: Sequence[Kind], address: str, plugins: Plugins, storages: Storages, chosen: bool
) -> list[OpenSource]:
    """Open the source for each transform, before Java starts.

    Args:
        kinds: of the transforms.
        address: of the source.
        plugins: the loaded plugins.
        storages: of the export.
        chosen: whether the transforms were named; of those that were not, a source need not have the raw table.

    Raises:
        SourceError: there is nothing to read.
    """
    found, missing = [], []
    for kind in kinds:
        declared, source = make_source(plugins, address, kind.plan, storages=storages)
        try:
            found.append(OpenSource(kind, declared, source, plugins.call(declared, source.prepare)))
        except SourceError as problem:
            if chosen:
                raise
            missing.append(problem)
    if missing and not found:
        raise missing[0]
    return found


def export_raw(
    writer: RawWriter,
    layer: RawLayer,
    sources: Sequence[OpenSource],
    *,
    plugins: Plugins,
    spark: SparkSession,
    stamp: RunStamp,
    on_error: OnError,
    on: date,
    command: Command | None = None,
) -> RawReport:
    """Put the captures of a source into the raw layer; those that are there already change nothing.

    Raises:
        DocumentsRejectedError: a capture is no document of any of the transforms and the policy is ``fail``: nothing
            is added.
        ConfigurationError: captures are stored in other partitions.
        WriteError: captures can't be written.
    """
    writer.prepare()
    for one in sources:
        writer.check_partitions(one.kind.name, one.kind.partition_by)
    look = _Look(spark, stamp, oldest_kept(layer.retention_days, on))
    found = [finding for one in sources if (finding := look.at(one, plugins)) is not None]
    report = RawReport(folder=writer.own, oldest_kept=look.oldest)
    _tell_rows(look, report, len(sources))
    if report.rejected and on_error is OnError.FAIL:
        raise DocumentsRejectedError(
            f"{len(report.rejected)} captures can't be used: {shortened(report.rejected, 3)}.",
            fix="Nothing was exported; --on-error quarantine exports the others.",
        )
    for finding in found:
        name, captures = finding.kind.name, finding.captures
        if not captures and not finding.expired:
            continue
        kind = report.kinds[name] = RawKindReport(captures=len(captures), expired=finding.expired)
        if captures:
            with interpreting(spark, finding.size), step_of(command, _step(finding, writer)):
                added = writer.add(name, finding.kind.partition_by, captures, finding.rows, stamp.run_id)
            kind.added, kind.unchanged = added, len(captures) - added
        if finding.from_file_time:
            report.notes.append(
                f"{finding.from_file_time} captures of {name} carry no capture time: "
                "their file's modification time was taken"
            )
    return report


def _step(finding: _Found, writer: RawWriter) -> Step:
    """Return the job that adds captures of one kind, as lineage tells of it."""
    name = finding.kind.name
    columns = [(column, "raw") for column in RAW_SCHEMA]
    kept = dataset_of(child(writer.own, *name.split(".")))
    about = f"Keeps captures of {name} as they came."
    return Step(f"{name}.raw", "RAW", about, [table(finding.dataset, columns)], [table(kept, columns, about)])


class _Look:
    """Finds out whose the rows of a source are, reading no more often than it must."""

    def __init__(self, spark: SparkSession, stamp: RunStamp, oldest: date | None) -> None:
        self.spark = spark
        self.stamp = stamp
        self.oldest = oldest
        self.rows: dict[tuple[str, str], dict[str, _Row]] = {}
        """By dataset and row id."""
        self.unreadable: dict[str, str] = {}

    def at(self, one: OpenSource, plugins: Plugins) -> _Found | None:
        """Return the captures of one transform; None where the source was looked at before and has none."""
        with plugins.running(one.declared, "reading"):
            raw = one.source.read(self.spark, one.kind.mapping.mapping)
        before = self.rows.get(raw.dataset)
        if before is not None and not any(self._may_be(row, one.kind) for row in before.values()):
            return None
        parsed = _identified(raw, one.kind, self.stamp)
        columns = ["source_row_id", "origin", "problem", "said_endpoint", "said_method", "captured_from"]
        columns += ["unix_micros(captured_at) AS micros", "about", "row_id", "octet_length(data) AS size"]
        with interpreting(self.spark, raw.size):
            looked = parsed.selectExpr(*columns).collect()
        rows = self.rows.setdefault(raw.dataset, {})
        captures, expired, from_file = [], 0, 0
        for row in looked:
            said = (row["said_endpoint"], row["said_method"]) if row["said_endpoint"] is not None else None
            known = rows.setdefault(row["source_row_id"], _Row(said))
            if known.taken:
                continue
            if row["problem"] is not None:
                known.problems[one.kind.name] = row["problem"]
                continue
            known.taken = True
            partition = _partition(row["micros"], row["about"])
            values = {column: partition[column] for column in one.kind.partition_by}
            if is_expired(values, self.oldest):
                expired += 1
                continue
            from_file += row["captured_from"] == "file"
            captures.append(Capture(row["row_id"], tuple(values.values()), row["size"]))
        if before is None:
            seen = {path_of_uri(row["origin"]) for row in looked if row["origin"]}
            self.unreadable |= {file: why_unreadable(file) for file in sorted(set(raw.files) - seen)}
        good = parsed.where("problem IS NULL").select(*(f"`{name}`" for name in RAW_SCHEMA))
        return _Found(one.kind, captures, good, expired, from_file, raw.size, raw.dataset)

    def _may_be(self, row: _Row, kind: Kind) -> bool:
        return not row.taken and (row.said is None or kind.is_said_by(*row.said))


def _identified(raw: RawBatch, kind: Kind, stamp: RunStamp) -> DataFrame:
    """Return raw rows with their digest as ``row_id``, and what tells whose they are and where they go."""
    plan, about = _identity(kind.plan, kind.about), kind.about
    if about is None:
        day = "cast(NULL AS string)"
    elif about.parameter is not None:
        day = f"from_json(params, 'map<string,string>')[{literal(about.parameter)}]"
    else:
        day = reach("document", about.path)
    members = ("'endpoint', endpoint", "'method', method", "'params', params", "'at', unix_micros(captured_at)")
    what = f"to_json(named_struct({', '.join(members)}))"
    with Over(parse(raw.frame, plan, stamp, keep=("data",))) as over:
        named = select(
            [
                "row_id AS source_row_id",
                "endpoint AS said_endpoint",
                "method AS said_method",
                f"coalesce(endpoint, {literal(plan.endpoint)}) AS endpoint",
                f"coalesce(method, {literal(plan.method)}) AS method",
                *("captured_at", "captured_from", "params", "url", "status_code", "data", "origin"),
                "cast(NULL AS timestamp) AS modified_at",
                "problem",
                f"{day} AS about",
            ],
            over.name,
        )
        return over.run(select(["*", f"sha2(concat({what}, '\\n', data), 256) AS row_id"], named))


def _identity(plan: Plan, about: Place | None) -> Plan:
    """Return a plan that reads of a document no more than tells what it is."""
    paths = [column.origin.path for column in plan.document_columns if isinstance(column.origin, FromJson)]
    paths += [] if plan.captured_at is None else [plan.captured_at[0].path]
    paths += [] if plan.key else plan.row_places
    paths += [about.path] if about is not None and about.parameter is None else []
    if not paths or () in paths:
        return replace(plan, not_rescued=None)
    return replace(plan, document=tree_of(paths), not_rescued=None)


def _partition(micros: int, about: str | None) -> dict[str, str]:
    """Return the values of all partition columns of a capture."""
    captured = (_EPOCH + timedelta(microseconds=micros)).date()
    day = captured
    if about is not None:
        with contextlib.suppress(ValueError):
            day = date.fromisoformat(about)
    return {
        "year": f"{captured.year:04}",
        "month": f"{captured.month:02}",
        "day": f"{captured.day:02}",
        "date": day.isoformat(),
    }


def _tell_rows(look: _Look, report: RawReport, transforms: int) -> None:
    """Say of the rows that no transform took why."""
    report.read = sum(len(rows) for rows in look.rows.values()) + len(look.unreadable)
    report.rejected += [f"{file}: {reason}" for file, reason in look.unreadable.items()]
    for rows in look.rows.values():
        for name, row in rows.items():
            if row.taken:
                continue
            reasons = dict.fromkeys(reason for reason in row.problems.values() if not reason.startswith(_OF_OTHERS))
            if not reasons and row.said is not None:
                report.of_others += 1
            elif len(reasons) == 1:
                report.rejected.append(f"{path_of_uri(name)}: {next(iter(reasons))}")
            else:
                report.rejected.append(f"{path_of_uri(name)}: it is a response of none of the {transforms} transforms")
