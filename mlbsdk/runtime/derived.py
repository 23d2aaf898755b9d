"""Tables that are made from tables: built again only where their inputs have changed.

Every row of a derived table carries the fingerprint of what its group was made from: the documents of the group, and
for each the number of rows and the times of capture and transformation in every input. So the table itself says what it
is made from, in the same commit as its rows: there is no second record that a crash could leave behind or ahead. A
build compares the stored fingerprints with those of now, makes the groups that differ, and replaces their rows in one
commit; groups that are gone lose their rows; where nothing differs, nothing is written.
"""

from __future__ import annotations

import fnmatch
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import ConfigurationError, PluginFailedError, StoredSchemaError, did_you_mean
from mlbsdk.hookspecs import DerivedDecl, DerivedTable
from mlbsdk.lineage.context import JobRun, RunContext
from mlbsdk.mapping.plan import CAPTURED_AT, TRANSFORMED_AT
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import split_address
from mlbsdk.runtime.failures import told_in_a_sentence
from mlbsdk.runtime.interpreting import interpreting
from mlbsdk.runtime.preparation import DEFAULT_TARGET
from mlbsdk.runtime.session import session
from mlbsdk.runtime.storage import Storages
from mlbsdk.runtime.stored_tables import StoredTables
from mlbsdk.settings import LineageSettings
from mlbsdk.writers.lakehouse import Lakehouse, sql_literal

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import StructType

    from mlbsdk.lineage.events import Dataset

#: The column of each derived table that says what its group was made from.
FINGERPRINT = "inputs_fingerprint"
#: More groups than this are not named one by one: their partitions are made again whole.
_MOST_NAMED = 2000
#: Documents, counted once for each of their groups, up to which making code takes longer than it saves.
_FEW_DOCUMENTS = 5000
_PATTERN = frozenset("*?[")

Group = tuple[Any, ...]


@dataclass
class DerivedTableReport:
    """What became of one derived table."""

    groups: int = 0
    """Groups that its inputs have."""
    groups_built: int = 0
    """Those that were made again, or that are gone."""
    rows_written: int = 0
    rows_removed: int = 0
    """Rows of groups made again, or gone, that the table had before."""
    version: int | None = None
    """Of the Delta table, with the new rows; None where nothing was written."""
    optimized: bool = False
    """Whether its files were put in order afterwards."""
    figures: dict[str, Any] = field(default_factory=dict)
    """What the plugin counts in the whole table."""


