"""Entity-relationship diagrams as plain SVG.

Tables stand in columns by how far they are from the root. A line leads from a table to those that refer to it; it ends
in a crow's foot where many rows may refer to one, and in a bar where it is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape

from mlbsdk.mapping.plan import Plan, Table

_LINE, _HEAD, _GAP, _BETWEEN, _MARGIN = 16, 24, 18, 90, 16
_CHARACTER = 7.3
_STYLE = (
    ".er text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1b1f24}.er .name{font-weight:bold;fill:#fff}"
    ".er .key{font-weight:bold}.er .to{fill:#57606a}.er .box{fill:#fff;stroke:#57606a}.er .head{fill:#24476b}"
    ".er .line{fill:none;stroke:#57606a;stroke-width:1.2}"
)


@dataclass
class Box:
    """One table as it is drawn."""

    table: Table
    lines: list[tuple[str, str]]
    """(text, style class) of each line below the head."""
    column: int
    x: float = 0
    y: float = 0
    parents: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The table's name without its schema."""
        return self.table.name.partition(".")[2]

    @property
    def width(self) -> float:
        """Wide enough for the longest line."""
        return 16 + _CHARACTER * max(len(self.name) + 2, *(len(text) for text, _ in self.lines))

    @property
    def height(self) -> float:
        """Head and lines."""
        return _HEAD + _LINE * len(self.lines) + 8

    @property
    def middle(self) -> float:
        """The height at which lines meet the box."""
        return self.y + _HEAD / 2


def svg(plan: Plan, link: Callable[[str], str] | None = None) -> str:
    """Return the diagram of a mapping's tables; ``link`` gives the address that a table's box leads to."""
    boxes = _boxes(plan)
    _place(boxes)
    width = max(box.x + box.width for box in boxes.values()) + _MARGIN
    height = max(box.y + box.height for box in boxes.values()) + _MARGIN
    drawn = [_line(boxes[parent], box) for box in boxes.values() for parent in box.parents]
    for box in boxes.values():
        drawn.append(f'<a href="{escape(link(box.table.name))}">{_drawn(box)}</a>' if link else _drawn(box))
    title = f"Tables of {plan.name}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="er" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}" '
            f'role="img" aria-label="{escape(title)}">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{width:.0f}" height="{height:.0f}" fill="#f6f8fa"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def _boxes(plan: Plan) -> dict[str, Box]:
    inside = {table.name for table in plan.tables}
    refers = {
        table.name: {r.to_table for r in table.relationships if r.to_table in inside and r.to_table != table.name}
        for table in plan.tables
    }

    def depth(name: str, seen: tuple[str, ...] = ()) -> int:
        return 1 + max((depth(other, (*seen, name)) for other in refers[name] if other not in seen), default=-1)

    boxes = {}
    for table in plan.tables:
        near = refers[table.name]
        parents = [other for other in near if not any(other in refers[between] for between in near)]
        boxes[table.name] = Box(table, _lines(table), depth(table.name), parents=sorted(parents))
    return boxes


def _lines(table: Table) -> list[tuple[str, str]]:
    """Return the primary key, then columns that refer to other tables, with what they refer to."""
    schema = table.name.partition(".")[0]
    targets: dict[str, str] = {}
    for relationship in table.relationships:
        if relationship.to_table.partition(".")[0] != schema:
            targets |= dict.fromkeys(relationship.from_fields, relationship.to_table)

    def line(name: str) -> str:
        return f"{name} -> {targets[name]}" if name in targets else name

    keys = [(line(name), "key") for name in table.primary_key]
    return keys + [(line(name), "to") for name in targets if name not in table.primary_key]


def _place(boxes: dict[str, Box]) -> None:
    """Put boxes in columns; within a column those of one parent stand together, those with children first."""
    columns: dict[int, list[Box]] = {}
    for box in boxes.values():
        columns.setdefault(box.column, []).append(box)
    x: float = _MARGIN
    for number in sorted(columns):
        column = columns[number]
        order = {name: place for place, name in enumerate(boxes)}
        column.sort(key=lambda box: ([boxes[parent].y for parent in box.parents], order[box.table.name]))
        y: float = _MARGIN
        for box in column:
            box.x, box.y = x, y
            y += box.height + _GAP
        x += max(box.width for box in column) + _BETWEEN
    _centre(boxes, columns)


def _centre(boxes: dict[str, Box], columns: dict[int, list[Box]]) -> None:
    """Move shorter columns down beside the tables that they belong to."""
    tallest = max(column[-1].y + column[-1].height for column in columns.values())
    for number, column in columns.items():
        height = column[-1].y + column[-1].height - column[0].y
        parents = [boxes[parent].middle for box in column for parent in box.parents]
        wanted = (sum(parents) / len(parents) if parents else tallest / 2) - height / 2
        shift = (
            max(0.0, min(wanted, tallest - height) - column[0].y) if height < tallest - _MARGIN or number == 0 else 0.0
        )
        for box in column:
            box.y += shift


def _line(parent: Box, child: Box) -> str:
    start, end = parent.x + parent.width, child.x
    left, right = start + 10, end - 12
    middle = (left + right) / 2
    above, below = parent.middle, child.middle
    bend = f"{middle:.0f},{above:.0f} {middle:.0f},{below:.0f} {right:.0f},{below:.0f}"
    path = f"M{start:.0f},{above:.0f} H{left:.0f} C{bend} H{end:.0f}"
    one = f"M{start + 6:.0f},{above - 5:.0f} v10"
    kinds = {r.type for r in child.table.relationships if r.to_table == parent.table.name}
    many = f"M{end:.0f},{below - 5:.0f} L{end - 10:.0f},{below:.0f} L{end:.0f},{below + 5:.0f}"
    foot = f"M{end - 6:.0f},{below - 5:.0f} v10" if kinds == {"one_to_one"} else many
    return f'<path class="line" d="{path} {one} {foot}"/>'


def _drawn(box: Box) -> str:
    x, y, width = box.x, box.y, box.width
    lines = "".join(
        f'<text class="{style}" x="{x + 8:.0f}" y="{y + _HEAD + _LINE * (number + 1) - 2:.0f}">{escape(text)}</text>'
        for number, (text, style) in enumerate(box.lines)
    )
    return (
        f'<rect class="box" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{box.height:.0f}" rx="3"/>'
        f'<rect class="head" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{_HEAD}" rx="3"/>'
        f'<text class="name" x="{x + 8:.0f}" y="{y + 16:.0f}">{escape(box.name)}</text>{lines}'
    )
