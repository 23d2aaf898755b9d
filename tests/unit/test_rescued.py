"""What a document holds and no field maps, and mappings that can't keep it."""

from __future__ import annotations

import json

import pytest

from mlbsdk.errors import MappingError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_text
from mlbsdk.mapping.plan import Plan
from mlbsdk.runtime.rescued import Rescue
from tests.mini import MAPPING

TEXT = MAPPING.read_text(encoding="utf-8") + "drift: {rescued: true}\n"


def plan(text: str = TEXT) -> Plan:
    return compile_mapping(load_text(text, "m.yaml"))


def rescue(document: object, *ignored: str) -> object:
    found = Rescue(plan().document, ignored)(json.dumps(document))
    return None if found is None else json.loads(found)


def test_places_name_each_position_and_key() -> None:
    document = {
        "gamePk": 1,
        "more": {"a b": [{"x": 1.5}, {"x": None}], "it's": True},
        "plays": [{"event": "hit"}, {"event": "out", "extra": "Peña"}],
        "players": {"ID7": {"id": 7, "shoe": 45}},
    }
    assert rescue(document) == {
        "$.more['a b'][0].x": 1.5,
        "$.more['a b'][1].x": None,
        '$.more["it\'s"]': True,
        "$.plays[1].extra": "Peña",
        "$.players.ID7.shoe": 45,
    }
    assert rescue(document, "$.more.**", "$.plays[*].extra") == {"$.players.ID7.shoe": 45}


def test_an_envelope_is_opened() -> None:
    assert rescue({"endpoint": "mini", "method": "game", "response": {"gamePk": 1, "x": 2}}) == {"$.x": 2}


@pytest.mark.parametrize("text", ["", "[1]", "null", "{", '{"x": NaN}', '{"gamePk": 1}', None])
def test_nothing_to_keep(text: str | None) -> None:
    assert Rescue(plan().document, ())(text) is None


def test_the_first_root_table_has_the_column() -> None:
    games, plays, _ = plan().tables
    assert (str(games.column("_rescued").type), games.column("_rescued").nullable) == ("JSONB", True)
    assert "_rescued" not in [column.name for column in plays.columns]
    assert plan().fingerprint != plan(MAPPING.read_text(encoding="utf-8")).fingerprint


def test_what_can_not_be_kept_is_told() -> None:
    with pytest.raises(
        MappingError, match=r"mini\.games: has a field '_rescued', which drift.rescued makes; rename it"
    ):
        plan(TEXT.replace("{name: state,", "{name: _rescued,"))
    lists = """version: "1.0"
source: {endpoint: e, method: m, raw_table: e.m, capture_is: list}
drift: {rescued: true}
targets:
  - {name: e.t, primary_key: [id], array_source: "$.x[*]", fields: [{name: id, type: INT, json_path: $.id}]}
"""
    with pytest.raises(MappingError, match=r"drift\.rescued: needs a table with one row a document; there is none"):
        plan(lists)
