"""From a mapping to a plan: what each key means, and everything that can't work."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbsdk.mapping.plan import (
    FromDocument,
    FromExpression,
    FromItem,
    FromJson,
    FromRaw,
    Index,
    Level,
    Relationship,
    Rule,
)
from tests.conftest import DATA
from tests.unit.mapping.build import HEAD, ROOT, child, column, mapping, plan, problem, problems, table

A = "{name: a, type: INT, json_path: $.a}"
T = "{name: t, type: VARCHAR(4), json_path: $.t}"
D = "{name: d, type: DATE, json_path: $.d}"
SYSTEM = ["source_captured_at", "transform_timestamp"]


def field(origin: str, type: str = "TEXT") -> str:
    return f"{{name: x, type: {type}, {origin}}}"


def of(*fields: str, more: str = "", source: str = "$.plays[*]") -> str:
    """Return a mapping whose child has the fields."""
    return mapping(child(*fields, more=more, source=source))


# What a mapping says about its documents


def test_a_plan_says_where_documents_come_from() -> None:
    found = plan(mapping())
    assert (found.name, found.endpoint, found.method, found.raw_table) == ("e.m", "e", "m", "e.m")
    assert (found.key, found.captured_at) == (("game_pk",), None)


def test_the_key_is_the_first_roots_primary_key_unless_the_source_says_otherwise() -> None:
    text = mapping().replace("raw_table: e.m", "raw_table: e.m, key: game_date")
    assert (plan(mapping()).key, plan(text).key) == (("game_pk",), ("game_date",))


def test_the_key_must_be_a_field_of_a_root() -> None:
    text = mapping().replace("raw_table: e.m", "raw_table: e.m, key: gamepk")
    assert problems(text) == (
        "m.yaml:2:50: source.key: no root target has a field 'gamepk'. Did you mean 'game_pk'?",
        "m.yaml:4:5: e.games: has no field 'gamepk', which identifies the document; add it",
    )


def test_a_mapping_needs_a_root() -> None:
    only = HEAD + child(A, key="[n]")
    assert "no root target has a field 'n'. A target without array_source is needed." in problem(only)


def test_every_root_needs_the_key() -> None:
    other = "  - name: e.b\n    primary_key: [x]\n    fields:\n      - {name: x, type: INT, json_path: $.x}\n"
    found = problem(mapping(other))
    assert found == "m.yaml:10:5: e.b: has no field 'game_pk', which identifies the document; add it"


def test_where_the_document_says_when_it_was_captured() -> None:
    text = mapping().replace("e.m}", "e.m, captured_at: {path: $.meta.time, format: yyyyMMdd_HHmmss}}")
    assert plan(text).captured_at == (FromJson(0, ("meta", "time")), "yyyyMMdd_HHmmss")


@pytest.mark.parametrize(
    ("path", "format", "said"),
    [
        ("$.t[*]", "yyyy", "'$.t[*]' must lead to one value from the document's root"),
        ("parent.t", "yyyy", "must lead to one value from the document's root"),
        ("$", "yyyy", "must lead to one value from the document's root"),
        ("$..t", "yyyy", "'$..t' is not a path"),
        ("$.t", "YYYY-MM-dd", "'YYYY-MM-dd': Y is no letter of a Spark datetime pattern"),
        ("$.t", "yyyy-MM-ddTHH", "T is no letter of"),
        ("$.t", "'%Y%m%d'", "Y is no letter of"),
        ("$.t", "''", "has no letter of"),
        ("$.t", '"yyyy\'T"', "has an unclosed quote"),
        ("$.t", "'yyyy[ HH]'", "has an unclosed quote or a bracket"),
    ],
)
def test_what_captured_at_refuses(path: str, format: str, said: str) -> None:
    text = mapping().replace("e.m}", f"e.m, captured_at: {{path: '{path}', format: {format}}}}}")
    assert said in problem(text)


# Levels


@pytest.mark.parametrize(
    ("source", "levels"),
    [
        ("$.a.plays", (Level(("a", "plays"), "array"),)),
        ("$.a.plays[*]", (Level(("a", "plays"), "array"),)),
        ("root.a", (Level(("a",), "array"),)),
        ("$.a[*].b[*].c[*]", (Level(("a",), "array"), Level(("b",), "array"), Level(("c",), "array"))),
        ("$.a[*].b", (Level(("a",), "array"), Level(("b",), "array"))),
        ("$.a[0].b[*]", (Level(("a", 0, "b"), "array"),)),
        ("$.players.*", (Level(("players",), "map"),)),
        ("$.t['away','home']", (Level(("t",), "branches", ("away", "home")),)),
        ("$.t['away','home'].o[*]", (Level(("t",), "branches", ("away", "home")), Level(("o",), "array"))),
        ("$.t['only'].o[*]", (Level(("t", "only", "o"), "array"),)),
        ("$['a b'][*]", (Level(("a b",), "array"),)),
    ],
)
def test_an_array_source_opens_levels(source: str, levels: tuple[Level, ...]) -> None:
    kind = "index" if levels[-1].kind == "array" else "key"
    text = (
        of(source=f'"{source}"')
        .replace("item: index", f"item: {kind}")
        .replace("{name: n, type: INT", "{name: n, type: TEXT")
    )
    assert table(text).levels == levels


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("$", "must start at the document's root: $.a.b"),
        ("parent.a", "must start at the document's root: $.a.b"),
        ("previous.a", "must start at the document's root: $.a.b"),
        ("plays", "'plays' is not a path"),
        ("$.a[", "is not a path: unexpected '['"),
        ("", "is not a path"),
    ],
)
def test_what_array_source_refuses(source: str, said: str) -> None:
    found = problems(of(source=f"'{source}'"))
    assert found[0].startswith("m.yaml:12:5: e.plays: ")
    assert said in found[0]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("$[*]", "'an item' is looked for in an array where the mapping elsewhere has an object"),
        ("$.gamePk[*]", "'gamePk' is read as a value here, and other fields look inside it"),
    ],
)
def test_an_array_source_that_is_something_else_elsewhere(source: str, said: str) -> None:
    assert any(said in one for one in problems(of(source=source)))


# Origins


@pytest.mark.parametrize(
    ("path", "origin", "source"),
    [
        ("$.a.b[0]", FromJson(0, ("a", "b", 0)), "x[*].y[*].a.b[0]"),
        ("$['a.b']", FromJson(0, ("a.b",)), "x[*].y[*]['a.b']"),
        ("parent.a", FromJson(1, ("a",)), "x[*].a"),
        ("parent.parent.a", FromJson(2, ("a",)), "a"),
        ("root.a.b", FromJson(2, ("a", "b")), "a.b"),
        ("previous.a", FromJson(0, ("a",), previous=True), "x[*].y[*].a"),
        ("$.game_pk", FromDocument("game_pk"), "gamePk"),
        ("parent.game_pk", FromDocument("game_pk"), "gamePk"),
        ("parent.game_date", FromDocument("game_date"), "date"),
        ("$.a.game_pk", FromJson(0, ("a", "game_pk")), "x[*].y[*].a.game_pk"),
        ("root.game_pk", FromJson(2, ("game_pk",)), "game_pk"),
    ],
)
def test_a_json_path_reaches(path: str, origin: object, source: str) -> None:
    type = {"game_pk": "BIGINT", "game_date": "DATE"}.get(path.rpartition(".")[2], "TEXT")
    found = column(of(field(f'json_path: "{path}"', type), source="$.x[*].y[*]"), "x")
    assert (found.origin, found.source_path) == (origin, source)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("$.a[*]", "'$.a[*]' leads to several values; use array_source for those, or an index [0]"),
        ("$.a.*", "leads to several values"),
        ("$['a','b']", "leads to several values"),
        ("parent.parent.a", "goes 2 levels up, and the document is 1 levels up"),
        ("a.b", "is not a path: it starts with"),
        ("parnt.a", "Did you mean 'parent'?"),
        ("$.a b", "unexpected ' b'"),
    ],
)
def test_what_json_path_refuses(path: str, said: str) -> None:
    found = problem(of(field(f'json_path: "{path}"')))
    assert found.startswith("m.yaml:15:31: e.plays.x: ")
    assert said in found


def test_parent_of_a_root_leads_nowhere() -> None:
    found = problem(mapping().replace("$.date", "parent.date"))
    assert "goes 1 levels up, and the document is 0 levels up" in found


@pytest.mark.parametrize("source", ["$.players.*", "$.t['away','home']"])
def test_only_items_of_an_array_have_a_previous_one(source: str) -> None:
    text = of(field("json_path: previous.a"), source=f'"{source}"').replace(
        "type: INT, item: index", "type: TEXT, item: key"
    )
    assert "only items of an array have a previous one" in problem(text)


def test_a_root_has_no_previous_item() -> None:
    assert "only items of an array have a previous one" in problem(mapping().replace("$.date", "previous.date"))


@pytest.mark.parametrize(
    ("item", "origin"),
    [
        ("index", FromItem(0, "index")),
        ("parent.key", FromItem(1, "key")),
        ("parent.parent.index", FromItem(2, "index")),
    ],
)
def test_an_item_has_a_position_or_a_key(item: str, origin: FromItem) -> None:
    assert column(of(field(f"item: {item}"), source="$.a[*].b.*.c[*]"), "x").origin == origin


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("key", "that level is an array; its items have an index, not a key"),
        ("parent.index", "that level is an object; its items have a key, not an index"),
        ("parent.parent.key", "goes 2 levels up, and array_source has 2 levels"),
        ("indx", "'indx' is no pseudo-column: write index, key, parent.index or parent.key"),
        ("position", "is no pseudo-column"),
        ("parent", "is no pseudo-column"),
        ("root.index", "is no pseudo-column"),
        ("''", "is no pseudo-column"),
    ],
)
def test_what_item_refuses(item: str, said: str) -> None:
    assert said in problem(of(field(f"item: {item}"), source="$.a.*.b[*]"))


def test_a_root_has_no_items() -> None:
    assert "array_source has 0 levels" in problem(mapping().replace("json_path: $.date", "item: index"))


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("captured_at", FromRaw("captured_at")),
        ("status_code", FromRaw("status_code")),
        ("params", FromRaw("params")),
        ("params.game_pk", FromRaw("params", "game_pk")),
        ("params.game-pk", FromRaw("params", "game-pk")),
    ],
)
def test_a_source_field_is_a_column_of_the_raw_row(source: str, origin: FromRaw) -> None:
    assert column(of(field(f"source_field: {source}")), "x").origin == origin


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("capturd_at", "the raw row has no column 'capturd_at'. Did you mean 'captured_at'?"),
        ("data", "the raw row has no column 'data'"),
        ("url.host", "only params has parts"),
        ("params.", "a parameter's name has letters, digits, _ and -"),
        ("params.a'b", "a parameter's name has"),
        ("params.a.b", "a parameter's name has"),
    ],
)
def test_what_source_field_refuses(source: str, said: str) -> None:
    assert said in problem(of(field(f'source_field: "{source}"')))


def test_an_expression_reads_other_columns_and_what_they_come_from() -> None:
    text = of(A, "{name: b, type: INT, expression: a + n}", "{name: c, type: INT, expression: B * 2}")
    found = table(text)
    assert found.column("c").origin == FromExpression("`b` * 2", ("b",))
    assert found.source_paths(found.column("c")) == ("plays[*].a", "plays[*]")


def test_an_expression_may_read_inherited_and_system_columns() -> None:
    text = of("{name: x, type: TEXT, expression: 'concat(game_pk, source_captured_at, transform_timestamp)'}")
    assert column(text, "x").nullable


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("aa + 1", "no column 'aa'. Did you mean 'a'?"),
        ("a +", "is not a SQL expression"),
        ("lineage_metadata IS NULL", "no column 'lineage_metadata'"),
        ("$.b + 1", "is not a SQL expression"),
        ("reflect('x')", "not on the list of functions"),
        ("''", "must be one expression"),
    ],
)
def test_what_expressions_refuse(expression: str, said: str) -> None:
    found = problem(of(A, f'{{name: x, type: INT, expression: "{expression}"}}'.replace("\"''\"", "''")))
    assert found.startswith("m.yaml:16:30: e.plays.x: ")
    assert said in found


@pytest.mark.parametrize(
    ("fields", "circle"),
    [
        ({"x": "x + 1"}, {"x"}),
        ({"x": "y", "y": "x"}, {"x", "y"}),
        ({"x": "y", "y": "z", "z": "x", "w": "x"}, {"x", "y", "z"}),
        ({"w": "x", "x": "y", "y": "x"}, {"x", "y"}),
        ({"x": "y", "y": "a"}, set()),
    ],
)
def test_expressions_that_need_themselves(fields: dict[str, str], circle: set[str]) -> None:
    listed = [f"{{name: {name}, type: INT, expression: {sql}}}" for name, sql in fields.items()]
    found = problems(of(A, *listed))
    assert {one.split(": ")[1] for one in found} == {f"e.plays.{name}" for name in circle}
    assert all("its expression needs its own value; break the circle" in one for one in found)


def test_a_circle_through_the_documents_key() -> None:
    text = (
        mapping()
        .replace("json_path: $.gamePk", "expression: x")
        .replace("json_path: $.date", "expression: 'make_date(game_pk, 1, 1)'")
    )
    found = problems(text.replace("expression: x", "expression: year(game_date)"))
    assert [one.split(": ")[1] for one in found] == ["e.games.game_pk", "e.games.game_date"]


def test_expressions_build_on_each_other_64_deep_at_most() -> None:
    def chain(length: int) -> str:
        return of(A, *(f"{{name: x{n}, type: INT, expression: {f'x{n - 1}' if n else 'a'}}}" for n in range(length)))

    assert problems(chain(64)) == ()
    assert "expressions build on each other 65 deep; 64 is the most" in problem(chain(65))
    assert "1500 deep" in problem(chain(1500))


# Inheritance


def test_a_child_inherits_the_key_and_what_it_names_but_does_not_list() -> None:
    found = table(of(A, more="partition_by: game_date"))
    assert [one.name for one in found.columns] == ["game_pk", "game_date", "n", "a", *SYSTEM]
    assert [one.name for one in found.columns if one.inherited] == ["game_pk", "game_date"]
    assert [str(found.column(name).type) for name in ("game_pk", "game_date")] == ["BIGINT", "DATE"]
    assert (found.column("game_pk").nullable, found.column("game_date").nullable) == (False, True)


def test_a_child_with_a_key_of_its_own_still_has_the_documents_key() -> None:
    found = table(mapping(child(A, key="[n]")))
    assert [one.name for one in found.columns] == ["game_pk", "n", "a", *SYSTEM]
    assert (found.primary_key, found.document_key) == (("n",), ("game_pk",))


def test_an_inherited_field_takes_the_roots_description_and_refuses_another_type() -> None:
    root = mapping().replace("json_path: $.gamePk", "json_path: $.gamePk, description: The game")
    text = root + child("{name: game_pk, type: BIGINT, json_path: $.game_pk}")
    assert column(text, "game_pk").description == "The game"
    found = problem(
        text.replace(
            "{name: game_pk, type: BIGINT, json_path: $.game_pk}", "{name: game_pk, type: INT, json_path: $.game_pk}"
        )
    )
    assert found == "m.yaml:15:25: e.plays.game_pk: is inherited from the root as BIGINT; write that type"


@pytest.mark.parametrize("key", ["default: 1", "null_values: ['']"])
def test_an_inherited_field_has_no_default_of_its_own(key: str) -> None:
    found = problem(of(f"{{name: game_pk, type: BIGINT, json_path: $.game_pk, {key}}}"))
    assert f"is inherited from the root; write '{key.partition(':')[0]}' there" in found


def test_what_children_inherit_is_computed_once_with_all_that_it_needs() -> None:
    text = (
        mapping().replace("json_path: $.date}", "expression: 'coalesce(official, original)'}")
        + "      - {name: official, type: DATE, json_path: $.o}\n      - {name: original, type: DATE, json_path: $.d}\n"
        + child(more="partition_by: game_date")
    )
    assert [one.name for one in plan(text).document_columns] == ["game_pk", "official", "original", "game_date"]
    assert column(text, "game_date").origin == FromDocument("game_date")


def test_a_child_inherits_from_the_root_that_has_the_field_in_its_key() -> None:
    other = """\
  - name: e.seasons
    primary_key: [game_pk, season]
    fields:
      - {name: game_pk, type: BIGINT, json_path: $.gamePk}
      - {name: season, type: INT, json_path: $.second}
