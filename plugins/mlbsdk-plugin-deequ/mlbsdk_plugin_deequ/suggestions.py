"""Deequ's suggested constraints as rules of a mapping.

Taken over are those that are about single rows: complete, unique, not negative, one of a few values. Deequ's others
(a column is complete in 90 % of the rows, is mostly one of some values, has a type) a mapping says otherwise or not at
all. To each number that is a quantity comes a range around what Deequ's profile saw.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlbsdk.plugin import (
    ColumnProfile,
    SuggestedRule,
    Table,
    category_rule,
    is_category,
    is_measured,
    not_null_rule,
    open_columns,
    range_rule,
    those_that_hold,
    unique_rule,
    value_counts,
)
from mlbsdk_plugin_deequ.gateway import deequ
from mlbsdk_plugin_deequ.profiles import columns_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def suggest(rows: DataFrame, table: Table) -> list[SuggestedRule]:
    """Return the rules that hold on all rows and that the table does not have.

    Raises:
        EnvironmentProblem: Deequ is not in the session.
    """
    names = [name for name in open_columns(table) if name in rows.columns]
    frame = rows.select(*(f"`{name}`" for name in names)).persist()
    try:
        if frame.isEmpty():
            return []
        with deequ(rows.sparkSession):
            suggested, profiles = _asked(frame)
        categories = [profile.name for profile in profiles if (profile.name, "CategoricalRangeRule") in suggested]
        values = value_counts(frame, categories)
        return those_that_hold(rows, table, _rules(table, frame.count(), suggested, profiles, values))
    finally:
        frame.unpersist()


def _asked(frame: DataFrame) -> tuple[set[tuple[str, str]], tuple[ColumnProfile, ...]]:
    """Return Deequ's suggestions as (column, its rule's class), and the profiles that it made them from."""
    from pydeequ.profiles import ColumnProfilesBuilder
    from pydeequ.scala_utils import scala_map_to_dict
    from pydeequ.suggestions import (
        CategoricalRangeRule,
        CompleteIfCompleteRule,
        ConstraintSuggestionRunner,
        NonNegativeNumbersRule,
        UniqueIfApproximatelyUniqueRule,
    )

    spark = frame.sparkSession
    run = ConstraintSuggestionRunner(spark).onData(frame)
    for rule in (
        CompleteIfCompleteRule(),
        UniqueIfApproximatelyUniqueRule(),
        NonNegativeNumbersRule(),
        CategoricalRangeRule(),
    ):
        run.addConstraintRule(rule)
    # PyDeequ's own run() gives the suggestions alone, and profiling again would cost three more passes.
    result = run._ConstraintSuggestionRunBuilder.run()
    jvm: Any = spark._jvm
    to_json = jvm.com.amazon.deequ.suggestions.ConstraintSuggestionResult.getConstraintSuggestionsAsJson
    suggested = {
        (one["column_name"], str(one["suggesting_rule"]).partition("(")[0])
        for one in json.loads(to_json(result))["constraint_suggestions"]
    }
    made = ColumnProfilesBuilder(spark)
    profiles = scala_map_to_dict(jvm, result.columnProfiles())
    return suggested, columns_of(frame, {name: made._columnProfileBuilder(name, one) for name, one in profiles.items()})


def _rules(
    table: Table,
    count: int,
    suggested: set[tuple[str, str]],
    profiles: Iterable[ColumnProfile],
    values: dict[str, tuple[tuple[str | None, int], ...]],
) -> Iterable[SuggestedRule]:
    for profile in profiles:
        if (profile.name, "CompleteIfCompleteRule") in suggested:
            yield not_null_rule(profile, count)
        if (profile.name, "UniqueIfApproximatelyUniqueRule") in suggested and count > 1:
            yield unique_rule(profile, count)
        if profile.name in values and is_category(table, profile.name):
            rule = category_rule(replace(profile, histogram=values[profile.name]))
            if rule is not None:
                yield rule
        if profile.minimum is None:
            continue
        if is_measured(table, profile.name):
            yield range_rule(profile)
        elif (profile.name, "NonNegativeNumbersRule") in suggested:
            yield replace(range_rule(profile), min=0, max=None, reason=f"No value of {count} rows is negative.")
