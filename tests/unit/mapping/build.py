"""Small mappings as text, and what is said about them."""

from __future__ import annotations

from collections.abc import Sequence

from mlbsdk.errors import MappingError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_text
from mlbsdk.mapping.plan import Column, Plan, Table

HEAD = 'version: "1.0"\nsource: {endpoint: e, method: m, raw_table: e.m}\ntargets:\n'
ROOT = """\
  - name: e.games
    primary_key: [game_pk]
    partition_by: game_date
    fields:
      - {name: game_pk, type: BIGINT, json_path: $.gamePk}
      - {name: game_date, type: DATE, json_path: $.date}
"""
FIRST_LINE_OF_CHILD = (HEAD + ROOT).count("\n") + 1


def child(*fields: str, more: str = "", source: str = "$.plays[*]", key: str = "[game_pk, n]") -> str:
    """Return a target below the root; ``fields`` are YAML objects, ``more`` are further keys, each on its own line.

    Line numbers from FIRST_LINE_OF_CHILD: name, primary_key, array_source, the lines of ``more``, fields, the index.
    """
    lines = [
        "  - name: e.plays",
        f"    primary_key: {key}",
        f"    array_source: {source}",
        *(f"    {line}" for line in more.splitlines()),
        "    fields:",
        "      - {name: n, type: INT, item: index}",
        *(f"      - {field}" for field in fields),
    ]
    return "\n".join(lines) + "\n"


def mapping(*targets: str) -> str:
    """Return a mapping of the root target and others."""
    return HEAD + ROOT + "".join(targets)


def plan(text: str) -> Plan:
    """Load and compile a mapping."""
    return compile_mapping(load_text(text, "m.yaml"))


def problems(text: str) -> Sequence[str]:
    """Return what is wrong with a mapping; nothing for a good one."""
    try:
        plan(text)
    except MappingError as error:
        return error.problems
    return ()


def problem(text: str) -> str:
    """Return the one thing that is wrong with a mapping."""
    found = problems(text)
    assert len(found) == 1, found
    return found[0]


def table(text: str, name: str = "e.plays") -> Table:
    """Return a table of a mapping."""
    return plan(text).table(name)


def column(text: str, name: str, of: str = "e.plays") -> Column:
    """Return a column of a table of a mapping."""
    return table(text, of).column(name)