@dataclass
class DerivedReport:
    """What one build did."""

    source: str
    target: str
    tables: dict[str, DerivedTableReport] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """Facts a person should know, such as an optional input that is not there."""
    duration_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the ``--json`` object, format version 1."""
        return {
            "version": 1,
            "status": "completed",
            "source": self.source,
            "target": self.target,
            "duration_s": round(self.duration_s, 3),
            "tables": {name: asdict(table) for name, table in self.tables.items()},
            "notes": self.notes,
        }


def build(
    names: str | Sequence[str],
    source: str = DEFAULT_TARGET,
    target: str = DEFAULT_TARGET,
    *,
    partition_by: Sequence[str] | None = None,
    z_order_by: Sequence[str] | None = None,
    plugins: Plugins | None = None,
    spark: SparkSession | None = None,
    settings: Mapping[str, str] | None = None,
    storage: Mapping[str, object] | None = None,
    log_file: Path | None = None,
    lenient: bool = False,
    lineage: LineageSettings | None = None,
    parent: JobRun | None = None,
) -> DerivedReport:
    """Build derived tables, or bring them up to date: only what their inputs' changes touch is made again.

    Args:
        names: derived tables or patterns, such as ``analytics.*``.
        source: the target that holds their inputs, such as ``delta:warehouse`` or ``parquet:tables``.
        target: a Delta target: ``delta:PATH`` gets ``PATH/{schema}/{table}``.
        partition_by: columns to partition the tables by; None: as their plugin says.
        z_order_by: columns by which files are put in order after a change; None: as their plugin says; empty: not.
        plugins: the loaded plugins; by default those installed.
        spark: the session to use; by default one is made with what source and target need.
        settings: Spark settings of a session that is made.
        log_file: where the output of a session that is made goes.
        storage: what object stores are told: the settings under ``storage:``.
        lenient: leave out of ``partition_by`` and ``z_order_by`` what a table has no column for: they are for several.
        lineage: what events tell of the build.
        parent: the run that it is a part of.

    Returns:
        What became of each table.

    Raises:
        UnknownNameError: no plugin has such a table.
        ConfigurationError: the target is not Delta, a pattern matches nothing, or a table has no such column.
        SourceError: an input is not there.
        TargetUnwritableError: nothing can be written at the target.
        SparkJobError: Spark failed; each table is as it was, or as it should be.
    """
    from mlbsdk.lineage.commands import Step, step_of, told_command
    from mlbsdk.lineage.commands import table as dataset

    plugins = plugins or Plugins.load()
    begun = time.monotonic()
    declared = [plugins.derived(name) for name in derived_names([names] if isinstance(names, str) else names, plugins)]
    storages = Storages(plugins, storage)
    house = _house(target, storages)
    stored = StoredTables.at(source, plugins, storages)
    report = DerivedReport(source, target)
    for decl in declared:
        for name in decl.inputs:
            stored.require(name, decl.name)
        absent = [name for name in decl.optional_inputs if name not in stored.names]
        report.notes += [f"{decl.name}: '{name}' is not there, so it was made without it" for name in absent]
    needs = [plugins.writer("delta").spark, *storages.needs(house.root), *stored.needs]
    spark = spark or session(needs, settings, log_file)
    storages.use_in(spark)
    asked = RunContext(
        parent=parent,
        parameters={"tables": ", ".join(one.name for one in declared), "source": source, "target": target},
        owners=lineage.owners if lineage is not None else (),
        tags=lineage.tags if lineage is not None else {},
        stack_traces=lineage is not None and lineage.stack_traces,
    )
    about = "Builds tables that are made from tables."
    telling = told_command(
        "mlbsdk.derive",
        about,
        location=house.housekeeping,
        storage=house.storage,
        context=asked,
        note=report.notes.append,
    )
    with telling as command, house.locked(), told_in_a_sentence("Each table is as it was, or as it should be"):
        for decl in declared:
            names = (*decl.inputs, *decl.optional_inputs)
            inputs = stored.frames(spark, names)
            step = Step(decl.name, "DERIVE", decl.summary, outputs=[dataset(house.dataset(decl.name))])
            step.inputs = [dataset(stored.dataset(name), frame.dtypes) for name, frame in inputs.items()]
            with step_of(command, step):
                table = plugins.call(decl, decl.make, {})
                path = house.path(decl.name)
                one = _Build(plugins, decl, table, inputs, spark, path, partition_by, z_order_by, lenient)
                with stored.interpreted_if_few(spark, names):
                    report.tables[decl.name] = one.run()
                step.outputs = [_built(house, decl, report.tables[decl.name])]
    report.duration_s = time.monotonic() - begun
    return report


def _built(house: Lakehouse, decl: DerivedDecl, report: DerivedTableReport) -> Dataset:
    """Return a table that was built, as lineage tells of it."""
    from mlbsdk.lineage import facets
    from mlbsdk.lineage.commands import table as dataset

    stored = house.open_delta(house.path(decl.name))
    fields = [(field.name, str(getattr(field.type, "type", field.type))) for field in stored.schema().fields]
    found = dataset(house.dataset(decl.name), fields, decl.summary)
    figures = {"outputStatistics": facets.statistics(report.rows_written)}
    return replace(found, facets=found.facets | {"version": facets.version(stored.version())}, of_output=figures)


def derived_names(patterns: Iterable[str], plugins: Plugins) -> tuple[str, ...]:
    """Return the derived tables that names and patterns such as ``analytics.*`` stand for, each once, as they come.

    Raises:
        ConfigurationError: no derived table is like a pattern.
    """
    known = sorted(decl.name for decl in plugins.derived_tables())
    found: dict[str, None] = {}
    for pattern in patterns:
        alike = fnmatch.filter(known, pattern) if _PATTERN & set(pattern) else [pattern]
        if not alike:
            raise ConfigurationError(
                f"no installed derived table is like '{pattern}'",
                fix=f"There are: {', '.join(known)}." if known else "Install a plugin: mlbsdk-plugin-analytics.",
            )
        found |= dict.fromkeys(alike)
    return tuple(found)


def _house(target: str, storages: Storages) -> Lakehouse:
    scheme, path = split_address(target, "delta")
    if scheme != "delta":
        raise ConfigurationError(
            f"derived tables are kept in Delta, and '{target}' is not", fix="Name a target such as delta:warehouse."
        )
    house = Lakehouse.of(path, storages.options(path))
    house.check_writable()
    house.claim("delta")
    return house


@dataclass(frozen=True)
class _Build:
    """One derived table that is brought up to date."""

    plugins: Plugins
    decl: DerivedDecl
    table: DerivedTable
    inputs: Mapping[str, DataFrame]
    spark: SparkSession
    path: str
    partition_by: Sequence[str] | None
    z_order_by: Sequence[str] | None
    lenient: bool
    sizes: dict[Group, int] = field(default_factory=dict)
    """Documents by group, once its fingerprint is known."""

    def run(self) -> DerivedTableReport:
        """Compare, make what differs, commit it, put files in order."""
        with self.plugins.running(self.decl, "finding its groups"):
            membership = self.table.groups(self.inputs).select(*self.decl.document_key, *self.decl.group_by).distinct()
        current = self._fingerprints(membership)
        stored = self._stored_fingerprints()
        touched = {key for key in current.keys() | (stored or {}).keys() if current.get(key) != (stored or {}).get(key)}
        report = DerivedTableReport(groups=len(current), groups_built=len(touched))
        if stored is None or touched:
            self._replace(membership, current, stored, touched, report)
        report.optimized = self._put_in_order(touched)
        report.figures = self._figures()
        return report

    # What the table is made from, and what the stored one was.

    def _fingerprints(self, membership: DataFrame) -> dict[Group, str]:
        """Return the fingerprint of each group as its inputs are now."""
        from pyspark.sql import functions as F

        key, group = list(self.decl.document_key), list(self.decl.group_by)
        of_documents, common = [], [self.decl.version]
        for name, frame in sorted(self.inputs.items()):
            columns, facts = frame.columns, _facts(frame)
            if set(key) <= set(columns):
                of_documents.append(frame.groupBy(*key).agg(F.concat_ws(" ", F.lit(name), *facts).alias("facts")))
            else:
                row = frame.agg(F.concat_ws(" ", F.lit(name), *facts)).first()
                common.append(str(row[0]) if row else name)
        documents = of_documents[0]
        for more in of_documents[1:]:
            documents = documents.unionByName(more)
        each = documents.groupBy(*key).agg(F.array_sort(F.collect_list("facts")).alias("facts"))
        text = F.concat_ws(" ", *(F.col(name).cast("string") for name in key), F.concat_ws(" ", "facts"))
        of_groups = (
            membership.join(each.select(*key, F.md5(text).alias("document")), key)
            .groupBy(*group)
            .agg(F.array_sort(F.collect_list("document")).alias("documents"))
        )
        made_from = hashlib.md5("\n".join(common).encode(), usedforsecurity=False).hexdigest()
        fingerprint = F.md5(F.concat_ws(" ", F.lit(made_from), "documents")).alias(FINGERPRINT)
        found = {
            tuple(row)[:-2]: (row[FINGERPRINT], row["documents"])
            for row in of_groups.select(*group, fingerprint, F.size("documents").alias("documents")).collect()
        }
        without = next((one for one in found if None in one), None)
        if without is not None:
            raise PluginFailedError(
                f"'{self.decl.name}' has a group without a value: {dict(zip(group, without, strict=True))}",
                where=self.plugins.origin(self.decl),
                fix="Its groups() must leave out rows without one.",
            )
        self.sizes.update({one: size for one, (_, size) in found.items()})
        return {one: mark for one, (mark, _) in found.items()}

    def _stored_fingerprints(self) -> dict[Group, str] | None:
        """Return the fingerprint that each stored group was made from; None where there is no table."""
        from delta.tables import DeltaTable as SparkDeltaTable
        from pyspark.sql import functions as F

        if not SparkDeltaTable.isDeltaTable(self.spark, self.path):
            return None
        stored = self.spark.read.format("delta").load(self.path)
        lacking = [name for name in (*self.decl.group_by, FINGERPRINT) if name not in stored.columns]
        if lacking:
            raise StoredSchemaError(
                f"'{self.path}' is no table that was built as {self.decl.name}: it has no column '{lacking[0]}'",
                fix="Choose another --target, or move that table away.",
            )
        group = [F.col(name) for name in self.decl.group_by]
        # A group with two fingerprints was not written by a build: it is made again.
        found = stored.groupBy(*group).agg(F.min(FINGERPRINT), F.max(FINGERPRINT)).collect()
        return {tuple(row)[:-2]: row[-1] if row[-1] == row[-2] else "" for row in found}

    # What is written.

    def _replace(
        self,
        membership: DataFrame,
        current: Mapping[Group, str],
        stored: Mapping[Group, str] | None,
        touched: set[Group],
        report: DerivedTableReport,
    ) -> None:
        everything = touched >= current.keys()
        rows = self._rows(membership, {key: current[key] for key in touched if key in current}, whole=everything)
        partitions = self._partitions(rows.columns)
        options: dict[str, str] = {}
        if stored is not None and not self._is_as_stored(rows.schema, partitions):
            rows = self._rows(membership, current, whole=True)
            report.groups_built = len(current.keys() | stored.keys())
            options["overwriteSchema"] = "true"
        elif stored is not None and not everything and len(touched) <= _MOST_NAMED:
            options["replaceWhere"] = _groups_condition(self.decl.group_by, touched)
        elif stored is not None and not everything:
            wide, where = self._whole_partitions(partitions, current.keys() | stored.keys(), touched)
            report.groups_built = len(wide)
            rows = self._rows(membership, {key: current[key] for key in wide if key in current}, whole=False)
            options["replaceWhere"] = where
        commit = rows.write.format("delta").mode("overwrite").partitionBy(*partitions).options(**options)
        few = sum(self.sizes.values()) <= _FEW_DOCUMENTS
        with self.plugins.running(self.decl, "making its rows"), interpreting(self.spark, 0 if few else None):
            commit.option("delta.checkpointInterval", "100").save(self.path)
        report.version, figures = self._last_commit()
        report.rows_written = figures.get("numOutputRows", 0)
        report.rows_removed = figures.get("numDeletedRows", 0) if stored is not None else 0

    def _rows(self, membership: DataFrame, groups: Mapping[Group, str], *, whole: bool) -> DataFrame:
        """Return the rows of groups, made from the documents of these groups; ``whole``: they are all groups."""
        from pyspark.sql import functions as F
        from pyspark.sql.types import StringType, StructField, StructType

        key, group = list(self.decl.document_key), list(self.decl.group_by)
        schema = StructType(
            [*(membership.schema[name] for name in group), StructField(FINGERPRINT, StringType(), nullable=False)]
        )
        wanted = self.spark.createDataFrame([(*one, mark) for one, mark in groups.items()], schema)
        inputs = self.inputs
        if not whole:
            documents = F.broadcast(membership.join(F.broadcast(wanted), group, "left_semi").select(*key).distinct())
            inputs = {
                name: frame.join(documents, key, "left_semi") if set(key) <= set(frame.columns) else frame
                for name, frame in self.inputs.items()
            }
        with self.plugins.running(self.decl, "making its rows"):
            rows = self.table.rows(inputs)
        lacking = [name for name in (*self.decl.primary_key, *group) if name not in rows.columns]
        if lacking:
            raise PluginFailedError(
                f"the rows of '{self.decl.name}' lack its column '{lacking[0]}'", where=self.plugins.origin(self.decl)
            )
        return rows.join(F.broadcast(wanted), group).select(*rows.columns, FINGERPRINT)

    def _partitions(self, columns: Sequence[str]) -> list[str]:
        """Return the columns to partition by, checked; so are those to put files in order by."""
        partitions = list(self.decl.partition_by if self.partition_by is None else self.partition_by)
        order = self._order(columns)
        if self.lenient:
            partitions = [name for name in partitions if name in columns]
        for asked, names in (("partition", partitions), ("z-order", order)):
            wrong = next((name for name in names if name not in columns), None)
            if wrong is not None:
                raise ConfigurationError(
                    f"'{self.decl.name}' can't be {asked}ed by '{wrong}': it has no such column."
                    f"{did_you_mean(wrong, columns)}"
                )
        twice = next((name for name in order if name in partitions), None)
        if twice is not None:
            raise ConfigurationError(
                f"'{self.decl.name}' is partitioned by '{twice}' already", fix="Order it by other columns."
            )
        return partitions

    def _order(self, columns: Sequence[str]) -> list[str]:
        order = list(self.decl.z_order_by if self.z_order_by is None else self.z_order_by)
        return [name for name in order if name in columns] if self.lenient else order

    def _is_as_stored(self, schema: StructType, partitions: Sequence[str]) -> bool:
        """Whether stored rows have the columns, types and partitions that rows have now."""
        stored = self.spark.read.format("delta").load(self.path).schema
        # As text, since Delta keeps all that is nested nullable.
        have, wanted = ({one.name: one.dataType.simpleString() for one in of.fields} for of in (stored, schema))
        alike = have == wanted
        return alike and self._stored_partitions() == list(partitions)

    def _stored_partitions(self) -> list[str]:
        from delta.tables import DeltaTable as SparkDeltaTable

        found = SparkDeltaTable.forPath(self.spark, self.path).detail().select("partitionColumns").first()
        return list(found[0]) if found else []

    def _whole_partitions(
        self, partitions: Sequence[str], every: Iterable[Group], touched: Iterable[Group]
    ) -> tuple[set[Group], str]:
        """Return all groups of the partitions that are touched, and a condition for them."""
        positions = self._positions(partitions)
        if positions is None:
            return set(every), "true"
        wanted = {tuple(one[n] for n in positions) for one in touched}
        groups = {one for one in every if tuple(one[n] for n in positions) in wanted}
        return groups, _groups_condition(partitions, wanted)

    def _positions(self, partitions: Sequence[str]) -> list[int] | None:
        """Return where partition columns are among those of a group; None where they don't all belong to it."""
        group = self.decl.group_by
        inside = bool(partitions) and set(partitions) <= set(group)
        return [group.index(name) for name in partitions] if inside else None

    # Afterwards.

    def _put_in_order(self, touched: Iterable[Group]) -> bool:
        """Put files in order after a change, also one after which an earlier build did not come so far."""
        from delta.tables import DeltaTable as SparkDeltaTable

        stored = SparkDeltaTable.forPath(self.spark, self.path)
        order = self._order(stored.toDF().columns)
        last = stored.history(20).where("operation IN ('WRITE', 'OPTIMIZE')").select("operation").first()
        if not order or last is None or last[0] == "OPTIMIZE":
            return False
        partitions = self._stored_partitions()
        positions = self._positions(partitions)
        values = {tuple(one[n] for n in positions) for one in touched} if positions is not None else set()
        optimize = stored.optimize()
        if values:
            optimize = optimize.where(_groups_condition(partitions, values))
        optimize.executeZOrderBy(*order)
        return True

    def _last_commit(self) -> tuple[int, dict[str, int]]:
        from delta.tables import DeltaTable as SparkDeltaTable

        commit = SparkDeltaTable.forPath(self.spark, self.path).history(1).select("version", "operationMetrics").first()
        metrics = (commit[1] or {}) if commit else {}
        return commit[0] if commit else 0, {name: int(one) for name, one in metrics.items() if str(one).isdigit()}

    def _figures(self) -> dict[str, Any]:
        from pyspark.sql import functions as F

        if not self.decl.figures:
            return {}
        found = self.spark.read.format("delta").load(self.path)
        row = found.agg(*(F.expr(text).alias(name) for name, text in self.decl.figures.items())).first()
        return row.asDict(recursive=True) if row else {}


