"""Reading a mapping: what YAML may hold, and where each mistake is said to be."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbsdk.errors import MappingError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file, load_text
from tests.conftest import DATA, REPOSITORY
from tests.unit.mapping.build import child, mapping, problem, problems

MAPPINGS = sorted((REPOSITORY / "mappings").glob("*/*.yaml"))
SAMPLE = DATA / "design_document_sample.yaml"
#: Of the YAML that the original design document prints.
SHA256_OF_SAMPLE = "961f6ab7a68ab67ebaf80fb81588df28d8d9222fdefb2d743ee8356b9c5e69da"
PLACE = re.compile(r"m\.yaml:[1-9]\d*:[1-9]\d*: \S")


# The mappings that there are


@pytest.mark.parametrize("file", MAPPINGS, ids=lambda file: f"{file.parent.name}.{file.stem}")
def test_every_mapping_loads_and_has_the_name_of_its_file(file: Path) -> None:
    assert compile_mapping(load_file(file)).name == f"{file.parent.name}.{file.stem}"


def test_the_mappings_are_found() -> None:
    assert {f"{file.parent.name}.{file.stem}" for file in MAPPINGS} >= {"game.live_game_v1", "game.boxscore"}


def test_the_sample_of_the_original_design_loads_unchanged() -> None:
    assert hashlib.sha256(SAMPLE.read_bytes()).hexdigest() == SHA256_OF_SAMPLE
    plan = compile_mapping(load_file(SAMPLE))
    assert [(table.name, table.primary_key) for table in plan.tables] == [
        ("game.live_game_metadata", ("game_pk",)),
        ("game.live_game_plays", ("game_pk", "play_id")),
        ("game.live_game_pitch_events", ("game_pk", "play_id", "pitch_number")),
    ]
    pitches = plan.table("game.live_game_pitch_events")
    assert pitches.column("game_pk").inherited
    assert pitches.partition_by == ("game_date",)
    assert pitches.column("play_id").source_path == "liveData.plays.allPlays[*].playId"


# Files


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"missing\.yaml: the mapping can't be read: .*No such file"):
        load_file(tmp_path / "missing.yaml")


def test_a_folder_is_no_mapping(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="the mapping can't be read"):
        load_file(tmp_path)


def test_a_path_with_a_null_character() -> None:
    with pytest.raises(MappingError, match="can't be read"):
        load_file("a\0b")


def test_a_file_that_is_not_utf8_is_told_where(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_bytes('version: "1.0"\n# é\n# '.encode() + "é".encode("latin-1"))
    with pytest.raises(MappingError, match=r"m\.yaml:3:3: this is not UTF-8"):
        load_file(file)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + mapping().encode())
    assert load_file(file).mapping.name == "e.m"


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    with file.open("wb") as stream:
        stream.truncate(5 * 1024 * 1024)
    with pytest.raises(MappingError, match=r"m\.yaml:1:1: the file has 5242880 bytes; a mapping has at most 4194304"):
        load_file(file)


# YAML


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null", "5", "a", "[1, 2]", "- a\n- b\n"])
def test_what_is_no_object_is_no_mapping(text: str) -> None:
    assert problem(text) == "m.yaml:1:1: a mapping is a YAML object with version, source and targets"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "m.yaml:1:6: while parsing a flow sequence, expected ',' or ']'"),
        ("a: b: c", "m.yaml:1:5: mapping values are not allowed here"),
        ("a:\n\t- b", "m.yaml:2:1: while scanning for the next token, found character '\\t'"),
        ("--- a\n--- b", "m.yaml:2:1: expected a single document in the stream"),
        ("a: *b", "m.yaml:1:4: found undefined alias"),
        ("a: \x00", "m.yaml:1:4: a character that YAML does not allow"),
        ("a: 'b\n  c\x07'", "m.yaml:2:4: a character that YAML does not allow"),
        ("%", "m.yaml:1:2: while scanning a directive"),
        ("[" * 3000, "m.yaml:1:1: its parts are nested too deeply"),
        ("a: " + "[" * 40 + "]" * 40, "m.yaml:1:36: nested too deeply"),
        ("a: &x [*x]", "nested too deeply: an alias within itself?"),
        ("? [a]\n: b", "m.yaml:1:3: a key is a name, not a list or an object"),
        ("? {a: b}\n: c", "m.yaml:1:3: a key is a name"),
    ],
)
def test_what_is_no_yaml_is_told_where(text: str, said: str) -> None:
    assert said in problem(text)


def test_aliases_that_expand_without_end_are_stopped() -> None:
    laughs = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    laughs += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "more than 200000 values: aliases that expand without end?" in problem("\n".join(laughs))


def test_an_alias_of_a_field_is_the_field_again() -> None:
    shared = "      - &speed {name: speed, type: INT, json_path: $.speed}\n"
    other = "  - name: e.b\n    primary_key: [game_pk, n]\n    array_source: $.b\n    fields:\n"
    text = mapping(child() + shared, other + "      - {name: n, type: INT, item: index}\n      - *speed\n")
    assert problems(text) == ()


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['echo']",
        "!!python/object:os.system {}",
        "!!python/name:os.system ''",
        "!!python/module:os ''",
        "!!binary aGk=",
        "!!set {a}",
        "!!omap [a: b]",
        "!!timestamp 2024-01-01",
        "!!int abc",
        "!own x",
        "!own [x]",
    ],
)
def test_tags_are_refused_where_they_stand(value: str) -> None:
    found = problem(mapping().replace("targets:\n", f"description: {value}\ntargets:\n"))
    assert found.startswith("m.yaml:3:14: ")
    assert "is not part of the language" in found


def test_a_key_that_stands_twice_is_told_with_its_first_line() -> None:
    found = problems(
        mapping(child("{name: a, type: TEXT, json_path: $.a, type: INT}", more="filter: $.a\nfilter: $.b"))
    )
    assert found == (
        "m.yaml:14:5: 'filter' stands here twice, first in line 13",
        "m.yaml:17:47: 'type' stands here twice, first in line 17",
    )


def test_a_merge_key_is_not_part_of_the_language() -> None:
    base = "base: &base {type: INT}\n"
    found = problems(base + mapping(child("{<<: *base, name: a, json_path: $.a}")))
    assert any("unknown key '<<'" in one for one in found)
    assert any("unknown key 'base'" in one for one in found)


@pytest.mark.parametrize(
    "word", ["no", "on", "off", "yes", "y", "n", "2024-01-01", "12:30", "007", "0x1F", "1_000", ".nan"]
)
def test_plain_words_that_old_yaml_takes_for_something_else_are_text(word: str) -> None:
    loaded = load_text(mapping(child(f"{{name: a, type: TEXT, json_path: $.a, default: {word}}}")), "m.yaml")
    assert loaded.mapping.targets[1].fields[1].default == word


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0", 0),
        ("-12", -12),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("'1'", "1"),
    ],
)
def test_numbers_and_booleans_keep_their_kind(written: str, value: object) -> None:
    kind = "BOOLEAN" if isinstance(value, bool) else "DOUBLE"
    loaded = load_text(mapping(child(f"{{name: a, type: {kind}, json_path: $.a, default: {written}}}")), "m.yaml")
    found = loaded.mapping.targets[1].fields[1].default
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("key", ["json_path: \"$['${env:HOME}']\"", "json_path: $.a, default: '${env:HOME}'"])
def test_variables_of_spark_are_refused_everywhere_but_in_prose(key: str) -> None:
    assert "'${'" in " ".join(problems(mapping(child(f"{{name: a, type: TEXT, {key}}}"))))
    assert problems(mapping(child("{name: a, type: TEXT, json_path: $.a, description: 'in ${US dollars}'}"))) == ()


def test_control_characters_are_refused() -> None:
    found = problem(mapping(child('{name: a, type: TEXT, json_path: $.a, default: "a\\0b"}')))
    assert found == "m.yaml:15:47: holds a control character"


# What the models refuse


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("version: 1.0", 'm.yaml:1:1: version: must be "1.0", in quotes, not 1.0'),
        ('version: "2.0"', "m.yaml:1:1: version: must be \"1.0\", in quotes, not '2.0'"),
        ("version:", 'm.yaml:1:1: version: must be "1.0", in quotes'),
        ("", "m.yaml:2:1: 'version' is missing"),
    ],
)
def test_the_version(line: str, said: str) -> None:
    assert any(one.startswith(said) for one in problems(mapping().replace('version: "1.0"', line or "# none")))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("endpoint: e, ", "", "2:1: source: 'endpoint' is missing"),
        (
            "endpoint: e",
            "endpoit: e, endpoint: e",
            "2:10: source.endpoit: unknown key 'endpoit'. Did you mean 'endpoint'?",
        ),
        ("endpoint: e", "endpoint: 5", "2:10: source.endpoint: must be text; write it in quotes: not 5"),
        ("endpoint: e", "endpoint: true", "2:10: source.endpoint: must be text; write it in quotes: not true"),
        ("endpoint: e", "endpoint: [e]", "2:10: source.endpoint: must be text; write it in quotes: not a list"),
        ("endpoint: e", "endpoint: 1x", "source.endpoint: '1x' is not a name"),
        ("endpoint: e", "endpoint:", "source.endpoint: has no value"),
        ("raw_table: e.m", "raw_table: m", "source.raw_table: 'm' is not a table name: write schema.table"),
        ("raw_table: e.m", "raw_table: a.b.c", "'a.b.c' is not a table name"),
        ("raw_table: e.m", "raw_table: e.m, key: []", "source.key: is empty"),
        ("raw_table: e.m", "raw_table: e.m, key: 5", "source.key: must be a list, not 5"),
        ("raw_table: e.m", "raw_table: e.m, key: [5]", "source.key[0]: must be text"),
        ("raw_table: e.m", "raw_table: e.m, key: [a, A]", "source.key: names 'A' twice"),
        (
            "raw_table: e.m",
            "raw_table: e.m, captured_at: $.t",
            "source.captured_at: must be an object with keys, not '$.t'",
        ),
        ("raw_table: e.m", "raw_table: e.m, captured_at: {path: $.t}", "source.captured_at: 'format' is missing"),
        ("{endpoint: e, method: m, raw_table: e.m}", "x", "2:1: source: must be an object with keys, not 'x'"),
        (
            "targets:\n",
            "descripton: x\ntargets:\n",
            "3:1: descripton: unknown key 'descripton'. Did you mean 'description'?",
        ),
        ("targets:\n", "coverage: {ignor: []}\ntargets:\n", "unknown key 'ignor'. Did you mean 'ignore'?"),
        ("targets:\n", "coverage: {ignore: [{path: a}]}\ntargets:\n", "coverage.ignore[0]: 'reason' is missing"),
        ("primary_key: [game_pk]", "primary_key: []", "5:5: e.games.primary_key: is empty"),
        ("primary_key: [game_pk]", "x: 1", "e.games: 'primary_key' is missing"),
        ("primary_key: [game_pk]", "primary_key: [game_pk, game_pk]", "e.games.primary_key: names 'game_pk' twice"),
        ("primary_key: [game_pk]", "primary_key: {a: b}", "e.games.primary_key: must be a list, not an object"),
        (
            "partition_by: game_date",
            "partition_by:",
            "6:5: e.games.partition_by: has no value; write one, or leave the key out",
        ),
        ("partition_by: game_date", "partion_by: game_date", "unknown key 'partion_by'. Did you mean 'partition_by'?"),
        (
            "partition_by: game_date",
            "on_missing: delte",
            "e.games.on_missing: must be 'keep' or 'delete', not 'delte'. Did you mean 'delete'?",
        ),
        ("partition_by: game_date", "indexes: [{columns: []}]", "e.games.indexes[0].columns: is empty"),
        ("partition_by: game_date", "indexes: [{columns: a, type: btre}]", "Did you mean 'btree'?"),
        (
            "partition_by: game_date",
            "relationships: [{to_table: a, from_field: a, to_field: b}]",
            "'a' is not a table name",
        ),
        (
            "partition_by: game_date",
            "relationships: [{to_table: a.b, from_field: [a, b], to_field: b}]",
            "from_field names 2 fields and to_field 1",
        ),
        (
            "partition_by: game_date",
            "relationships: [{to_table: a.b, from_field: [], to_field: []}]",
            "from_field: is empty",
        ),
        ("name: e.games", "name: games", "4:5: games.name: 'games' is not a table name"),
        ("name: e.games", f"name: e.{'g' * 64}", "is not a table name"),
        ("name: e.games", "description: none", "4:5: targets[0]: 'name' is missing"),
        ("name: game_date", "nam: game_date", "e.games.fields[1]: 'name' is missing"),
        ("name: game_date", "name: on", "no field 'game_date' in this target"),
        ("name: game_date", "name: true", "e.games.fields[1].name: must be text; write it in quotes: not true"),
        ("name: game_date", "name: 5", "must be text; write it in quotes: not 5"),
        ("name: game_date", "name: 'game date'", "'game date' is not a name"),
        ("name: game_date", "name: 'game`date'", "is not a name"),
        ("name: game_date", f"name: {'d' * 64}", "at most 63"),
        ("name: game_date", "name: __row_id", "names that start with __ are the engine's own"),
        ("name: game_date", "name: dáte", "is not a name"),
        ("type: DATE", "type: DAT", "e.games.game_date.type: 'DAT' is not a type"),
        ("type: DATE", "type: DATE, nullable: maybe", "e.games.game_date.nullable: must be true or false, not 'maybe'"),
        ("type: DATE", "type: DATE, default: [1]", "e.games.game_date.default: must be text, a number, true or false"),
        ("type: DATE", "type: DATE, null_values: [0]", "null_values[0]: must be text; write it in quotes: not 0"),
        ("type: DATE", "type: DATE, null_values: x", "null_values: must be a list, not 'x'"),
        (", json_path: $.date", "", "needs exactly one of json_path, source_field, expression or item, has none"),
        ("json_path: $.date", "json_path: $.date, item: index", "has json_path and item"),
        ("json_path: $.date", "json_path:", "expression or item, has none"),
    ],
)
def test_what_the_models_refuse(old: str, new: str, said: str) -> None:
    text = mapping()
    assert text.count(old) >= 1
    found = problems(text.replace(old, new))
    assert any(said in one for one in found), found
    assert all(PLACE.match(one) for one in found)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{}", "a rule of type sql needs 'rule'"),
        ("{type: sql, rule: 'n > 0', field: n}", "a rule of type sql has no 'field'"),
        ("{rule: 'n > 0', min: 1}", "a rule of type sql has no 'min'"),
        ("{type: range, min: 1}", "a rule of type range needs 'field'"),
        ("{type: range, field: n}", "a rule of type range needs 'min' or 'max'"),
        ("{type: range, field: n, min: true}", "min: must be text, a number, true or false"),
        ("{type: not_null}", "a rule of type not_null needs 'field'"),
        ("{type: not_null, field: n, rule: 'n > 0'}", "a rule of type not_null has no 'rule'"),
        ("{type: unique}", "a rule of type unique needs 'fields'"),
        ("{type: unique, fields: []}", "fields: is empty"),
        ("{type: unique, field: n, fields: [n]}", "needs 'fields', not 'field' as well"),
        ("{type: uniqe, fields: [n]}", "Did you mean 'unique'?"),
        ("{rule: 'n > 0', severity: warn}", "must be 'error' or 'warning', not 'warn'"),
        ("{rule: 'n > 0', name: 'n > 0'}", "'n > 0' is not a name"),
        ("{rule: 5}", "must be text; write it in quotes: not 5"),
        ("{ruel: 'n > 0'}", "Did you mean 'rule'?"),
        ("n > 0", "must be an object with keys, not 'n > 0'"),
    ],
)
def test_what_rules_refuse(rule: str, said: str) -> None:
    found = problems(mapping(child(more=f"data_quality: [{rule}]")))
    assert any(said in one for one in found), found


def test_all_mistakes_of_a_file_are_told_at_once_in_its_order() -> None:
    text = mapping(
        child(
            "{name: a, typ: INT, json_path: $.a}",
            "{name: b, type: INT, json_path: $..b}",
            "{name: c, type: INT, expression: 'd + 1'}",
            more="filter: $.x +\ndata_quality: [{rule: 'unknown > 0'}, {type: range, field: a}]",
        )
    )
    found = problems(text)
    assert [(one.split(": ")[0], one.split(": ")[1]) for one in found] == [
        ("m.yaml:13:5", "e.plays.filter"),
        ("m.yaml:14:21", "e.plays.unknown_0"),
        ("m.yaml:14:43", "e.plays.data_quality[1]"),
        ("m.yaml:17:9", "e.plays.a"),
        ("m.yaml:17:19", "e.plays.a.typ"),
        ("m.yaml:18:30", "e.plays.b"),
        ("m.yaml:19:30", "e.plays.c"),
    ]


def test_a_broken_field_gives_no_mistakes_where_it_is_used() -> None:
    text = mapping(
        child(
            "{name: a, type: INTT, json_path: $.a}",
            "{name: b, type: INT, expression: 'a + 1'}",
            more="filter: a\ndata_quality: [{rule: 'a'}, {type: range, field: a, min: 5}]\nindexes: [{columns: a}]",
        )
    )
    assert problem(text).startswith("m.yaml:18:19: e.plays.a.type: 'INTT' is not a type")


# Properties


LINES = [line for file in [SAMPLE, DATA / "mini.yaml"] for line in file.read_text(encoding="utf-8").splitlines()]
REAL = {file: file.read_text(encoding="utf-8").splitlines() for file in [*MAPPINGS, SAMPLE, DATA / "mini.yaml"]}
SHORT = [lines for lines in REAL.values() if len(lines) < 300]


def is_plan_or_mapping_error(text: str) -> None:
    """Assert that a text is a mapping, or gives an error whose every problem has a place."""
    for one in problems(text):
        assert PLACE.match(one), one


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_mapping_or_a_mapping_error(text: str) -> None:
    is_plan_or_mapping_error(text)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=40).map("\n".join))
def test_any_lines_of_mappings_are_a_mapping_or_a_mapping_error(text: str) -> None:
    is_plan_or_mapping_error(text)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_mapping_or_a_mapping_error(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "m.yaml"
    file.write_bytes(content)
    with pytest.raises(MappingError) as found:
        load_file(file)
    assert all(PLACE.search(one) for one in found.value.problems)


NOISE = st.sampled_from(
    [
        "null",
        "5",
        "true",
        "[]",
        "{}",
        "''",
        "'x'",
        "$",
        "$..a",
        "parent.x",
        "a: b",
        "- x",
        "INT",
        "'${x}'",
        "é",
        "\\",
        "&a",
        "*a",
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Return a real mapping with some lines deleted, doubled, replaced, or with another value."""
    lines = list(draw(st.sampled_from(SHORT)))
    for _ in range(draw(st.integers(1, 4))):
        n = draw(st.integers(0, len(lines) - 1))
        what = draw(st.sampled_from(["delete", "double", "replace", "value", "indent", "cut", "word"]))
        line = lines[n]
        if what == "delete":
            del lines[n]
        elif what == "double":
            lines.insert(n, line)
        elif what == "replace":
            lines[n] = draw(st.sampled_from(LINES))
        elif what == "value":
            lines[n] = f"{line.partition(':')[0]}: {draw(NOISE)}"
        elif what == "indent":
            lines[n] = f"  {line}" if draw(st.booleans()) else line.removeprefix("  ")
        elif what == "cut":
            lines[n] = line[: draw(st.integers(0, len(line)))]
        else:
            words = re.findall(r"\w+", line) or ["x"]
            lines[n] = line.replace(draw(st.sampled_from(words)), draw(NOISE), 1)
    return "\n".join(lines)


@settings(max_examples=250, deadline=None)
@given(damaged())
def test_a_damaged_mapping_is_a_mapping_or_a_mapping_error(text: str) -> None:
    is_plan_or_mapping_error(text)
