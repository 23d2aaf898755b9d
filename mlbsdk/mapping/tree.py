"""The tree of JSON paths that a mapping reads: what has to be parsed of a document, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from mlbsdk.mapping.origins import source_path
from mlbsdk.mapping.plan import Column, FromJson, Level, Node, Table
from mlbsdk.mapping.yaml_file import Place

#: Keys that make a capture an envelope, or are parsing's own: a document with them can't be told from an envelope.
_ENVELOPE = ("response", "_corrupt")
#: Keys of an envelope that hold a value, which a document may have too.
ENVELOPE_VALUES = ("endpoint", "method", "url", "status_code", "path_params", "query_params", "captured_at")


class DocumentTree:
    """Builds the tree of the paths that tables read, and tells of paths that can't be in one tree.

    Args:
        place_of: gives the place of a table, or of one of its columns, in the file.
        problem: is told of each problem: its place, what it is about, and what is wrong.
    """

    def __init__(
        self, place_of: Callable[[str, str | None], Place], problem: Callable[[Place, str, str], None]
    ) -> None:
        self._place_of = place_of
        self._tell = problem
        self._place: Place = ()
        self._subject = ""

    def of(
        self,
        tables: tuple[Table, ...],
        document_columns: tuple[Column, ...],
        captured_at: tuple[FromJson, str] | None,
    ) -> Node:
        """Return the tree's root, an object."""
        root = Node("object")
        # Branches first: the named branches share one node, so that they get one type.
        for table in tables:
            self._at((*self._place_of(table.name, None), "array_source"), table.name)
            for count in range(1, len(table.levels) + 1):
                if self._node(root, table.levels[:count], ()) is None:
                    break
        for table in tables:
            for column in table.columns:
                if isinstance(column.origin, FromJson):
                    self._at((*self._place_of(table.name, column.name), "json_path"), f"{table.name}.{column.name}")
                    self._leaf(root, table.levels[: len(table.levels) - column.origin.up], column.origin.path)
        for column in document_columns:
            self._at((), column.name)
            if isinstance(column.origin, FromJson):
                self._leaf(root, (), column.origin.path)
        if captured_at is not None:
            self._at(("source", "captured_at", "path"), "source.captured_at")
            self._leaf(root, (), captured_at[0].path)
        # Filters last: a path that a filter only tests for presence may be an object that fields look into.
        for table in tables:
            self._at((*self._place_of(table.name, None), "filter"), f"{table.name}.filter")
            for _, origin in table.filter.paths if table.filter else ():
                self._node(root, table.levels[: len(table.levels) - origin.up], origin.path)
        self._refuse_envelope_keys(root)
        return root

    def _refuse_envelope_keys(self, root: Node) -> None:
        self._at(("targets",), "targets")
        for name, node in root.fields.items():
            key = name.lower()
            if key in _ENVELOPE or (key in ENVELOPE_VALUES and (key != name or node.kind != "leaf")):
                self._problem(f"'{name}' at the document's root is a key of the envelope that captures come in")

    def _at(self, place: Place, subject: str) -> None:
        self._place, self._subject = place, subject

    def _problem(self, message: str) -> None:
        self._tell(self._place, self._subject, message)

    def _leaf(self, root: Node, levels: tuple[Level, ...], path: tuple[str | int, ...]) -> None:
        node = self._node(root, levels, path)
        if node is None:
            return
        node.is_value = True
        if node.kind != "leaf":
            where = source_path(levels, FromJson(0, path)) or "$"
            self._problem(f"'{where}' is read as a value here, and other fields look inside it; map one or the other")

    def _node(self, root: Node, levels: tuple[Level, ...], path: tuple[str | int, ...]) -> Node | None:
        node: Node | None = root
        for level in levels:
            node = self._walk(node, level.path)
            if node is None:
                return None
            node = self._branch(node, level.branches) if level.kind == "branches" else self._inside(node, level.kind)
        return self._walk(node, path)

    def _walk(self, node: Node | None, path: tuple[str | int, ...]) -> Node | None:
        for step in path:
            if node is None:
                return None
            if isinstance(step, int):
                node = self._inside(node, "array")
            else:
                node = self._field(node, step) if self._become(node, "object", step) else None
        return node

    def _field(self, node: Node, name: str) -> Node:
        other = next((field for field in node.fields if field.lower() == name.lower() and field != name), None)
        if other is not None:
            self._problem(f"'{name}' and '{other}' differ in case alone, which Spark can't tell apart")
        return node.fields.setdefault(name, Node())

    def _inside(self, node: Node | None, kind: Literal["array", "map"]) -> Node | None:
        if node is None or not self._become(node, kind, "an item"):
            return None
        node.item = node.item or Node()
        return node.item

    def _branch(self, node: Node, branches: tuple[str, ...]) -> Node | None:
        """Return the node that named branches share."""
        if not self._become(node, "object", branches[0]):
            return None
        shared = next((node.fields[name] for name in branches if name in node.fields), Node())
        for name in branches:
            if name not in node.fields:
                self._field(node, name)
                node.fields[name] = shared
        if any(node.fields[name] is not shared for name in branches):
            listed = ", ".join(branches)
            self._problem(f"the branches {listed} overlap other branches; name the same ones everywhere")
            return None
        return shared

    def _become(self, node: Node, kind: Literal["object", "array", "map"], looked_for: object) -> bool:
        if node.kind == "leaf" and not node.is_value:
            node.kind = kind
        if node.kind != kind:
            found = _a(node.kind)
            self._problem(f"'{looked_for}' is looked for in {_a(kind)} where the mapping elsewhere has {found}")
            return False
        return True


def _a(kind: str) -> str:
    return {"object": "an object", "array": "an array", "map": "an object used as a map", "leaf": "a value"}[kind]
