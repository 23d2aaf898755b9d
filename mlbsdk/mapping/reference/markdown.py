"""Small pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

_CODE = re.compile(r"(?<!`)`(?P<code>[^`|]*\|[^`]*)`(?!`)")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell(text) for text in line) + " |" for line in lines)


def cell(text: str) -> str:
    """Return text that may stand in a table's cell: one line, bars escaped.

    Code with a bar becomes HTML: Markdown's flavours differ in whether a backslash is needed, or shown, there.
    """
    line = _CODE.sub(lambda match: _as_html(match["code"]), " ".join(text.split()))
    return line.replace("|", "\\|")


def _as_html(text: str) -> str:
    """Return code as HTML in which Markdown sees no markup."""
    special = {ord(char): f"&#{ord(char)};" for char in "|*_[]`\\"}
    return f"<code>{escape(text, quote=False).translate(special)}</code>"


def plain(text: str) -> str:
    """Return text in which Markdown sees no markup; an underscore inside a word is none."""
    return re.sub(r"([*<\[\]`]|(?<!\w)_|_(?!\w))", r"\\\1", text)


def code(text: str) -> str:
    """Return text as code; nothing for nothing."""
    fence = "``" if "`" in text else "`"
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{' '.join(text.split())}{pad}{fence}" if text else ""
