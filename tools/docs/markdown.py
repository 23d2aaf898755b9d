"""Small pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

NOTE = "<!-- Made by tools/docs/generate.py: change {source} and run it again. -->"
_CODE = re.compile(r"(?<!`)`(?P<code>[^`|]*\|[^`]*)`(?!`)")
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):`~?([^`]+)`")


def head(title: str, source: str) -> str:
    """Return a page's heading, and the comment that tells where the page comes from.

    The heading is first: the navigation takes the title of a page from there.
    """
    return f"# {title}\n\n{NOTE.format(source=source)}"


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


def from_docstring(text: str) -> str:
    """Return a docstring's reStructuredText as Markdown: roles, double backticks, ``::`` blocks, Raises sections."""
    text = _ROLE.sub(lambda match: "`" + match.group(1).rpartition(".")[2] + "`", text).replace("``", "`")
    text = re.sub(r"::\n\n", ":\n\n", text)
    return re.sub(r"\nRaises:\n(?P<body>(?: {4}.*(?:\n|$))+)", _raises, text)


def _raises(match: re.Match[str]) -> str:
    found = re.findall(r" {4}(\w+): ([^\n]*(?:\n {8}[^\n]*)*)", match["body"])
    return "\n" + "\n".join(f"Raises `{name}`: {' '.join(why.split())}" for name, why in found) + "\n"
