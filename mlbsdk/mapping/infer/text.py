"""A draft as YAML that people read: one field a line, and a comment wherever a person should look."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from mlbsdk.mapping.infer.draft import Draft, DraftColumn, DraftTable

CHECK = "CHECK"
_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_.$-]*(?: [A-Za-z0-9_.$-]+)*\Z")
_WORDS = ("true", "false", "null", "yes", "no", "on", "off")
_WIDEST = 140


def yaml_text(draft: Draft) -> str:
    """Return the draft as a mapping file."""
    return "\n".join(_lines(draft)) + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    count = "1 capture" if draft.documents == 1 else f"{draft.documents} captures"
    yield f"# A draft of {draft.name}, inferred from {count}. It loads and runs as it is, and knows no more than"
    yield f"# these captures show: look at what is marked {CHECK} ({draft.doubts}), write descriptions and rules, and"
    yield "# judge it with 'mlbsdk mapping coverage' against captures that it was not made from."
    yield 'version: "1.0"'
    yield f"description: {_scalar(f'Draft of {draft.name}, inferred from {count}.')}"
    yield "source:"
    yield f"  endpoint: {_scalar(draft.endpoint)}"
    yield f"  method: {_scalar(draft.method)}"
    yield f"  raw_table: {_scalar(f'{draft.endpoint}.{draft.method[:59]}_raw')}"
    if draft.key_doubt:
        yield from _comments([f"{CHECK}: {draft.key_doubt}."], "  ")
    yield f"  key: {_list(draft.key)}"
    if draft.captured_at:
        path, pattern = draft.captured_at
        yield f"  # {CHECK}: whether this is when the document was captured, in UTC."
        yield f"  captured_at: {{path: {_scalar(path)}, format: {_scalar(pattern)}}}"
    yield ""
    yield "targets:"
    for number, table in enumerate(draft.tables):
        if number:
            yield ""
        yield from _table(table)


def _table(table: DraftTable) -> Iterator[str]:
    yield from _comments([f"{table.seen} seen."], "  ")
    yield from _comments([f"{CHECK}: {doubt}." for doubt in table.doubts], "  ")
    yield f"  - name: {_scalar(table.name)}"
    yield f"    description: {_scalar(table.description)}"
    if table.array_source is not None:
        yield f"    array_source: {_scalar(table.array_source)}"
    yield f"    primary_key: {_list(table.primary_key)}"
    # A document is a snapshot: what its newest capture lacks is gone.
    yield "    on_missing: delete"
    yield "    fields:"
    for column in table.columns:
        yield f"      - {_column(column)}"
    yield from _comments([f"No column: {skipped}." for skipped in table.skipped], "      ")
    if table.relationships:
        yield "    relationships:"
    for each in table.relationships:
        target = f"to_table: {_scalar(each.to_table)}"
        yield f"      - {{{target}, from_field: {_list(each.fields)}, to_field: {_list(each.to_fields)}}}"


def _column(column: DraftColumn) -> str:
    key, value = column.origin
    parts = [f"name: {_scalar(column.name)}", f"type: {_scalar(column.type)}"]
    parts += ["nullable: false"] if column.is_required else []
    parts.append(f"{key}: {_scalar(value)}")
    parts += [f"default: {_quoted(column.default)}"] if column.default is not None else []
    parts += [f"null_values: [{', '.join(map(_quoted, column.null_values))}]"] if column.null_values else []
    comment = f"  # {CHECK}: {column.doubt}" if column.doubt else f"  # {column.remark}" if column.remark else ""
    return f"{{{', '.join(parts)}}}{comment}"


def _comments(texts: Iterable[str], indent: str) -> Iterator[str]:
    for text in texts:
        line = f"{indent}#"
        for word in _printable(text).split():
            if len(line) + len(word) >= _WIDEST:
                yield line
                line = f"{indent}#  "
            line += f" {word}"
        yield line


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(_scalar, names))}]"


def _scalar(text: str) -> str:
    """Return a text as YAML: plain where nobody could read it otherwise."""
    return text if _PLAIN.match(text) and text.lower() not in _WORDS else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
