"""Small pieces of Markdown that pages of this repository need besides those of the core."""

from __future__ import annotations

import re

from mlbsdk.mapping.reference.markdown import cell, code, plain, table

__all__ = ["cell", "code", "from_docstring", "head", "note", "plain", "table"]

_NOTE = "<!-- Made by tools/docs/generate.py: change {source} and run it again. -->"
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):`~?([^`]+)`")


def note(source: str) -> str:
    """Return the comment that tells where a page comes from."""
    return _NOTE.format(source=source)


def head(title: str, source: str) -> str:
    """Return a page's heading, and the comment that tells where the page comes from.

    The heading is first: the navigation takes the title of a page from there.
    """
    return f"# {title}\n\n{note(source)}"


def from_docstring(text: str) -> str:
    """Return a docstring's reStructuredText as Markdown: roles, double backticks, ``::`` blocks, Raises sections."""
    text = _ROLE.sub(lambda match: "`" + match.group(1).rpartition(".")[2] + "`", text).replace("``", "`")
    text = re.sub(r"::\n\n", ":\n\n", text)
    return re.sub(r"\nRaises:\n(?P<body>(?: {4}.*(?:\n|$))+)", _raises, text)


def _raises(match: re.Match[str]) -> str:
    found = re.findall(r" {4}(\w+): ([^\n]*(?:\n {8}[^\n]*)*)", match["body"])
    return "\n" + "\n".join(f"Raises `{name}`: {' '.join(why.split())}" for name, why in found) + "\n"
