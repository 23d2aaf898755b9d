"""What ``--where FIELD=VALUE`` may say. Starts no Spark."""

from __future__ import annotations

import re

import pytest

import mlbsdk
from mlbsdk.cli.run_command import _where
from mlbsdk.errors import ConfigurationError
from mlbsdk.mapping.load import load_file, load_text
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.run import load_mapping
from mlbsdk.runtime.selection import Condition, Place, conditions, document_key
from tests.mini import MAPPING

MINI = load_file(MAPPING).mapping


def test_a_field_stands_where_its_json_path_leads() -> None:
    found = conditions(MINI, {"game_pk": "1", "game_date": "2024-07-01"})
    assert found == (
        Condition("game_pk", Place(("gamePk",)), "1", True),
        Condition("game_date", Place(("date",)), "2024-07-01", False),
    )


def test_a_field_may_stand_in_a_request_parameter() -> None:
    linescore = load_mapping(Plugins.load().transform("game.linescore")).mapping
    assert conditions(linescore, {"game_pk": "1"})[0].place == Place(parameter="game_pk")
    assert document_key(linescore) == {"game_pk": Place(parameter="game_pk")}


def test_fields_of_the_live_game_are_found() -> None:
    game = load_mapping(Plugins.load().transform("game.live_game_v1")).mapping
    found = conditions(game, {"season": "2024", "official_date": "2024-07-12"})
    assert [condition.place.path for condition in found] == [
        ("gameData", "game", "season"),
        ("gameData", "datetime", "officialDate"),
    ]
    assert document_key(game) == {"game_pk": Place(("gamePk",))}


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("gamepk", "1", r"mini.games has no field 'gamepk'. Did you mean 'game_pk'\?"),
        ("event", "1", "mini.games has no field 'event'"),
        ("game_pk", "abc", "game_pk is BIGINT, and 'abc' is none"),
        ("game_pk", "NaN", "and 'NaN' is none"),
        ("game_date", "12 July", "game_date is DATE, and '12 July' is none"),
    ],
)
def test_what_no_capture_can_hold_is_refused(field: str, value: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        conditions(MINI, {field: value})


def test_a_computed_field_is_refused() -> None:
    text = MAPPING.read_text(encoding="utf-8").replace("json_path: $.state}", "expression: cast(game_pk AS string)}")
    mapping = load_text(text, "computed.yaml").mapping
    with pytest.raises(ConfigurationError, match=re.escape("mini.games.state is computed")):
        conditions(mapping, {"state": "1"})


def test_a_run_refuses_a_field_that_is_not_there_before_it_reads_anything() -> None:
    request = mlbsdk.RunRequest(name="game.live_game_v1", source="nowhere", where={"gamepk": "1"})
    with pytest.raises(ConfigurationError, match=r"Did you mean 'game_pk'\?"):
        mlbsdk.run(request)


def test_the_command_line_takes_several_conditions() -> None:
    assert _where(["game_pk=1", "state=a=b", "empty="]) == {"game_pk": "1", "state": "a=b", "empty": ""}


@pytest.mark.parametrize(
    ("given", "told"),
    [(["game_pk"], "is FIELD=VALUE"), (["=1"], "is FIELD=VALUE"), (["a=1", "a=2"], "'a' is given twice")],
)
def test_the_command_line_refuses_what_is_no_condition(given: list[str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        _where(given)
