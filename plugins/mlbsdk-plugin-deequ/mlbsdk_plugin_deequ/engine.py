"""The quality engine ``deequ``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlbsdk.plugin import CheckResult, SuggestedRule, Table, TableProfile, Verification

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class DeequEngine:
    """Judges tables by Deequ, describes them, and suggests rules for them."""

    def check(self, rows: DataFrame, table: Table) -> Sequence[CheckResult]:
        """Return the checks that failed, each with its severity."""
        return [result for result in self.verify(rows, table).results if result.failed]

    def verify(self, rows: DataFrame, table: Table) -> Verification:
        """Judge a table by all its checks."""
        from mlbsdk_plugin_deequ.verification import verify

        return verify(rows, table)

    def profile(self, rows: DataFrame, table: str) -> TableProfile:
        """Describe each column."""
        from mlbsdk_plugin_deequ.profiles import profile

        return profile(rows, table)

    def suggest(self, rows: DataFrame, table: Table) -> Sequence[SuggestedRule]:
        """Return rules that hold on these rows."""
        from mlbsdk_plugin_deequ.suggestions import suggest

        return suggest(rows, table)
