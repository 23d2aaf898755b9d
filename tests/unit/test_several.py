"""Which transforms a run means, in which order they go, and which tables they write."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlbsdk.errors import ConfigurationError
from mlbsdk.mapping.choice import chosen
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file, load_text
from mlbsdk.mapping.plan import Node, Plan
from mlbsdk.plugins import Plugins
from mlbsdk.runtime import several
from mlbsdk.runtime.run import RunRequest, load_mapping
from mlbsdk.runtime.several import for_tables, names_of
from tests.mini import MAPPING


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return Plugins.load()


@pytest.fixture(scope="module")
def live(plugins: Plugins) -> Plan:
    return compile_mapping(load_mapping(plugins.transform("game.live_game_v1")))


def leaves(node: Node, path: str = "$") -> set[str]:
    """Return the paths of all values that a tree reads."""
    if node.kind == "leaf":
        return {path}
    inside = {"*": node.item} if node.item is not None else node.fields
    return {leaf for key, child in inside.items() for leaf in leaves(child, f"{path}.{key}")}


def test_patterns_stand_for_transforms(plugins: Plugins) -> None:
    assert names_of(["game.*"], plugins) == ("game.boxscore", "game.linescore", "game.live_game_v1")
    assert names_of(["game.live*", "game.boxscore", "game.*"], plugins) == (
        "game.live_game_v1",
        "game.boxscore",
        "game.linescore",
    )
    assert names_of(["not.there"], plugins) == ("not.there",)  # its run says what is wrong
    with pytest.raises(ConfigurationError, match=r"no installed transform is like 'gome\.\*'.*game\.boxscore"):
        names_of(["gome.*"], plugins)


def test_chosen_tables_come_with_those_they_refer_to_and_read_less(live: Plan) -> None:
    plan = chosen(live, ["live_game_runners"])
    names = [table.name for table in plan.tables]
    assert names == ["game.live_game_metadata", "game.live_game_plays", "game.live_game_runners"]
    assert plan.is_part
    assert leaves(plan.document) < leaves(live.document)
    assert not any("playEvents" in path for path in leaves(plan.document))
    assert plan.ledger_names == tuple(f"game.live_game_v1 {name}" for name in names)


def test_all_tables_are_no_choice(live: Plan) -> None:
    assert chosen(live, []) is live
    assert chosen(live, [table.name for table in live.tables]) is live
    assert live.ledger_names == ("game.live_game_v1",)


def test_a_table_that_is_not_there_is_told(live: Plan) -> None:
    with pytest.raises(ConfigurationError, match=r"'live_game_play' is no table of game.live_game_v1.*live_game_plays"):
        chosen(live, ["live_game_play"])


def test_tables_go_to_the_transforms_that_have_them(plugins: Plugins) -> None:
    requests = [RunRequest(name=name) for name in ("game.boxscore", "game.linescore", "game.live_game_v1")]
    found = for_tables(requests, ["live_game_plays", "game.boxscore_teams"], plugins)
    assert [(one.name, one.tables) for one in found] == [
        ("game.boxscore", ("game.boxscore_teams",)),
        ("game.live_game_v1", ("live_game_plays",)),
    ]
    assert for_tables(requests, [], plugins) == tuple(requests)
    with pytest.raises(ConfigurationError, match=r"'plays' is no table of game.boxscore, game.linescore"):
        for_tables(requests, ["plays"], plugins)


def run_of(name: str, tables: dict[str, list[str]]) -> Any:
    plan = SimpleNamespace(
        tables=[
            SimpleNamespace(name=table, relationships=[SimpleNamespace(to_table=other) for other in others])
            for table, others in tables.items()
        ]
    )
    return SimpleNamespace(transform=SimpleNamespace(name=name), report=SimpleNamespace(plan=plan))


def order_of(*runs: Any) -> list[str]:
    parents = several._parents({one.transform.name: one for one in runs})
    return [one.transform.name for one in several._in_order(runs, parents)]


def test_parents_go_first_and_circles_end() -> None:
    roster = run_of("team.roster", {"team.roster": ["team.team", "person.person"]})
    person = run_of("person.person", {"person.person": ["team.team", "venue.venue"]})
    team = run_of("team.team", {"team.team": ["venue.venue", "elsewhere.x"], "venue.venue": []})
    assert order_of(roster, person, team) == ["team.team", "person.person", "team.roster"]
    one, other = run_of("a.a", {"a.a": ["b.b"]}), run_of("b.b", {"b.b": ["a.a"]})
    assert order_of(one, other) == ["a.a", "b.b"]
    assert order_of(other, one) == ["b.b", "a.a"]


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ("date: {type: DATE}", "either json_path or source_field"),
        ("date: {type: DATE, json_path: $.a, source_field: params.a}", "either json_path or source_field"),
        ("date: {type: DATE, json_path: '$.a[*].b'}", r"must lead to one value"),
        ("date: {type: DATE, source_field: url}", "'url' is no request parameter"),
        ("date: {type: DAY, json_path: $.a}", "DAY"),
    ],
)
def test_filters_that_stand_for_nothing_are_refused(filters: str, told: str) -> None:
    text = MAPPING.read_text().replace("  key: [game_pk]\n", f"  key: [game_pk]\n  filters:\n    {filters}\n")
    with pytest.raises(Exception, match=told):
        compile_mapping(load_text(text, "m.yaml"))


def test_the_mini_mapping_needs_no_filter(tmp_path: Path) -> None:
    assert load_file(MAPPING).mapping.source.filters == {}
