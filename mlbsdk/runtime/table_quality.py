"""Check, profile and suggest for tables that are stored: the Python API behind ``mlbsdk quality``."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import ConfigurationError, EnvironmentProblem, SourceError, did_you_mean
from mlbsdk.hookspecs import (
    CheckResult,
    Profiler,
    QualityDecl,
    QualityEngine,
    SparkRequirements,
    Suggester,
    Verification,
    Verifier,
)
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import Plan, Table
from mlbsdk.plugins import Plugins
from mlbsdk.quality import profile as native_profile
from mlbsdk.quality import rows as native_rows
from mlbsdk.quality import suggestions as native_suggestions
from mlbsdk.quality.metrics import Figure, MetricsHistory, anomalies, of_profile, of_verification
from mlbsdk.quality.profile import TableProfile
from mlbsdk.quality.suggestions import SuggestedRule
from mlbsdk.runtime import stored_tables
from mlbsdk.runtime.failures import told_in_a_sentence
from mlbsdk.runtime.preparation import load_mapping, location_of
from mlbsdk.runtime.storage import Storages

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NATIVE = "native"


@dataclass(frozen=True)
class TableCheck:
    """What the checks of one stored table found."""

    table: Table
    verification: Verification
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Some failing rows by check: the primary key and the columns that the check is about."""
    figures: tuple[Figure, ...] = ()
    """What is kept of it."""
    unusual: tuple[str, ...] = ()
    """Figures unlike those of earlier checks, a sentence each; or why those can't be read."""

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(result for result in self.verification.results if result.failed)

    @property
    def errors(self) -> tuple[CheckResult, ...]:
        """The failed checks of severity error."""
        return tuple(result for result in self.failed if result.severity == "error")

    def reason(self, check: str) -> str:
        """Return why a check holds, in the mapping's words; empty for those that keys and columns ask."""
        return next((rule.reason or rule.text for rule in self.table.rules if rule.name == check), "")


