"""Deequ and the native engine judge alike: real data, planted faults of every kind; profiles, suggestions, gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from mlbsdk_plugin_deequ import DataQualityValidator, profile_data, suggest_constraints
from mlbsdk_plugin_deequ.engine import DeequEngine
from mlbsdk_plugin_deequ.gateway import deequ

from mlbsdk.errors import ConfigurationError, EnvironmentProblem
from mlbsdk.hookspecs import CheckResult
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_text
from mlbsdk.mapping.plan import Plan, Rule, Table
from mlbsdk.plugins import Plugins
from mlbsdk.quality import profile as native_profile
from mlbsdk.quality import suggestions as native_suggestions
from mlbsdk.quality.rows import examples, verify
from mlbsdk.quality.suggestions import SuggestedRule
from mlbsdk.runtime.interpreting import interpreting
from mlbsdk.runtime.preparation import load_mapping, make_source
from mlbsdk.runtime.spark_lines import installed_spark
from mlbsdk.runtime.transformation import transformation_for
from tests.conftest import REPOSITORY, SAMPLES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(installed_spark().name != "3.5", reason="Deequ has no build for Spark 4"),
]

MAPPING = REPOSITORY / "mappings" / "game" / "live_game_v1.yaml"
PLAYS = "game.live_game_plays"
#: One table with most columns and one with most rules; all of them are judged when asked for.
SOME = ("game.live_game_metadata", PLAYS)


@pytest.fixture(scope="module", autouse=True)
def few_rows(spark: SparkSession) -> Iterator[None]:
    """Interpret expressions: making code for few rows takes longer than computing them."""
    with interpreting(spark, 0):
        yield


@pytest.fixture(scope="module")
def plan() -> Plan:
    return compile_mapping(load_mapping(Plugins.load().transform("game.live_game_v1")))


@pytest.fixture(scope="module")
def game(spark: SparkSession, plan: Plan) -> Iterator[Mapping[str, DataFrame]]:
    """The tables of game 747175, as a run has them before it writes."""
    plugins = Plugins.load()
    loaded = load_mapping(plugins.transform("game.live_game_v1"))
    source = make_source(plugins, str(SAMPLES / "live_game_747175.json.gz"), plan)[1]
    steps = transformation_for("game.live_game_v1")(spark, loaded, source=source)
    yield steps.transform(steps.read_source())
    steps.release()


@pytest.fixture(scope="module")
def plays(game: Mapping[str, DataFrame]) -> Iterator[DataFrame]:
    """The 75 plays, held."""
    frame = game[PLAYS].drop("lineage_metadata").persist()
    yield frame
    frame.unpersist()


def with_rules(table: Table, *rules: Rule) -> Table:
    return replace(table, rules=(*table.rules, *rules))


def faulty(plays: DataFrame) -> DataFrame:
    """The plays with a fault of every kind; index 7 is there twice."""
    from pyspark.sql import functions as F

    def planted(column: str, index: int, value: Any) -> Any:
        kind = plays.schema[column].dataType
        return F.when(F.col("at_bat_index") == index, F.lit(value)).otherwise(F.col(column)).cast(kind).alias(column)

    changed = plays.withColumns(
        {
            "game_pk": planted("game_pk", 5, None),  # not_null, and part of the key
            "inning": planted("inning", 3, -4),  # below a range
            "balls": planted("balls", 8, 99),  # above a range
            "half_inning": planted("half_inning", 9, "middle"),  # a predicate that is false
            "batter_split": planted("batter_split", 10, None),  # a predicate that is null: it passes
        }
    )
    return changed.unionByName(changed.where("at_bat_index = 7"))


def failing(results: tuple[CheckResult, ...]) -> dict[str, int]:
    return {result.check: result.failed for result in results if result.failed}


def agreed(rows: DataFrame, table: Table) -> tuple[CheckResult, ...]:
    """Return the verdict of both engines, which is one."""
    by_deequ, native = DeequEngine().verify(rows, table), verify(rows, table)
    assert by_deequ == native
    return native.results


@pytest.mark.parametrize("name", SOME)
def test_they_agree_on_the_real_game(game: Mapping[str, DataFrame], plan: Plan, name: str) -> None:
    found = agreed(game[name], plan.table(name))
    assert len(found) > 5
    assert [result for result in found if result.failed and result.severity == "error"] == []


@pytest.mark.slow
def test_they_agree_on_every_table_of_the_real_game(game: Mapping[str, DataFrame], plan: Plan) -> None:
    for table in plan.tables:
        agreed(game[table.name], table)


def test_they_agree_on_planted_faults_of_every_kind(plays: DataFrame, plan: Plan) -> None:
    table = with_rules(
        plan.table(PLAYS),
        Rule("split_is_known", "error", "sql", "`batter_split` LIKE 'vs%'", ("batter_split",)),
        Rule("never_known", "error", "sql", "`review_type` = 'x'", ("review_type",)),
        Rule("split_is_there", "warning", "sql", "NOT `batter_split` IS NULL", ("batter_split",)),
        Rule("index_is_unique", "warning", "unique", "", ("at_bat_index",)),
        Rule("nulls_repeat", "warning", "unique", "", ("review_type", "game_pk", "at_bat_index")),
        Rule("two_innings", "warning", "unique", "", ("review_type",)),
    )
    rows = faulty(plays)
    found = failing(agreed(rows, table))
    assert found == {
        "not_null:game_pk": 1,
        "unique:primary_key": 2,
        "inning_counts_from_1": 1,
        "inning_is_plausible": 1,
        "balls_are_in_range": 1,
        "half_inning_is_known": 1,
        "split_is_there": 1,
        "index_is_unique": 2,
        "nulls_repeat": 2,
        "two_innings": 76,
    }
    shown = examples(rows, table, ["half_inning_is_known", "unique:primary_key"], 5)
    assert [row["half_inning"] for row in shown["half_inning_is_known"]] == ["middle"]
    assert [row["at_bat_index"] for row in shown["unique:primary_key"]] == [7, 7]


def test_the_validator_says_what_is_wrong_and_why(plays: DataFrame) -> None:
    validator = DataQualityValidator("game.live_game_v1")
    assert validator.validate(plays, PLAYS).is_valid()
    found = validator.validate(faulty(plays), PLAYS)
    assert not found.is_valid()
    assert [(error.check, error.failed) for error in found.errors] == [
        ("not_null:game_pk", 1),
        ("unique:primary_key", 2),
        ("half_inning_is_known", 1),
        ("inning_counts_from_1", 1),
    ]
    assert found.errors[-1].reason
    assert "balls_are_in_range" in [warning.check for warning in found.warnings]
    with pytest.raises(ConfigurationError, match=r"no table 'game\.live_game_play'.*Did you mean"):
        validator.validate(plays, "game.live_game_play")
    with pytest.raises(ConfigurationError, match=r"lack columns of game\.live_game_plays: inning"):
        validator.validate(plays.drop("inning"), PLAYS)


def test_profiles_of_both_engines_tell_the_same(plays: DataFrame) -> None:
    few = plays.select(
        "at_bat_index", "half_inning", "balls", "captivating_index", "post_on_first_id", "end_time", "has_out"
    )
    by_deequ, native = profile_data(few, PLAYS), native_profile.profile(few, PLAYS)
    assert by_deequ.rows == native.rows == 75
    for one, other in zip(by_deequ.columns, native.columns, strict=True):
        assert (one.name, one.type, one.completeness) == (other.name, other.type, other.completeness)
        assert one.distinct == pytest.approx(other.distinct, rel=0.1)
        assert (one.minimum, one.maximum) == (other.minimum, other.maximum)
        assert one.mean == pytest.approx(other.mean)
        assert one.standard_deviation == pytest.approx(other.standard_deviation)
        assert one.histogram == other.histogram
    half, index = native.column("half_inning"), native.column("at_bat_index")
    assert half.histogram == (("bottom", 41), ("top", 34))
    assert (index.minimum, index.maximum, index.mean, index.histogram) == (0, 74, 37.0, None)
    assert native.column("post_on_first_id").completeness == pytest.approx(25 / 75)


@pytest.mark.parametrize("engine", ["deequ", "native"])
def test_suggestions_load_in_a_mapping_hold_on_clean_data_and_catch_each_fault(
    plays: DataFrame, plan: Plan, engine: str
) -> None:
    table = plan.table(PLAYS)
    few = plays.select(
        *table.primary_key, "inning", "half_inning", "balls", "rbi", "batter_id", "batter_split", "men_on_base"
    )
    bare = replace(
        table,
        columns=tuple(
            replace(column, nullable=column.name not in table.primary_key[1:])
            for column in table.columns
            if column.name in few.columns
        ),
        rules=(),
    )
    suggested = suggest_constraints(few, bare) if engine == "deequ" else native_suggestions.suggest(few, bare)
    rules = loaded_rules(suggested)
    assert [(rule.name, rule.severity) for rule in rules] == [(one.name, one.severity) for one in suggested]
    judged = replace(bare, rules=rules)
    assert failing(verify(few, judged).results) == {}
    caught = failing(verify(faulty(plays).select(few.columns), judged).results)
    assert {
        "game_pk_is_known",
        "inning_is_plausible",
        "balls_is_plausible",
        "half_inning_is_known_value",
        "batter_split_is_known",
        "at_bat_index_is_unique",
    } <= set(caught)
    assert not [name for name in caught if name.startswith("batter_id_is_plausible")], "a reference has no range"


def loaded_rules(suggested: list[SuggestedRule]) -> tuple[Rule, ...]:
    """Return the rules of the real mapping once its table has these alone, as YAML."""
    data = yaml.safe_load(MAPPING.read_text(encoding="utf-8"))
    target = next(target for target in data["targets"] if target["name"] == PLAYS)
    target["data_quality"] = [rule.to_mapping() for rule in suggested]
    text = yaml.safe_dump(data, sort_keys=False)
    return compile_mapping(load_text(text, "suggested.yaml")).table(PLAYS).rules


def test_a_callback_server_that_was_opened_inside_is_closed(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway: Any = spark.sparkContext._gateway
    # A stream of another test may have opened one. It is put aside: closing it would wait for Java without end.
    monkeypatch.setattr(gateway, "_callback_server", None)
    with deequ(spark):
        gateway.start_callback_server()
    assert gateway.get_callback_server() is None


def test_a_session_without_deequ_is_told_what_to_add() -> None:
    from py4j.java_gateway import JavaPackage

    missing = SimpleNamespace(amazon=SimpleNamespace(deequ=SimpleNamespace(VerificationSuite=JavaPackage("x", None))))
    context = SimpleNamespace(_gateway=None, _jvm=SimpleNamespace(com=missing))
    with pytest.raises(EnvironmentProblem, match=r"no Deequ.*spark\.jars\.packages=com\.amazon\.deequ:deequ"):
        deequ(SimpleNamespace(sparkContext=context, version="3.5.9")).__enter__()  # type: ignore[arg-type]
