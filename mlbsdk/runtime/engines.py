"""Quality engines that a run asks for by name, beside the rules of its mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlbsdk.errors import PluginContractError, SourceError
from mlbsdk.hookspecs import CheckResult, QualityDecl, QualityEngine, SparkRequirements, Verification, Verifier
from mlbsdk.plugins import Plugins
from mlbsdk.report import RuleReport, RunReport

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mlbsdk.mapping.plan import Plan, Table


@dataclass(frozen=True)
class Engines:
    """The engines of one run. What they call an error closes the run's gate; all else that they find is a warning."""

    plugins: Plugins
    made: tuple[tuple[QualityDecl, QualityEngine], ...]
    verified: dict[tuple[str, str], Verification] = field(default_factory=dict)
    """By engine and table, what an engine that tells all its checks found last."""

    @classmethod
    def of(cls, plugins: Plugins, names: Iterable[str]) -> Engines:
        """Make the engines of these names.

        Raises:
            UnknownNameError: no plugin has one of them.
            PluginError: the plugin can't make it.
        """
        declared = [plugins.quality(name) for name in dict.fromkeys(names)]
        return cls(plugins, tuple((decl, plugins.call(decl, decl.make, {})) for decl in declared))

    @property
    def needs(self) -> Sequence[SparkRequirements]:
        """What they need of the Spark session."""
        return [decl.spark for decl, _ in self.made]

    def judge(self, tables: Mapping[str, DataFrame], plan: Plan) -> list[RuleReport]:
        """Return what failed, a check as ``ENGINE:CHECK``.

        Raises:
            PluginContractError: an engine gave something else than results of checks.
            PluginFailedError: it raised something unexpected.
        """
        found = []
        for decl, engine in self.made:
            for name, rows in tables.items():
                with self.plugins.running(decl, f"judging {name}"):
                    results = self._asked(decl, engine, rows, plan.table(name))
                found += [
                    RuleReport(name, f"{decl.name}:{result.check}", result.severity, result.failed)
                    for result in results
                    if result.failed
                ]
        return found

    def keep_figures(self, report: RunReport) -> None:
        """Keep what was found as figures of this run, now that it is published, and note those that are unusual.

        Where that can't be done the run is as good: it is noted.
        """
        if not self.verified or report.location is None:
            return
        from deltalake.exceptions import DeltaError

        from mlbsdk.quality.metrics import MetricsHistory, anomalies, of_verification

        figures = [
            figure
            for (engine, table), found in self.verified.items()
            for figure in of_verification(
                found, table, engine=engine, scope="run", run_id=report.run_id, at=report.started_at
            )
        ]
        history = MetricsHistory(report.location, report.storage)
        try:
            earlier = history.of({table for _, table in self.verified}, "compliance")
            history.add(figures)
        except (OSError, DeltaError, SourceError) as problem:
            report.note(f"the figures of quality could not be kept: {problem}")
            return
        for anomaly in anomalies(earlier, figures):
            report.note(str(anomaly))

    def _asked(self, decl: QualityDecl, engine: QualityEngine, rows: DataFrame, table: Table) -> Sequence[CheckResult]:
        if isinstance(engine, Verifier):
            verified = engine.verify(rows, table)
            if not isinstance(verified, Verification):
                raise self._contract_error(decl, table.name, verified, "a Verification")
            self.verified[decl.name, table.name] = verified
            return [self._result(decl, table.name, result) for result in verified.results]
        return [self._result(decl, table.name, result) for result in engine.check(rows, table)]

    def _result(self, decl: QualityDecl, table: str, result: object) -> CheckResult:
        match result:
            case CheckResult(str(), int(failed), "error" | "warning") if failed >= 0:
                return result
            case (str(check), int(failed)) if failed >= 0:
                return CheckResult(check, failed)
        raise self._contract_error(decl, table, result, "a CheckResult or (check, failed rows)")

    def _contract_error(self, decl: QualityDecl, table: str, given: object, expected: str) -> PluginContractError:
        return PluginContractError(
            f"the quality engine '{decl.name}' gave {given!r:.80} for {table}; expected {expected}.",
            where=self.plugins.origin(decl),
        )