"""
    first = ROOT + "      - {name: season, type: INT, json_path: $.first}\n"
    text = HEAD + first + other + child("{name: season, type: INT, json_path: $.season}")
    season = next(one for one in plan(text).document_columns if one.name == "season")
    assert season.origin == FromJson(0, ("second",))


# Names


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([A, A], "e.plays.a: two fields have this name"),
        ([A, A.replace("a,", "A,", 1)], "e.plays.A: two fields have this name"),
        ([A.replace("a,", "GAME_PK,", 1)], "e.plays.GAME_PK: the column 'game_pk' has this name"),
        ([A.replace("a,", "Source_Captured_At,", 1)], "the column 'source_captured_at' has this name"),
        ([A.replace("a,", "N,", 1)], "e.plays.N: two fields have this name"),
    ],
)
def test_names_that_a_store_can_not_tell_apart(fields: list[str], said: str) -> None:
    assert said in problem(of(*fields))


def test_two_targets_with_one_name() -> None:
    found = problems(mapping(child(), child().replace("e.plays", "e.PLAYS")))
    assert found == ("m.yaml:15:5: e.PLAYS: two targets have this name",)


SYSTEM_FIELDS = [
    "{name: source_captured_at, type: TIMESTAMPTZ, source_field: captured_at, description: When}",
    "{name: transform_timestamp, type: TIMESTAMPTZ, expression: current_timestamp()}",
    "{name: lineage_metadata, type: JSONB, json_path: $}",
]


def test_system_columns_may_be_listed_to_describe_them() -> None:
    found = table(of(*SYSTEM_FIELDS))
    assert [one.name for one in found.columns] == ["game_pk", "n", *SYSTEM]
    assert found.column("source_captured_at").description == "When"
    assert not found.column("source_captured_at").nullable
    assert found.column("transform_timestamp").is_stamp
    assert found.compared_columns == ("game_pk", "n", "source_captured_at")


@pytest.mark.parametrize(
    "wrong",
    [
        "{name: source_captured_at, type: TIMESTAMPTZ, json_path: $.time}",
        "{name: source_captured_at, type: TEXT, source_field: captured_at}",
        "{name: source_captured_at, type: TIMESTAMPTZ, source_field: url}",
        "{name: source_captured_at, type: TIMESTAMPTZ, source_field: captured_at, default: '2024-01-01'}",
        "{name: transform_timestamp, type: TIMESTAMPTZ, expression: 'game_pk'}",
        "{name: transform_timestamp, type: DATE, expression: current_timestamp()}",
    ],
)
def test_system_columns_are_nothing_else(wrong: str) -> None:
    assert "every table has this column as TIMESTAMPTZ with" in problem(of(wrong))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "partition_by: gamedate",
            "13:5: e.plays.partition_by: no field 'gamedate' in this target. Did you mean 'game_date'?",
        ),
        ("partition_by: lineage_metadata", "e.plays.partition_by: no field 'lineage_metadata'"),
        ("upsert_keys: [game_pk, m]", "13:5: e.plays.upsert_keys: no field 'm'"),
        (
            "indexes: [{columns: n}, {columns: [n, aa]}]",
            "13:30: e.plays.indexes: no field 'aa' in this target. Did you mean 'a'?",
        ),
        (
            "relationships: [{to_table: e.games, from_field: gamepk, to_field: game_pk}]",
            "13:41: e.plays.relationships: no field 'gamepk'",
        ),
        (
            "relationships: [{to_table: e.games, from_field: game_pk, to_field: gamepk}]",
            "13:62: e.plays.relationships: e.games has no field 'gamepk'. Did you mean 'game_pk'?",
        ),
        (
            "relationships: [{to_table: e.plays, from_field: n, to_field: N}]",
            "e.plays has no field 'N'. Did you mean 'n'?",
        ),
        ("partition_by: A", "no field 'A' in this target. Did you mean 'a'?"),
    ],
)
def test_names_that_are_nowhere(more: str, said: str) -> None:
    assert said in problem(of(A, more=more))


def test_a_primary_key_that_is_nowhere() -> None:
    found = problem(mapping(child(A, key="[game_pk, m]")))
    assert found.startswith("m.yaml:11:5: e.plays.primary_key: no field 'm' in this target.")


def test_the_time_of_the_run_identifies_nothing() -> None:
    found = problem(mapping(child(A, key="[n, transform_timestamp]")))
    assert "with it in the key every run would add all rows again" in found


def test_upsert_keys_may_name_the_raw_row_and_references_another_mapping() -> None:
    more = "upsert_keys: [game_pk, n, captured_at]\nrelationships: [{to_table: team.team, from_field: a, to_field: id}]"
    found = table(of(A, more=more))
    assert found.relationships == (Relationship("team.team", ("a",), ("id",), "many_to_one"),)


def test_references_may_name_what_the_other_target_inherits() -> None:
    more = "relationships: [{to_table: e.plays, from_field: [game_pk, n], to_field: [game_pk, n], type: one_to_one}]"
    assert table(of(more=more)).relationships[0].type == "one_to_one"


def test_partitions_and_indexes() -> None:
    indexes = "indexes: [{columns: a, type: brin}, {columns: [lineage_metadata], type: gin}]"
    found = table(of(A, more=f"partition_by: [game_date, a]\n{indexes}"))
    assert found.partition_by == ("game_date", "a")
    assert found.indexes == (Index(("a",), "brin"), Index(("lineage_metadata",), "gin"))


# Values


def test_primary_key_fields_are_never_nullable() -> None:
    text = mapping(
        child(
            "{name: a, type: INT, json_path: $.a, nullable: true}",
            "{name: b, type: INT, json_path: $.b, nullable: false}",
            key="[game_pk, a]",
        )
    )
    found = table(text)
    assert [one.name for one in found.columns if not one.nullable] == ["game_pk", "a", "b", *SYSTEM]


@pytest.mark.parametrize(
    ("type", "default", "text"),
    [
        ("INT", "0", "0"),
        ("BOOLEAN", "false", "false"),
        ("'NUMERIC(5,2)'", "1.5", "1.5"),
        ("TEXT", "none", "none"),
        ("TEXT", "''", ""),
        ("DATE", "2024-01-01", "2024-01-01"),
    ],
)
def test_a_default_is_text_until_it_gets_its_type(type: str, default: str, text: str) -> None:
    assert column(of(f"{{name: x, type: {type}, json_path: $.x, default: {default}}}"), "x").default == text


@pytest.mark.parametrize(
    ("type", "default"),
    [
        ("INT", "none"),
        ("INT", "1.5"),
        ("SMALLINT", "32768"),
        ("BOOLEAN", "perhaps"),
        ("DATE", "yesterday"),
        ("'NUMERIC(3,2)'", "10"),
        ("VARCHAR(3)", "none"),
        ("TIMESTAMPTZ", "noon"),
    ],
)
def test_a_default_must_fit_its_type(type: str, default: str) -> None:
    found = problem(of(f"{{name: x, type: {type}, json_path: $.x, default: {default}}}"))
    shown = type.strip("'")
    assert found.endswith(f": e.plays.x: '{default}' is no {shown}")


@pytest.mark.parametrize("key", ["default: 1", "null_values: [a]"])
def test_a_position_has_no_default(key: str) -> None:
    assert "an item's position or key is never null" in problem(of(field(f"item: index, {key}", "INT")))


def test_an_expression_has_no_null_values() -> None:
    found = problem(of(field("expression: \"'x'\", null_values: [x]")))
    assert "an expression has none; use nullif(...) in it" in found


@pytest.mark.parametrize(
    ("origin", "type"),
    [
        ("expression: a + 1", "DOUBLE"),
        ("expression: a > 1", "INT"),
        ("expression: a", "BOOLEAN"),
        ("expression: d + INTERVAL 1 DAY", "TIMESTAMPTZ"),
        ("expression: d", "TEXT"),
        ("expression: t", "DATE"),
        ("expression: 'CASE WHEN a > 1 THEN d END'", "DATE"),
        ("expression: 'coalesce(a, 1)'", "DATE"),
        ("expression: 'NULL'", "DATE"),
        ("item: index", "VARCHAR(9)"),
        ("source_field: captured_at", "DATE"),
        ("source_field: status_code", "TEXT"),
        ("source_field: params.day", "DATE"),
    ],
)
def test_what_an_origin_gives_is_cast_to_the_type(origin: str, type: str) -> None:
    assert str(column(of(A, T, D, field(origin, type)), "x").type) == type


@pytest.mark.parametrize(
    ("origin", "type", "kind"),
    [
        ("expression: a + 1", "DATE", "number"),
        ("expression: d", "INT", "moment"),
        ("expression: d", "BOOLEAN", "moment"),
        ("expression: a > 1", "TIMESTAMP", "boolean"),
        ("expression: 'if(a > 1, d, NULL)'", "INT", "moment"),
        ("expression: year(d)", "DATE", "number"),
        ("expression: \"split(t, ',')\"", "TEXT", "list"),
        ("expression: INTERVAL 1 DAY", "TEXT", "interval"),
        ("item: index", "DATE", "number"),
        ("source_field: captured_at", "BIGINT", "moment"),
        ("source_field: status_code", "TIMESTAMPTZ", "number"),
    ],
)
def test_what_an_origin_gives_must_be_castable(origin: str, type: str, kind: str) -> None:
    assert f"it gives a {kind}, which is not cast to {type}." in problem(of(A, T, D, field(origin, type)))


# Filters


def test_a_filter_looks_at_paths_and_columns() -> None:
    found = table(of(A, more="filter: $.isPitch == true AND parent.x.y > 5 AND a > 1")).filter
    assert found is not None
    assert found.sql == "`__path_0` = TRUE AND `__path_1` > 5E0 AND `a` > 1"
    assert found.columns == ("a",)
    assert dict(found.paths) == {"__path_0": FromJson(0, ("isPitch",)), "__path_1": FromJson(1, ("x", "y"))}
    assert found.text == "$.isPitch == true AND parent.x.y > 5 AND a > 1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$.a +", "'$.a +' is not a SQL expression"),
        ("$.a = unknown", "'$.a = unknown': no column 'unknown'."),
        ("$.a[*] = 1", "holds"),
        ("parent.parent.a", "goes 2 levels up"),
        ("a + 1", "'a + 1' must be true or false: compare it with something"),
        ("t", "'t' must be true or false"),
        ("$.a + 1", "must be true or false"),
        ("sum($.a) > 1", "function 'sum' is not on the list"),
        ("EXISTS (SELECT 1)", "a subquery"),
        ("''", "must be one expression"),
    ],
)
def test_what_filters_refuse(text: str, said: str) -> None:
    quoted = text if text == "''" else f'"{text}"'
    found = problem(of(A, T, more=f"filter: {quoted}"))
    assert found.startswith("m.yaml:13:5: e.plays.filter: ")
    assert said in found


# Rules


def rules(text: str) -> tuple[Rule, ...]:
    return table(of(A, T, D, more=f"data_quality: [{text}]")).rules


@pytest.mark.parametrize(
    ("rule", "name", "sql", "columns"),
    [
        ("{rule: 'a BETWEEN 0 AND 9'}", "a_between_0_and_9", "`a` BETWEEN 0 AND 9", ("a",)),
        ("{rule: 'a > 0', type: sql, name: positive}", "positive", "`a` > 0", ("a",)),
        ("{rule: A != game_pk}", "a_game_pk", "`a` <> `game_pk`", ("a", "game_pk")),
        ("{type: not_null, field: a}", "a_is_not_null", "NOT `a` IS NULL", ("a",)),
        ("{type: range, field: a, min: 0, max: 9}", "a_0_and_a_9", "`a` >= 0 AND `a` <= 9", ("a",)),
        ("{type: range, field: a, min: -1.5}", "a_1_5", "`a` >= -1.5", ("a",)),
        ('{type: range, field: t, max: "it\'s"}', "t_it_s", r"`t` <= 'it\'s'", ("t",)),
        ("{type: range, field: d, min: 2024-01-01}", "d_2024_01_01", "`d` >= '2024-01-01'", ("d",)),
        ("{type: unique, fields: [a, t]}", "unique_a_t", "", ("a", "t")),
        ("{type: unique, field: a}", "unique_a", "", ("a",)),
        ("{rule: \"'é' = 'é'\"}", "é_é", "'é' = 'é'", ()),
    ],
)
def test_a_rule(rule: str, name: str, sql: str, columns: tuple[str, ...]) -> None:
    found = rules(rule)[0]
    assert (found.name, found.sql, set(found.columns)) == (name, sql, set(columns))
    assert found.kind == ("unique" if "unique" in rule else "sql")


def test_a_rule_says_how_severe_it_is_and_why() -> None:
    found = rules("{rule: a > 0, severity: warning, reason: 'ids start at 1'}, {rule: a > 1}")
    assert [(one.severity, one.reason, one.text) for one in found] == [
        ("warning", "ids start at 1", "a > 0"),
        ("error", "", "a > 1"),
    ]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{rule: a + 1}", "must be true or false"),
        ("{rule: a}", "must be true or false"),
        ("{rule: aa > 1}", "no column 'aa'. Did you mean 'a'?"),
        ("{rule: $.a > 1}", "A rule looks at columns, not at paths."),
        ("{rule: max(a) > 1}", "function 'max' is not on the list"),
        ("{rule: 'a > 0; DROP TABLE x'}", "without ';'"),
        ("{type: not_null, field: aa}", "no field 'aa' in this target. Did you mean 'a'?"),
        ("{type: unique, fields: [a, aa]}", "no field 'aa' in this target. Did you mean 'a'?"),
        ("{type: range, field: aa, min: 1}", "no field 'aa' in this target. Did you mean 'a'?"),
        ("{type: range, field: t, min: 1}", "t is VARCHAR(4): write min in quotes, or give the field a number type"),
        ("{type: range, field: a, min: x}", "a is INT, and min is 'x'"),
        ("{type: range, field: d, max: 5}", "d is DATE, and max is 5"),
        ("{type: range, field: d, max: later}", "'later' is no DATE"),
        ("{type: range, field: a, min: 2, max: 1}", "min 2 is larger than max 1"),
        ("{rule: a > 0, name: x}, {rule: a > 1, name: X}", "two rules have this name; give one a 'name'"),
        ("{rule: a > 0}, {rule: a < 0}", "e.plays.a_0: two rules have this name"),
    ],
)
def test_what_rules_refuse(rule: str, said: str) -> None:
    found = problem(of(A, T, D, more=f"data_quality: [{rule}]"))
    assert found.startswith("m.yaml:13:")
    assert said in found


@pytest.mark.parametrize("type", ["BOOLEAN", "JSONB"])
def test_some_types_have_no_range(type: str) -> None:
    text = of(field("json_path: $.x", type), more="data_quality: [{type: range, field: x, min: 1}]")
    assert f"x is {type}, which has no range" in problem(text)


# The tree of paths


def test_only_mapped_paths_are_parsed() -> None:
    found = plan(of(A, field("json_path: parent.b.c"), more="filter: $.d")).document
    assert set(found.fields) == {"gamePk", "date", "plays", "b"}
    plays = found.fields["plays"]
    assert (plays.kind, found.fields["b"].kind) == ("array", "object")
    assert plays.item is not None
    assert {name: (one.kind, one.is_value) for name, one in plays.item.fields.items()} == {
        "a": ("leaf", True),
        "d": ("leaf", False),
    }


def test_branches_share_one_type() -> None:
    text = of(field("json_path: $.x"), source="$.t['away','home'].o[*]")
    teams = plan(text).document.fields["t"]
    assert teams.fields["away"] is teams.fields["home"]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("$.b", "$.b.c", "'c' is looked for in an object where the mapping elsewhere has a value"),
        ("$.b.c", "$.b", "'plays[*].b' is read as a value here, and other fields look inside it"),
        ("$.b.c", "$.b[0]", "'an item' is looked for in an array where the mapping elsewhere has an object"),
        ("$.b", "$.B", "'B' and 'b' differ in case alone, which Spark can't tell apart"),
        ("$.b", "$", "'plays[*]' is read as a value here, and other fields look inside it"),
        ("$", "$.b", "'b' is looked for in an object where the mapping elsewhere has a value"),
    ],
)
def test_paths_that_do_not_fit_together(first: str, second: str, said: str) -> None:
    found = problem(of(field(f"json_path: {first}"), f"{{name: y, type: TEXT, json_path: '{second}'}}"))
    assert found.startswith("m.yaml:16:")
    assert f": e.plays.y: {said}" in found


def branches(number: int, listed: str) -> str:
    text = child(source=f'"$.t[{listed}]"').replace("e.plays", f"e.t{number}")
    return text.replace("INT, item: index", "TEXT, item: key")


def test_branches_may_share_and_may_not_overlap_others() -> None:
    shared = [branches(0, "'a','b'"), branches(1, "'b','c'")]
    assert problems(mapping(*shared)) == ()
    found = problem(mapping(branches(0, "'a','b'"), branches(1, "'c','d'"), branches(2, "'b','c'")))
    assert found.startswith(
        "m.yaml:22:5: e.t2: the branches b, c overlap other branches; name the same ones everywhere"
    )


@pytest.mark.parametrize("path", ["$.response.x", "$._corrupt", "$.endpoint.x", "$.URL", "$.captured_at.x"])
def test_keys_of_the_envelope_are_not_the_documents(path: str) -> None:
    found = problem(mapping().replace("$.date", path))
    assert "is a key of the envelope that captures come in" in found


def test_a_document_may_have_a_value_that_an_envelope_has_too() -> None:
    assert problems(mapping().replace("$.date", "$.captured_at")) == ()


# The fingerprint


def test_the_fingerprint_changes_with_what_the_tables_are_and_not_with_the_text() -> None:
    text = of(A)
    assert plan(text).fingerprint == plan(f"# more\n{text}\n").fingerprint
    assert plan(text).fingerprint != plan(text.replace("type: INT, json_path", "type: BIGINT, json_path")).fingerprint


# Every valid mapping compiles

WORDS = st.sampled_from(["a", "b", "c", "speed", "event_type", "Inning", "order", "group", "x1", "_y"])
TYPES = st.sampled_from(
    [
        *("SMALLINT", "INT", "BIGINT", "REAL", "DOUBLE", "NUMERIC(5,2)", "VARCHAR(9)", "CHAR(1)", "TEXT", "BOOLEAN"),
        *("DATE", "TIMESTAMP", "TIMESTAMPTZ", "JSONB"),
    ]
)
SOURCES = st.sampled_from(["$.s0[*]", "$.s1[*].t[*]", "$.s2.*", "$.s3['away','home']", "$.s4['away','home'].o[*]"])
CONDITIONS = ["{0} IS NOT NULL", "NOT ({0} IS NULL)", "{0} = {0} OR game_pk > 0", "length(CAST({0} AS STRING)) >= 0"]


@st.composite
def valid(draw: st.DrawFn) -> str:
    """Return a mapping that breaks no rule of the language: every field has a JSON key of its own."""
    chosen = st.booleans()
    keys = count()
    targets = []
    for number in range(draw(st.integers(0, 3))):
        source = draw(SOURCES)
        item = "key" if source in ("$.s2.*", "$.s3['away','home']") else "index"
        names = draw(st.lists(WORDS, max_size=5, unique_by=str.lower))
        fields = []
        for position, name in enumerate(names):
            kind = draw(TYPES)
            path = draw(st.sampled_from(["$", "parent", "root"]))
            origins = [
                f"json_path: {path}.k{next(keys)}",
                "source_field: url",
                f"expression: CAST({names[position - 1] if position else 'game_pk'} AS STRING)",
            ]
            nullable = draw(st.sampled_from(["", ", nullable: false", ", null_values: ['-.--']"]))
            origin = draw(st.sampled_from(origins[:2] if "values" in nullable else origins))
            fields.append(f"{{name: {name}, type: '{kind}', {origin}{nullable}}}")
        more = []
        if draw(chosen) and names:
            more.append(f"filter: {draw(st.sampled_from(CONDITIONS)).format(names[0])}")
        if draw(chosen) and names:
            rule = draw(st.sampled_from(CONDITIONS)).format(names[-1])
            more.append(f"data_quality: [{{rule: '{rule}'}}, {{type: unique, field: {names[0]}}}]")
        if draw(chosen):
            more.append("partition_by: game_date")
        if draw(chosen) and names:
            more.append(f"indexes: [{{columns: {names[0]}}}]")
        text = child(*fields, more="\n".join(more), source=f'"{source}"')
        targets.append(
            text.replace("e.plays", f"e.t{number}").replace("type: INT, item: index", f"type: TEXT, item: {item}")
        )
    return mapping(*targets)


@settings(max_examples=150, deadline=None)
@given(valid())
def test_every_valid_mapping_compiles(text: str) -> None:
    found = plan(text)
    assert len(found.tables) == text.count("  - name: e.")
    for each in found.tables:
        names = [one.name.lower() for one in each.columns]
        assert len(names) == len(set(names))
        assert names[-2:] == SYSTEM
        assert set(each.primary_key) <= {one.name for one in each.columns if not one.nullable}


def test_the_mapping_of_other_tests_compiles() -> None:
    assert [table.name for table in plan((DATA / "mini.yaml").read_text()).tables] == [
        "mini.games",
        "mini.plays",
        "mini.players",
    ]
