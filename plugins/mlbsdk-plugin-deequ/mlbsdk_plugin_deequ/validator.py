"""The Python interface: validate, profile and suggest for DataFrames of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlbsdk.plugin import (
    ConfigurationError,
    Plan,
    Plugins,
    SuggestedRule,
    Table,
    TableProfile,
    compile_mapping,
    did_you_mean,
    load_file,
    load_mapping,
)
from mlbsdk_plugin_deequ.engine import DeequEngine

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class ValidationError:
    """One check that failed."""

    table: str
    check: str
    severity: str
    failed: int
    """Rows."""
    reason: str
    """Why the rule holds, in the mapping's words."""

    def __str__(self) -> str:
        return f"{self.table} {self.check}: {self.failed} rows" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True)
class ValidationResult:
    """What the checks of one table found."""

    table: str
    rows: int
    errors: tuple[ValidationError, ...]
    """Failed checks of severity error."""
    warnings: tuple[ValidationError, ...]
    """Failed checks of severity warning."""

    def is_valid(self) -> bool:
        """Whether no check of severity error failed."""
        return not self.errors


class DataQualityValidator:
    """Judges DataFrames by the rules of a mapping, with Deequ.

    Args:
        mapping: a transform's name such as ``game.live_game_v1``, a mapping file, a compiled plan, or one table of it.

    Raises:
        UnknownNameError: no plugin has the transform.
        MappingError: the mapping is missing or wrong.
    """

    def __init__(self, mapping: str | Path | Plan | Table) -> None:
        self._tables = {table.name: table for table in _tables(mapping)}
        self._engine = DeequEngine()

    def validate(self, df: DataFrame, target: str | None = None) -> ValidationResult:
        """Judge rows by the checks of a table: its keys, columns and rules.

        Args:
            df: the rows, with the table's columns; others are not looked at.
            target: the table's name, ``game.live_game_plays``; not needed where there is one only.

        Raises:
            ConfigurationError: the mapping has no such table, or the rows lack columns that checks look at.
            EnvironmentProblem: the session has no Deequ.
        """
        table = self._table(target)
        lacking = [column.name for column in table.columns if column.name not in df.columns]
        if lacking:
            raise ConfigurationError(f"the rows lack columns of {table.name}: {', '.join(lacking)}")
        verified = self._engine.verify(df, table)
        reasons = {rule.name: rule.reason or rule.text for rule in table.rules}
        found = [
            ValidationError(table.name, one.check, one.severity, one.failed, reasons.get(one.check, ""))
            for one in verified.results
            if one.failed
        ]
        return ValidationResult(
            table.name,
            verified.rows,
            tuple(one for one in found if one.severity == "error"),
            tuple(one for one in found if one.severity == "warning"),
        )

    def suggest_constraints(self, df: DataFrame, target: str | None = None) -> list[SuggestedRule]:
        """Return rules that hold on rows of a table and that its mapping does not have.

        Raises:
            ConfigurationError, EnvironmentProblem: as :meth:`validate`.
        """
        return list(self._engine.suggest(df, self._table(target)))

    def _table(self, target: str | None) -> Table:
        if target is None and len(self._tables) == 1:
            return next(iter(self._tables.values()))
        if target not in self._tables:
            raise ConfigurationError(
                f"the mapping has no table '{target}'.{did_you_mean(target or '', self._tables)}",
                fix=f"There are: {', '.join(self._tables)}.",
            )
        return self._tables[target]


def profile_data(df: DataFrame, name: str = "data") -> TableProfile:
    """Describe each column of a DataFrame with Deequ.

    That is completeness, distinct values, type, a histogram where values are few, and of numbers mean, minimum, maximum
    and standard deviation. Columns of nested types are left out.

    Raises:
        EnvironmentProblem: the session has no Deequ.
    """
    return DeequEngine().profile(df, name)


def suggest_constraints(
    df: DataFrame, mapping: str | Path | Plan | Table, target: str | None = None
) -> list[SuggestedRule]:
    """Return rules that the rows of a table suggest, as entries of the mapping's ``data_quality``.

    ``[rule.to_mapping() for rule in ...]`` gives them as YAML data.

    Raises:
        ConfigurationError, EnvironmentProblem: as :meth:`DataQualityValidator.validate`.
    """
    return DataQualityValidator(mapping).suggest_constraints(df, target)


def _tables(mapping: str | Path | Plan | Table) -> tuple[Table, ...]:
    if isinstance(mapping, Table):
        return (mapping,)
    if isinstance(mapping, Plan):
        return mapping.tables
    text = str(mapping)
    is_file = isinstance(mapping, Path) or text.endswith((".yaml", ".yml")) or "/" in text
    loaded = load_file(Path(text)) if is_file else load_mapping(Plugins.load().transform(text))
    return compile_mapping(loaded).tables
