"""The page of a mapping as one HTML file: nothing is loaded from elsewhere, and all of a mapping's text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources

from mlbsdk.mapping.plan import Column, Plan, Relationship, Rule, Table
from mlbsdk.mapping.reference import facts
from mlbsdk.mapping.reference.diagram import svg
from mlbsdk.mapping.reference.pages import DIAGRAM_WORDS


def html_page(plan: Plan, file: str = "") -> str:
    """Return the page of a mapping; ``file`` is the mapping's file as readers know it."""
    title = escape(plan.name)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
            "script-src 'unsafe-inline'; img-src data:\">",
            f"<title>{title}: tables</title><style>{_resource('page.css')}</style></head>",
            f'<body><div class="shell">{_nav(plan)}<main>',
            f'<h1>{title}</h1><p class="lead">{escape(plan.description)}</p>',
            _facts(_of_plan(plan, file)),
            f'<h2 id="diagram">Diagram</h2><p class="lead">{escape(DIAGRAM_WORDS)}</p>',
            f'<div class="diagram">{svg(plan, lambda name: f"#{_id(name)}")}</div>',
            '<p id="none" hidden>No column has these words.</p>',
            *(_table(table, plan) for table in plan.tables),
            _lineage(),
            f"</main></div><script>{_resource('page.js')}</script></body></html>",
        ]
    )


def _nav(plan: Plan) -> str:
    links = "".join(
        f'<li><a href="#{_id(table.name)}">{escape(facts.anchor(table))}<small>{facts.column_count(table)}</small></a>'
        "</li>"
        for table in plan.tables
    )
    find = '<input id="find" type="search" placeholder="Find a column" aria-label="Find a column">'
    return f'<nav aria-label="Tables"><h2>{escape(plan.name)}</h2>{find}<ol>{links}</ol></nav>'


def _of_plan(plan: Plan, file: str) -> list[tuple[str, str]]:
    time = facts.captured_at(plan)
    columns = sum(facts.column_count(table) for table in plan.tables)
    found = [("Mapping", _code(file))] if file else []
    found += [
        ("Tables", f"{len(plan.tables)} with {columns} columns"),
        ("Raw table", _code(plan.raw_table)),
        ("Document identified by", _codes(plan.key)),
    ]
    if time:
        said = f"{_code(time[0])} ({_code(time[1])}, UTC), unless the raw row or envelope says"
        found.append(("Captured at", said))
    return found


def _table(table: Table, plan: Plan) -> str:
    said = [("Primary key", _codes(table.primary_key))]
    said += [("Partitioned by", _codes(table.partition_by))] if table.partition_by else []
    said.append(("Rows come from", _code(facts.rows_source(table))))
    said += [("Only where", _code(table.filter.text))] if table.filter else []
    said.append(("Rows that a newer capture no longer holds", escape(facts.when_missing(table))))
    if table.indexes:
        listed = "; ".join(f"({_codes(index.columns)}) {escape(index.type)}" for index in table.indexes)
        said.append(("Indexes, in stores that have them", listed))
    rows = [_column(table, column) for column in table.columns]
    link = 'See <a href="#lineage_metadata">lineage_metadata</a>.'
    rows.append(_row([_code(facts.lineage_column()), "struct", "no", link, ""], _COLUMN_CLASSES, " data-column"))
    parts = [
        f'<section id="{_id(table.name)}" data-table="{escape(table.name.lower())}"><h2>{escape(table.name)}</h2>',
        f'<p class="lead">{escape(table.description)}</p>',
        _facts(said),
        _grid(["column", "type", "null", "description", "source"], rows),
    ]
    if table.relationships:
        rows = [_row(_reference(relationship, plan)) for relationship in table.relationships]
        parts += ["<h3>Relationships</h3>", _grid(["columns", "refer to", "kind"], rows)]
    if table.rules:
        rows = [_row(_rule(rule)) for rule in table.rules]
        parts += ["<h3>Rules</h3>", _grid(["rule", "holds when", "severity", "reason"], rows)]
    return "".join([*parts, "</section>"])


_COLUMN_CLASSES = ("", "type", "null", "", "from")


def _column(table: Table, column: Column) -> str:
    text = escape(column.description)
    if column.default is not None:
        text += f" Default: {_code(column.default or repr(column.default))}."
    if column.null_values:
        text += f" Null where the source has {_codes(map(repr, column.null_values))}."
    source = facts.source(table, column)
    told = " ".join(filter(None, [escape(source.words), _code(source.code)]))
    marks = '<span class="badge">key</span>' if column.name in table.primary_key else ""
    refers = any(column.name in relationship.from_fields for relationship in table.relationships)
    marks += '<span class="badge">ref</span>' if refers and not marks else ""
    cells = [_code(column.name) + marks, escape(str(column.type)), "yes" if column.nullable else "no", text, told]
    return _row(cells, _COLUMN_CLASSES, " data-column")


def _reference(relationship: Relationship, plan: Plan) -> list[str]:
    name = _code(facts.referred(relationship))
    is_here = any(table.name == relationship.to_table for table in plan.tables)
    target = f'<a href="#{_id(relationship.to_table)}">{name}</a>' if is_here else name
    return [_codes(relationship.from_fields), target, escape(relationship.type.replace("_", " "))]


def _rule(rule: Rule) -> list[str]:
    severity = f'<span class="{escape(rule.severity)}">{escape(rule.severity)}</span>'
    return [_code(rule.name), _code(rule.text or rule.sql), severity, escape(rule.reason)]


def _lineage() -> str:
    rows = [_row([_code(name), escape(type), escape(text)]) for name, type, text in facts.LINEAGE_FIELDS]
    words = "Where a row comes from, and which checks it passed: a struct at the end of every table."
    head = f'<section id="lineage_metadata"><h2>lineage_metadata</h2><p class="lead">{words}</p>'
    return f"{head}{_grid(['field', 'type', 'meaning'], rows)}</section>"


# Pieces


def _facts(said: Iterable[tuple[str, str]]) -> str:
    """Return a list of names and (already escaped) texts."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{text}</dd>" for name, text in said) + "</dl>"


def _grid(head: Sequence[str], rows: Iterable[str]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(cells: Sequence[str], classes: Sequence[str] = (), attributes: str = "") -> str:
    """Return a row of (already escaped) cells."""
    named = [*classes, *[""] * (len(cells) - len(classes))]
    pairs = zip(cells, named, strict=True)
    made = (f'<td class="{name}">{cell}</td>' if name else f"<td>{cell}</td>" for cell, name in pairs)
    return f"<tr{attributes}>{''.join(made)}</tr>"


def _resource(name: str) -> str:
    """Return a file of this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>" if text else ""


def _codes(texts: Iterable[str]) -> str:
    return ", ".join(map(_code, texts))


def _id(table: str) -> str:
    """Return a table's anchor; names are letters, digits, underscores and a dot."""
    return escape(f"table-{table}")
