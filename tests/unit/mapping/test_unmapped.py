"""Paths of leaves that no field reads: how they are written, and read again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbsdk.mapping.model import PathNote
from mlbsdk.mapping.plan import Node
from mlbsdk.mapping.unmapped import Reasons, is_mapped, unmapped_leaves

ROOT = Node(
    "object",
    fields={
        "a": Node(),
        "odd key": Node(),
        "whole": Node(is_value=True),
        "list": Node("array", item=Node("object", fields={"x": Node()})),
        "map": Node("map", item=Node("object", fields={"x": Node()})),
    },
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.a", True),
        ("$['odd key']", True),
        ("$.b", False),
        ("$.a.b", False),
        ("$.whole.any[*]['x y'].*", True),
        ("$.list[*].x", True),
        ("$.list[*].y", False),
        ("$.list", False),
        ("$.list.x", False),
        ("$.map.*.x", True),
        ("$.map[*].x", False),
        ("$.*", False),
    ],
)
def test_a_path_is_mapped_or_not(path: str, expected: bool) -> None:
    assert is_mapped(path, ROOT) is expected


@pytest.mark.parametrize("path", ["", "a", "$.", "$.a b", "$['a", "$['\\x']", "$.a[0]"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"start with|no step|no quoted key"):
        is_mapped(path, ROOT)


_JSON = st.recursive(
    st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("a"), inner, max_size=3),
    max_leaves=12,
)


@given(_JSON)
def test_every_path_that_is_given_can_be_read_and_prints_on_one_line(document: Any) -> None:
    for path, _ in unmapped_leaves(document, ROOT):
        assert path.isprintable()
        assert not is_mapped(path, ROOT)


def test_the_first_note_that_fits_gives_the_reason() -> None:
    reasons = Reasons([PathNote(path="$.**.link", reason="link"), PathNote(path="$.a.**", reason="a")])
    assert [reasons.of(path) for path in ("$.link", "$.a.b[*].link", "$.a", "$.a[*]", "$.ab", "$.b")] == [
        "link",
        "link",
        "a",
        "a",
        None,
        None,
    ]
