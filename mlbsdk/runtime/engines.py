"""Quality engines that a run asks for by name, beside the rules of its mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbsdk.errors import PluginContractError
from mlbsdk.hookspecs import QualityDecl, QualityEngine, SparkRequirements
from mlbsdk.plugins import Plugins
from mlbsdk.report import RuleReport

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mlbsdk.mapping.plan import Plan


@dataclass(frozen=True)
class Engines:
    """The engines of one run. What they find is told as warnings: they count rows, and do not say which to refuse."""

    plugins: Plugins
    made: tuple[tuple[QualityDecl, QualityEngine], ...]

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
            PluginContractError: an engine gave something else than (check, failed rows).
            PluginFailedError: it raised something unexpected.
        """
        found = []
        for decl, engine in self.made:
            for name, rows in tables.items():
                with self.plugins.running(decl, f"judging {name}"):
                    results = list(engine.check(rows, plan.table(name)))
                found += [self._finding(decl, name, result) for result in results]
        return found

    def _finding(self, decl: QualityDecl, table: str, result: object) -> RuleReport:
        match result:
            case (str(check), int(failed)) if failed >= 0:
                return RuleReport(table, f"{decl.name}:{check}", "warning", failed)
        raise PluginContractError(
            f"the quality engine '{decl.name}' gave {result!r:.80} for {table}; expected (check, failed rows).",
            where=self.plugins.origin(decl),
        )
