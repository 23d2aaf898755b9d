"""Derived tables, as far as no Spark is needed: what is refused before Java starts, and how groups are named in SQL."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from mlbsdk import DerivedDecl, hookimpl
from mlbsdk.errors import ConfigurationError, PluginConflictError, SourceError, UnknownNameError
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.derived import _groups_condition, build, derived_names


def declared(name: str = "sums.totals", **changes: object) -> DerivedDecl:
    known: dict[str, object] = {
        "summary": "",
        "inputs": ("mini.games",),
        "make": lambda options: None,
        "document_key": ("game_pk",),
        "group_by": ("season", "team"),
        "primary_key": ("season", "team"),
    }
    return DerivedDecl(name=name, **(known | changes))  # type: ignore[arg-type]


def plugins_with(*tables: DerivedDecl) -> Plugins:
    plugins = Plugins.load({"MLBSDK_LOAD_PLUGINS": ""})
    module = ModuleType("sums")
    module.MLBSDK_PLUGIN_API = 1  # type: ignore[attr-defined]
    module.mlbsdk_derived = hookimpl(lambda: tables)  # type: ignore[attr-defined]
    plugins.register(module, name="sums")
    return plugins


@pytest.fixture
def target(tmp_path: Path) -> str:
    write_deltalake(tmp_path / "mini" / "plays", pa.table({"game_pk": [1]}))
    return f"delta:{tmp_path}"


def test_names_and_patterns_stand_for_tables_each_once() -> None:
    plugins = plugins_with(declared("a.one"), declared("a.two"), declared("b.one"))
    assert derived_names(["a.*", "b.one", "a.two"], plugins) == ("a.one", "a.two", "b.one")
    with pytest.raises(ConfigurationError, match=r"no installed derived table is like 'c\.\*'.*a\.one, a\.two, b\.one"):
        derived_names(["c.*"], plugins)


def test_an_unknown_table_says_who_has_it(target: str) -> None:
    with pytest.raises(UnknownNameError, match=r"derived table 'analytics\.team_travel'.*mlbsdk-plugin-analytics"):
        build("analytics.team_travel", target, target, plugins=plugins_with(declared()))


def test_an_input_that_is_not_there_is_told_before_java_starts(target: str) -> None:
    with pytest.raises(SourceError, match=r"no table 'mini\.games', which sums\.totals needs.*There are: mini\.plays"):
        build("sums.totals", target, target, plugins=plugins_with(declared()))


def test_a_source_that_is_not_there_is_told(target: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no target at"):
        build("sums.totals", f"parquet:{tmp_path / 'nowhere'}", target, plugins=plugins_with(declared()))


def test_only_delta_takes_derived_tables(target: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="derived tables are kept in Delta"):
        build("sums.totals", target, f"parquet:{tmp_path / 'out'}", plugins=plugins_with(declared()))


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"name": "Totals"}, "name must be schema.table"),
        ({"name": "a.b/../../c"}, "name must be schema.table"),
        ({"inputs": ()}, "inputs must not be empty"),
        ({"group_by": "season"}, "group_by must be a tuple of texts"),
        ({"figures": {"rows": 1}}, "figures must be a mapping of texts"),
    ],
)
def test_a_wrong_declaration_is_refused_and_named(changes: dict[str, object], mistake: str) -> None:
    plugins = plugins_with(declared(**changes))  # type: ignore[arg-type]
    assert [mistake in str(failure) for failure in plugins.failures()] == [True]


def test_two_plugins_can_not_make_one_table() -> None:
    with pytest.raises(PluginConflictError, match=r"derived table 'sums\.totals' is declared"):
        plugins_with(declared(), declared()).derived("sums.totals")


def test_groups_share_a_list_and_their_values_are_quoted() -> None:
    groups = {(2024, "it's"), (2024, "a"), (2023, "a")}
    assert _groups_condition(("season", "team"), groups) == (
        "(`season` = 2023 AND `team` IN ('a')) OR (`season` = 2024 AND `team` IN ('it\\'s', 'a'))"
    )