def _facts(frame: DataFrame) -> list[Column]:
    """Return what tells a change of a table's rows: their number, and when they were captured and transformed."""
    from pyspark.sql import functions as F

    times = [name for name in (CAPTURED_AT, TRANSFORMED_AT) if name in frame.columns]
    facts = [F.count(F.lit(1)).cast("string")]
    if times:
        # The hash has 32 bits, so that no number of rows makes the sum overflow.
        facts.append(F.sum(F.hash(*(F.unix_micros(name) for name in times)).cast("bigint")).cast("string"))
    facts += [F.max(F.unix_micros(name)).cast("string") for name in times]
    return facts


def _groups_condition(names: Sequence[str], groups: Iterable[Group]) -> str:
    """Return SQL that is true for the rows of groups; those that differ in the last column only share a list."""
    by_first: dict[Group, list[str]] = {}
    for group in sorted(groups, key=repr):
        by_first.setdefault(group[:-1], []).append(sql_literal(group[-1], "`"))
    conditions = []
    for first, lasts in by_first.items():
        fixed = [f"`{name}` = {sql_literal(value, '`')}" for name, value in zip(names[:-1], first, strict=True)]
        conditions.append(" AND ".join([*fixed, f"`{names[-1]}` IN ({', '.join(lasts)})"]))
    return " OR ".join(f"({one})" for one in conditions)
