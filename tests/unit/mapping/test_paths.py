"""Paths: what they mean, and what is no path."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbsdk.mapping.paths import Every, Path, join, parse_path

ALL = Every("array")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("$", Path("item", 0, ())),
        ("$.a", Path("item", 0, ("a",))),
        ("  $.a  ", Path("item", 0, ("a",))),
        ("$.a.b[0].c", Path("item", 0, ("a", "b", 0, "c"))),
        ("$.a-b._c", Path("item", 0, ("a-b", "_c"))),
        ("$['a b']", Path("item", 0, ("a b",))),
        ("$['a.b'].c", Path("item", 0, ("a.b", "c"))),
        ("$['a,b']", Path("item", 0, ("a,b",))),
        ('$["it\'s"]', Path("item", 0, ("it's",))),
        ("$['say \"hi\"']", Path("item", 0, ('say "hi"',))),
        ("$['2024']", Path("item", 0, ("2024",))),
        ("$['é']", Path("item", 0, ("é",))),
        ("$.a[*].b", Path("item", 0, ("a", ALL, "b"))),
        ("$.players.*", Path("item", 0, ("players", Every("map")))),
        ("$.t['away','home'].o[*]", Path("item", 0, ("t", Every("branches", ("away", "home")), "o", ALL))),
        ("$.t[ 'a,b' , \"c'd\" ]", Path("item", 0, ("t", Every("branches", ("a,b", "c'd"))))),
        ("parent.x", Path("parent", 1, ("x",))),
        ("parent.parent.x", Path("parent", 2, ("x",))),
        ("parent", Path("parent", 1, ())),
        ("parent['x']", Path("parent", 1, ("x",))),
        ("root.a.b", Path("root", 0, ("a", "b"))),
        ("previous.a", Path("previous", 0, ("a",))),
    ],
)
def test_a_path_means(text: str, path: Path) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it starts with"),
        ("a.b", "it starts with"),
        ("parnt.x", "Did you mean 'parent'?"),
        ("parents.x", "Did you mean 'parent'?"),
        ("rooted.x", "Did you mean 'root'?"),
        ("$.", "unexpected '.' at position 2"),
        ("$..a", "unexpected '..a' at position 2"),
        ("$.a.", "unexpected '.' at position 4"),
        ("$.a b", "unexpected ' b' at position 4"),
        ("$.1a", "unexpected '.1a'"),
        ("$.é", "unexpected '.é'"),
        ("$.a[-1]", "unexpected '[-1]'"),
        ("$.a[٣]", "unexpected '[٣]'"),
        ("$.a[]", "unexpected '[]'"),
        ("$.a['']", "unexpected"),
        ("$.a['b", "unexpected"),
        ("$.a[?(@.b)]", "unexpected"),
        ("$.a[0:2]", "unexpected"),
        ("parent.", "unexpected '.'"),
        ("$.a['b','b']", "names a branch twice"),
        ("$.a['b','B']", "names a branch twice"),
        ("$['${env:HOME}']", "'${'"),
        ("$['a\nb']", "can't be printed"),
        ("$.a[2147483648]", "too large a position"),
        ("$" + ".a" * 65, "has 65 steps; a path has at most 64"),
        (".".join(["parent"] * 70), "has 70 steps"),
    ],
)
def test_no_path(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_path(text)


def test_a_long_text_is_cut_in_its_message() -> None:
    with pytest.raises(ValueError, match="not a path") as found:
        parse_path("x" * 10_000)
    assert len(str(found.value)) < 300


@pytest.mark.parametrize(("text", "is_single"), [("$.a[0].b", True), ("$.a[*]", False), ("$.a.*", False)])
def test_a_single_path_has_no_step_of_several(text: str, is_single: bool) -> None:
    assert parse_path(text).is_single is is_single


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (("a", "b", 0), "a.b[0]"),
        (("a", ALL, "b"), "a[*].b"),
        (("a.b", "c"), "['a.b'].c"),
        (("a", "it's"), 'a["it\'s"]'),
        (("t", Every("branches", ("x y", "z"))), "t['x y','z']"),
    ],
)
def test_steps_as_text_can_be_read_again(steps: tuple[str | int | Every, ...], text: str) -> None:
    assert join("", steps) == text
    dot = "" if text.startswith("[") else "."
    assert parse_path(f"${dot}{text}").steps == steps


@given(st.text(max_size=60) | st.from_regex(r"[$a-z.\[\]'\"*0-9 ]{0,40}", fullmatch=True))
def test_any_text_is_a_path_or_a_value_error(text: str) -> None:
    try:
        path = parse_path(text)
    except ValueError:
        return
    assert parse_path(str(path)) == path


# Keys that a path can write: not both kinds of quotes.
KEYS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="'${"), min_size=1, max_size=8)
BRANCHES = st.lists(KEYS, min_size=2, max_size=3, unique_by=str.lower).map(lambda keys: Every("branches", tuple(keys)))
STEPS = st.lists(KEYS | st.integers(0, 10**6) | st.just(ALL) | st.just(Every("map")) | BRANCHES, max_size=6).map(tuple)


@given(STEPS, st.sampled_from(["item", "root", "previous"]) | st.integers(1, 4))
def test_every_path_is_read_as_it_is_written(steps: tuple[str | int | Every, ...], anchor: str | int) -> None:
    path = Path("parent", anchor, steps) if isinstance(anchor, int) else Path(anchor, 0, steps)  # type: ignore[arg-type]
    assert parse_path(str(path)) == path
