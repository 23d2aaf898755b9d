"""Rows of text in columns."""

from __future__ import annotations

from collections.abc import Iterable


def aligned(rows: Iterable[tuple[str, ...]], indent: str = "") -> list[str]:
    """Return a line for each row, its cells as wide as the widest of their column."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    ]