@dataclass(frozen=True)
class TableQuality:
    """Looks at the tables of one target with one engine.

    Args:
        target: its address.
        engine: ``native``, or the name of a plugin's engine.
        plugins: the loaded plugins.
        history: the folder where figures are kept; by default below the target, and nowhere for a database.
        storages: the storages of the target; by default with the environment's own settings.

    Raises:
        UnknownNameError: no plugin has such targets or engines.
        ConfigurationError: the engine can't do what is asked of it.
    """

    target: str
    engine: str = NATIVE
    plugins: Plugins = field(default_factory=Plugins.load)
    history: str | None = None
    storages: Storages | None = None

    @property
    def needs(self) -> Sequence[SparkRequirements]:
        """What the Spark session must have."""
        own = () if self.engine == NATIVE else (self.plugins.quality(self.engine).spark,)
        return (*stored_tables.needs(self.target, self.plugins, self.storages), *own)

    @property
    def figures(self) -> MetricsHistory | None:
        """Where figures are kept; None where the target has no folder and none was named."""
        folder = self.history or location_of(self.target)
        if folder is None:
            return None
        return MetricsHistory(folder, (self.storages or Storages(self.plugins)).of(folder))

    def require_tables(self) -> None:
        """Check that there is a table at the target, and that figures can be kept: before Java starts.

        Raises:
            SourceError: there is none.
            StorageError: an object store can't be reached, or refuses.
        """
        storages = self.storages or Storages(self.plugins)
        stored_tables.StoredTables.at(self.target, self.plugins, storages)
        if self.history is not None:
            storages.of(self.history).check(self.history)

    def check(self, spark: SparkSession, table: Table, examples: int = 3) -> TableCheck:
        """Judge a table by its mapping's checks as they are now, whatever its rows say of checks they went through.

        Raises:
            SourceError: there is no such table.
            SparkJobError: one of Spark's jobs failed.
        """
        with told_in_a_sentence("Nothing was changed"), self._few(spark, table):
            rows = stored_tables.read(spark, self.target, table, self.plugins, self.storages)
            verified = self._verified(rows, table)
            failed = [result.check for result in verified.results if result.failed]
            shown = native_rows.examples(rows, table, failed, examples) if examples else {}
        now = datetime.now(timezone.utc)
        figures = of_verification(verified, table.name, engine=self.engine, scope="table", run_id="", at=now)
        return TableCheck(table, verified, shown, tuple(figures), tuple(self._unusual(table.name, figures)))

    def profile(self, spark: SparkSession, table: str) -> TableProfile:
        """Describe the columns of a table, of a mapping or not.

        Raises:
            SourceError: there is no such table.
            SparkJobError: one of Spark's jobs failed.
        """
        with told_in_a_sentence("Nothing was changed"), self._few(spark, table):
            rows = stored_tables.read(spark, self.target, table, self.plugins, self.storages)
            if self.engine == NATIVE:
                return native_profile.profile(rows, table)
            declared, engine = self._made(Profiler, "profiles no tables")
            assert isinstance(engine, Profiler)
            with self.plugins.running(declared, f"profiling {table}"):
                return engine.profile(rows, table)

    def suggest(self, spark: SparkSession, table: Table) -> list[SuggestedRule]:
        """Return rules that hold on a table's rows and that its mapping does not have.

        Raises:
            SourceError: there is no such table.
            SparkJobError: one of Spark's jobs failed.
        """
        with told_in_a_sentence("Nothing was changed"), self._few(spark, table):
            rows = stored_tables.read(spark, self.target, table, self.plugins, self.storages)
            if self.engine == NATIVE:
                return native_suggestions.suggest(rows, table)
            declared, engine = self._made(Suggester, "suggests no rules")
            assert isinstance(engine, Suggester)
            with self.plugins.running(declared, f"suggesting rules for {table.name}"):
                return list(engine.suggest(rows, table))

    def keep(self, found: TableCheck | TableProfile) -> None:
        """Keep the figures of a check or profile, where the target has a folder or one was named.

        Raises:
            OSError, deltalake.exceptions.DeltaError: they can't be stored.
        """
        if self.figures is not None:
            self.figures.add(found.figures if isinstance(found, TableCheck) else self._figures(found))

    def unusual(self, found: TableProfile) -> list[str]:
        """Return the figures of a profile that are unlike those kept before, a sentence each."""
        return self._unusual(found.table, self._figures(found))

    def _few(self, spark: SparkSession, table: str | Table) -> contextlib.AbstractContextManager[None]:
        name = table if isinstance(table, str) else table.name
        storages = self.storages or Storages(self.plugins)
        stored = stored_tables.StoredTables(self.target, frozenset([name]), self.plugins, storages)
        return stored.interpreted_if_few(spark, [name])

    def _verified(self, rows: Any, table: Table) -> Verification:
        if self.engine == NATIVE:
            return native_rows.verify(rows, table)
        declared, engine = self._made(QualityEngine, "judges no tables")
        with self.plugins.running(declared, f"judging {table.name}"):
            if isinstance(engine, Verifier):
                return engine.verify(rows, table)
            given = list(engine.check(rows, table))
            results = tuple(one if isinstance(one, CheckResult) else CheckResult(*one) for one in given)
            return Verification(rows.count(), results)

    def _made(self, kind: Any, lacking: str) -> tuple[QualityDecl, Any]:
        declared = self.plugins.quality(self.engine)
        engine = self.plugins.call(declared, declared.make, {})
        if kind is not QualityEngine and not isinstance(engine, kind):
            raise ConfigurationError(f"the quality engine '{self.engine}' {lacking}", fix="Name another --engine.")
        return declared, engine

    def _figures(self, found: TableProfile) -> list[Figure]:
        return of_profile(found, engine=self.engine, run_id="", at=datetime.now(timezone.utc))

    def _unusual(self, table: str, figures: Sequence[Figure]) -> list[str]:
        if self.figures is None:
            return []
        try:
            return [str(anomaly) for anomaly in anomalies(self.figures.of([table]), figures)]
        except SourceError as problem:  # what is wrong with the past says nothing of the table
            return [problem.message]


def working_engine(name: str, plugins: Plugins) -> str:
    """Return an engine's name if a plugin declares it and it works with the Spark that is installed; else native."""
    declared = next((one for one in plugins.qualities() if one.name == name), None)
    if declared is None:
        return NATIVE
    try:
        plugins.call(declared, declared.make, {})
    except EnvironmentProblem:
        return NATIVE
    return name


def known_tables(mapping: str | None, plugins: Plugins) -> dict[str, Table]:
    """Return the tables of a transform or mapping file, or of all installed transforms, by name."""
    plans: list[Plan]
    if mapping is None:
        plans = [compile_mapping(load_mapping(transform)) for transform in plugins.transforms()]
    elif mapping.endswith((".yaml", ".yml")) or "/" in mapping or Path(mapping).is_file():
        plans = [compile_mapping(load_file(mapping))]
    else:
        plans = [compile_mapping(load_mapping(plugins.transform(mapping)))]
    return {table.name: table for plan in plans for table in plan.tables}


def chosen_tables(patterns: Iterable[str], known: dict[str, Table]) -> list[Table]:
    """Return the tables that are like one of some patterns, such as ``game.*``, each once.

    Raises:
        ConfigurationError: no table is like a pattern.
    """
    found: dict[str, Table] = {}
    for pattern in patterns:
        alike = fnmatch.filter(known, pattern)
        if not alike:
            raise ConfigurationError(
                f"no mapping has a table '{pattern}'.{did_you_mean(pattern, known)}",
                fix="Name the mapping that has it: --mapping NAME or FILE.",
            )
        found |= {name: known[name] for name in alike}
    return list(found.values())
