"""Drafts of mappings: what documents suggest, and that every draft is a mapping that loads."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbsdk.errors import ConfigurationError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.infer.draft import Draft, DraftColumn, DraftTable, MappingInference
from mlbsdk.mapping.infer.names import Names, joined, singular, snake_case
from mlbsdk.mapping.infer.scalars import Scalars, type_of
from mlbsdk.mapping.infer.text import yaml_text
from mlbsdk.mapping.load import load_text
from mlbsdk.mapping.plan import Plan


def drafted(*documents: Any, params: list[dict[str, str]] | None = None, name: str = "demo.game") -> Draft:
    inference = MappingInference(name)
    for number, document in enumerate(documents):
        parsed = json.loads(json.dumps(document), parse_float=Decimal)
        envelope = {"query_params": params[number], "url": f"u{number}"} if params else None
        inference.add(parsed, envelope)
    return inference.draft()


def plan_of(draft: Draft) -> Plan:
    return compile_mapping(load_text(yaml_text(draft), "draft.yaml"))


def table(draft: Draft, name: str) -> DraftTable:
    return next(each for each in draft.tables if each.name == f"demo.{name}")


def column(found: DraftTable, name: str) -> DraftColumn:
    return next(each for each in found.columns if each.name == name)


def origins(found: DraftTable) -> dict[str, str]:
    return {each.name: each.origin[1] for each in found.columns}


# Names


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("gamePk", "game_pk"),
        ("startTimeTBD", "start_time_tbd"),
        ("homeRunsPer9", "home_runs_per9"),
        ("calendarEventID", "calendar_event_id"),
        ("fullFMLName", "full_fml_name"),
        ("1stHalf", "n1st_half"),
        ("Équipe-née", "equipe_nee"),
        ("日本", "field"),
        ("__p", "p"),
    ],
)
def test_keys_become_names(key: str, name: str) -> None:
    assert snake_case(key) == name


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("dates", "date"),
        ("all_plays", "all_play"),
        ("people", "person"),
        ("batteries", "battery"),
        ("matches", "match"),
        ("series", "series"),
        ("status", "status"),
        ("bench", "bench"),
        ("boxes", "box"),
    ],
)
def test_many_things_have_a_name_for_one(many: str, one: str) -> None:
    assert singular(many) == one


def test_names_that_are_too_long_lose_their_beginning() -> None:
    assert joined(["a" * 40, "b" * 40, "c" * 20]) == "b" * 40 + "_" + "c" * 20
    assert len(joined(["a" * 200])) == 63


def test_a_name_that_is_taken_gets_the_next_one_wanted_or_a_number() -> None:
    names = Names(["id"])
    assert (names.take("ID", "team_id"), names.take("id", "team_id"), names.take("Id")) == ("team_id", "id_2", "Id_3")
    long = Names(["x" * 63])
    assert long.take("x" * 63) == "x" * 61 + "_2"


# Types


@pytest.mark.parametrize(
    ("values", "type"),
    [
        ([True, False], "BOOLEAN"),
        ([1, 2, 775300], "INT"),
        ([1, 2_000_000_000], "BIGINT"),
        ([10**18], "NUMERIC(38,0)"),
        ([10**40], "TEXT"),
        ([Decimal("95.8"), 95], "NUMERIC(5,2)"),
        ([Decimal("95.0"), 95], "NUMERIC(5,2)"),
        ([Decimal("3.549")], "NUMERIC(6,3)"),
        ([Decimal("32.4456789")], "DOUBLE"),
        ([Decimal("1e3")], "DOUBLE"),
        (["2024-10-25", "2024-02-29"], "DATE"),
        (["2024-10-25", "2023-02-29"], "VARCHAR(20)"),
        (["2024-10-26T00:08:00Z"], "TIMESTAMPTZ"),
        (["2024-10-26T00:08:00"], "TIMESTAMP"),
        (["2024-10-26T00:08:00", "2024-10-26T00:08:00Z"], "VARCHAR(50)"),
        (["2024", "2025"], "VARCHAR(20)"),
        (["R"], "VARCHAR(20)"),
        (["x" * 26], "VARCHAR(100)"),
        (["x" * 251], "TEXT"),
        ([1, "one"], "TEXT"),
        ([True, 1], "TEXT"),
        ([], "TEXT"),
    ],
)
def test_values_suggest_a_type(values: list[Any], type: str) -> None:
    seen = Scalars()
    for value in values:
        seen.add(value)
    assert type_of(seen).type == type


@pytest.mark.parametrize(
    ("values", "type", "nulls"),
    [
        ([1, "-", 3], "INT", ("-",)),
        ([Decimal("3.5"), "-.--"], "NUMERIC(5,2)", ("-.--",)),
        (["2024-10-25", "", "N/A"], "DATE", ("", "N/A")),
    ],
)
def test_texts_that_stand_for_nothing_are_read_as_null(values: list[Any], type: str, nulls: tuple[str, ...]) -> None:
    seen = Scalars()
    for value in values:
        seen.add(value)
    found = type_of(seen)
    assert (found.type, found.null_values) == (type, nulls)
    assert "read as null" in found.doubt


# Tables


def test_arrays_maps_and_branches_become_tables() -> None:
    game = {
        "gamePk": 7,
        "venue": {"id": 3, "name": "Fenway Park"},
        "teams": {side: {"id": n, "name": side, "runs": n, "order": [n, 9]} for n, side in enumerate(("away", "home"))},
        "players": {"ID545361": {"id": 545361, "name": "Trout"}, "ID8": {"id": 8, "name": "Marte"}},
        "plays": [{"event": "Single", "pitches": [{"speed": 95.8}]}, {"event": "Out", "pitches": []}],
        "innings": [{"num": 1, "home": {"id": 1, "name": "h", "runs": 0}, "away": {"id": 0, "name": "a", "runs": 2}}],
    }
    draft = drafted(game)
    sources = {each.name: (each.array_source, each.primary_key) for each in draft.tables}
    assert sources == {
        "demo.game": (None, ("game_pk",)),
        "demo.game_teams": ("$.teams['away','home']", ("game_pk", "team_key")),
        "demo.game_order": ("$.teams['away','home'].order[*]", ("game_pk", "team_key", "order_index")),
        "demo.game_players": ("$.players.*", ("game_pk", "player_key")),
        "demo.game_plays": ("$.plays[*]", ("game_pk", "play_index")),
        "demo.game_pitches": ("$.plays[*].pitches[*]", ("game_pk", "play_index", "pitch_index")),
        "demo.game_innings": ("$.innings[*]", ("game_pk", "inning_index")),
        "demo.game_innings_away_home": ("$.innings[*]['away','home']", ("game_pk", "inning_index", "inning_key")),
    }
    assert origins(table(draft, "game"))["venue_name"] == "$.venue.name"
    assert origins(table(draft, "game_pitches")) == {
        "play_index": "parent.index",
        "pitch_index": "index",
        "speed": "$.speed",
    }
    assert origins(table(draft, "game_order"))["order"] == "$"
    assert len(plan_of(draft).tables) == len(draft.tables) == 8


def test_objects_of_one_shape_beside_others_stay_columns() -> None:
    person = {"id": 1, "batSide": {"code": "R", "description": "Right"}, "pitchHand": {"code": "R", "description": "x"}}
    assert [each.name for each in drafted(person).tables] == ["demo.game"]
    assert "bat_side_code" in origins(table(drafted(person), "game"))


def test_an_id_that_is_unique_in_the_document_is_the_key_of_its_items() -> None:
    days = {"dates": [{"date": "2024-10-25", "games": [{"gamePk": 1}, {"gamePk": 2}]}, {"date": "2024-10-26"}]}
    found = drafted(days, params=[{"season": "2024"}])
    assert found.key == ("request_season",)
    assert table(found, "game_dates").primary_key == ("request_season", "date")
    games = table(found, "game_games")
    assert games.primary_key == ("request_season", "game_pk")
    # It leads to its date all the same.
    assert origins(games)["date"] == "parent.date"
    assert games.relationships[0].fields == ("request_season", "date")
    plan_of(found)


def test_an_id_that_repeats_in_an_array_is_no_key() -> None:
    found = drafted({"id": 1, "hits": [{"id": 5}, {"id": 5}]})
    assert table(found, "game_hits").primary_key == ("game_id", "hit_index")


def test_the_id_of_a_nested_thing_is_a_key_only_where_many_items_tell() -> None:
    few = {"id": 1, "roster": [{"person": {"id": number}} for number in range(3)]}
    many = {"id": 1, "roster": [{"person": {"id": number}} for number in range(30)]}
    assert table(drafted(few), "game_roster").primary_key == ("game_id", "roster_index")
    assert table(drafted(many), "game_roster").primary_key == ("game_id", "person_id")
    assert column(table(drafted(many), "game_roster"), "person_id").type == "INT"


def test_a_documents_id_is_never_taken_for_an_items() -> None:
    """``json_path: $.id`` in a child target would be the document's, if that column were named id."""
    found = plan_of(drafted({"id": 1, "items": [{"id": 5, "game_id": 9}, {"id": 6, "game_id": 9}]}))
    items = found.table("demo.game_items")
    assert [(c.name, c.source_path) for c in items.columns if not c.name.startswith(("source", "transform"))] == [
        ("game_id_2", "id"),
        ("item_id", "items[*].id"),
        ("game_id", "items[*].game_id"),
    ]


# What identifies a document


def test_request_parameters_identify_documents_that_have_no_id() -> None:
    found = drafted({"total": 1}, {"total": 2}, params=[{"date": "a"}, {"date": "b", "teamId": "1"}])
    assert found.key == ("request_date", "request_team_id")
    root = table(found, "game")
    assert column(root, "request_team_id").default == ""
    assert column(root, "request_date").default is None
    plan_of(found)


def test_a_parameter_that_the_document_holds_itself_is_read_there() -> None:
    found = drafted({"gamePk": 7}, {"gamePk": 8}, params=[{"game_pk": "7"}, {"game_pk": "8"}])
    assert (found.key, table(found, "game").columns[0].origin) == (("game_pk",), ("json_path", "$.gamePk"))
    other = drafted({"gamePk": 7}, {"gamePk": 9}, params=[{"game_pk": "7"}, {"game_pk": "8"}])
    assert other.key == ("request_game_pk",)


def test_a_capture_that_nothing_identifies_is_a_document_of_its_own() -> None:
    found = drafted({"people": [{"id": 1}]})
    assert (found.key, table(found, "game").columns[0].origin) == (("capture_id",), ("source_field", "row_id"))
    assert "each capture counts" in found.key_doubt
    assert drafted({"total": 1}, params=[{}]).key == ("request_url",)


def test_a_time_of_the_document_is_when_it_was_captured() -> None:
    found = drafted({"id": 1, "metaData": {"timeStamp": "20240712_194500"}})
    assert found.captured_at == ("$.metaData.timeStamp", "yyyyMMdd_HHmmss")
    assert plan_of(found).captured_at is not None
    assert drafted({"id": 1, "timeStamp": "yesterday"}).captured_at is None


# What is odd


def test_what_varies_in_shape_is_read_whole_and_marked() -> None:
    found = drafted({"id": 1, "a": {"b": 1}, "c": [1]}, {"id": 2, "a": "x", "c": {"d": 1}})
    root = table(found, "game")
    assert (column(root, "a").type, column(root, "c").type) == ("TEXT", "JSONB")
    assert "its shape varies" in column(root, "a").doubt
    assert "# CHECK: its shape varies" in yaml_text(found)


def test_nulls_and_absence_decide_what_may_be_missing() -> None:
    items = [
        {"always": number, "null": None if number == 7 else 1, **({"some": 1} if number else {})}
        for number in range(30)
    ]
    found = table(drafted({"id": 1, "items": items}), "game_items")
    required = {each.name: each.is_required for each in found.columns}
    assert required == {"item_index": True, "always": True, "null": False, "some": False}
    few = table(drafted({"id": 1, "items": items[20:]}), "game_items")
    assert not column(few, "always").is_required


def test_keys_that_no_path_can_name_are_told() -> None:
    document = {"id": 1, "a'\"b": 1, "": 2, "Name": 3, "name": 4, "${x}": 5, "a\nb": 6, "response": 7, "empty": []}
    text = yaml_text(drafted(document))
    assert text.count("# No column:") == 7
    plan_of(drafted(document))


def test_nothing_to_draft_from_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="no document"):
        MappingInference("demo.game").draft()
    with pytest.raises(ConfigurationError, match="no name of a transform"):
        MappingInference("demo game")


# Any documents at all

_KEYS = st.sampled_from(
    ["id", "Id", "ID7", "8", "home", "away", "date", "a b", "name", "response", "url", "x'", 'y"', ""]
)
_TEXTS = st.sampled_from(
    ["", "-", "x", "2024-10-25", "2024-10-26T00:08:00Z", "7", ".5", "${x}", "é\n", "\x00", "#: [", "'"]
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | _TEXTS
    | st.text(max_size=5)
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS | st.text(max_size=4), inner, max_size=5),
    max_leaves=25,
)
_DOCUMENTS = st.dictionaries(_KEYS | st.text(max_size=4), _VALUES, max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(_DOCUMENTS, min_size=1, max_size=3), st.dictionaries(st.text(max_size=5), _TEXTS, max_size=2))
def test_any_documents_give_a_draft_that_loads(documents: list[dict[str, Any]], params: dict[str, str]) -> None:
    inference = MappingInference("demo.game")
    for document in documents:
        inference.add(document, {"query_params": params} if params else None)
    plan_of(inference.draft())


def test_documents_of_any_depth_give_a_draft_that_loads() -> None:
    deep: Any = 1
    for number in range(300):
        deep = {"part": deep} if number % 2 else [deep]
    plan_of(drafted({"id": 1, "deep": deep}))
