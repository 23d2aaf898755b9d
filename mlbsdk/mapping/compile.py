"""Compile a checked mapping into a plan, and report everything about it that can't work."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from mlbsdk.errors import MappingError, did_you_mean
from mlbsdk.mapping.expressions import ExpressionError, check_expression, take_paths
from mlbsdk.mapping.load import LoadedMapping, Place
from mlbsdk.mapping.model import FieldSpec, Mapping, RuleSpec, TargetSpec
from mlbsdk.mapping.paths import Every, Path, Step, join, parse_path
from mlbsdk.mapping.plan import (
    CAPTURED_AT,
    LINEAGE,
    SYSTEM_COLUMNS,
    TRANSFORMED_AT,
    Column,
    Filter,
    FromDocument,
    FromExpression,
    FromItem,
    FromJson,
    FromRaw,
    Index,
    Level,
    Node,
    Origin,
    Plan,
    Relationship,
    Rule,
    Table,
)
from mlbsdk.mapping.types import ColumnType

RAW_COLUMNS = ("captured_at", "endpoint", "method", "params", "url", "status_code", "row_id")
_ITEM = re.compile(r"(?P<parents>(?:parent\.)*)(?P<what>index|key)\Z")


def compile_mapping(loaded: LoadedMapping) -> Plan:
    """Turn a mapping into a plan.

    Raises:
        MappingError: fields, paths, expressions or references that can't work; all of them at once.
    """
    return _Compiler(loaded).plan()


@dataclass
class _Compiler:
    loaded: LoadedMapping
    problems: list[str] = field(default_factory=list)

    @property
    def mapping(self) -> Mapping:
        return self.loaded.mapping

    def problem(self, place: Place, subject: str, message: str) -> None:
        self.problems.append(f"{self.loaded.positions.of(place)}: {subject}: {message}")

    def plan(self) -> Plan:
        mapping = self.mapping
        self._refuse_repeated_tables()
        roots = [target for target in mapping.targets if target.array_source is None]
        key = tuple(mapping.source.key or (roots[0].primary_key if roots else mapping.targets[0].primary_key))
        inheritable = self._inheritable(roots, key)
        tables = tuple(self._table(index, target, inheritable, key) for index, target in enumerate(mapping.targets))
        document_columns = self._document_columns(key, tables)
        captured_at = self._captured_at()
        document = _document_tree(tables, document_columns, captured_at, self.problems)
        if self.problems:
            raise MappingError(self.problems)
        plan = Plan(
            name=mapping.name,
            endpoint=mapping.source.endpoint,
            method=mapping.source.method,
            raw_table=mapping.source.raw_table,
            description=mapping.description,
            document=document,
            key=key,
            document_columns=document_columns,
            captured_at=captured_at,
            tables=tables,
            fingerprint="",
        )
        return replace(plan, fingerprint=hashlib.sha256(repr(plan).encode()).hexdigest())

    def _refuse_repeated_tables(self) -> None:
        seen: set[str] = set()
        for index, target in enumerate(self.mapping.targets):
            if target.name in seen:
                self.problem(("targets", index, "name"), target.name, "two targets have this name")
            seen.add(target.name)

    def _inheritable(self, roots: list[TargetSpec], key: tuple[str, ...]) -> dict[str, FieldSpec]:
        """Return the root targets' primary-key and partition fields: what child targets may take by name."""
        found: dict[str, FieldSpec] = {}
        for target in roots:
            for spec in target.fields:
                if spec.name in (*target.primary_key, *target.partition_by, *key):
                    found.setdefault(spec.name, spec)
        return found

    def _captured_at(self) -> tuple[FromJson, str] | None:
        spec = self.mapping.source.captured_at
        if spec is None:
            return None
        place: Place = ("source", "captured_at", "path")
        try:
            path = parse_path(spec.path)
        except ValueError as mistake:
            self.problem(place, "source.captured_at", str(mistake))
            return None
        if path.anchor not in ("item", "root") or not path.is_single:
            self.problem(place, "source.captured_at", f"'{spec.path}' must lead to one value from the document's root")
        return FromJson(0, path.plain_steps), spec.format

    def _document_columns(self, key: tuple[str, ...], tables: tuple[Table, ...]) -> tuple[Column, ...]:
        roots = [table for table in tables if not table.levels]
        available: dict[str, Column] = {}
        for table in reversed(roots):
            available |= {column.name: column for column in table.columns}
        place: Place = ("source", "key")
        for name in key:
            if name not in available:
                message = f"no root target has a field '{name}'.{did_you_mean(name, available)}"
                self.problem(
                    place, "source.key", message if roots else message + " A target without array_source is needed."
                )
        inherited = {c.origin.name for table in tables for c in table.columns if isinstance(c.origin, FromDocument)}
        ordered: dict[str, Column] = {}

        def add(name: str) -> None:
            column = available.get(name)
            if column is None or name in ordered:
                return
            if isinstance(column.origin, FromExpression):
                for needed in column.origin.columns:
                    add(needed)
            ordered[name] = column

        for name in [*key, *sorted(inherited)]:
            add(name)
        return tuple(ordered.values())

    # One target

    def _table(self, index: int, target: TargetSpec, inheritable: dict[str, FieldSpec], key: tuple[str, ...]) -> Table:
        place: Place = ("targets", index)
        levels = self._levels(place, target)
        columns = self._columns(place, target, levels, inheritable, key)
        names = [column.name for column in columns]
        self._check_names(place, target, names)
        _find_cycles(columns, lambda name: self._cycle(place, target, name))
        return Table(
            name=target.name,
            description=target.description,
            levels=levels,
            columns=tuple(columns),
            primary_key=tuple(target.primary_key),
            partition_by=tuple(target.partition_by),
            document_key=key,
            on_missing=target.on_missing,
            filter=self._filter(place, target, levels, names),
            rules=tuple(self._rules(place, target, names)),
            relationships=tuple(
                Relationship(spec.to_table, tuple(spec.from_field), tuple(spec.to_field), spec.type)
                for spec in target.relationships
            ),
            indexes=tuple(Index(tuple(spec.columns), spec.type) for spec in target.indexes),
        )

    def _cycle(self, place: Place, target: TargetSpec, name: str) -> None:
        self.problem(place, f"{target.name}.{name}", "its expression needs its own value; break the circle")

    def _levels(self, place: Place, target: TargetSpec) -> tuple[Level, ...]:
        if target.array_source is None:
            return ()
        try:
            path = parse_path(target.array_source)
            if path.anchor not in ("item", "root") or not path.steps:
                raise ValueError(f"'{target.array_source}' must start at the document's root: $.a.b")
        except ValueError as mistake:
            self.problem((*place, "array_source"), target.name, str(mistake))
            return ()
        levels: list[Level] = []
        prefix: list[str | int] = []
        for step in path.steps:
            if isinstance(step, Every):
                levels.append(Level(tuple(prefix), step.kind, step.branches))
                prefix = []
            else:
                prefix.append(step)
        if prefix:
            levels.append(Level(tuple(prefix), "array"))
        return tuple(levels)

    def _columns(
        self,
        place: Place,
        target: TargetSpec,
        levels: tuple[Level, ...],
        inheritable: dict[str, FieldSpec],
        key: tuple[str, ...],
    ) -> list[Column]:
        specs = list(target.fields)
        listed = {spec.name for spec in specs}
        for name in [] if levels else [name for name in key if name not in listed]:
            self.problem(place, target.name, f"has no field '{name}', which identifies the document; add it")
        wanted = [*key, *target.primary_key, *target.partition_by] if levels else []
        missing = [name for name in dict.fromkeys(wanted) if name not in listed and name in inheritable]
        specs = [FieldSpec(name=n, type=inheritable[n].type, json_path=f"$.{n}") for n in missing] + specs
        known = [spec.name for spec in specs] + [name for name in SYSTEM_COLUMNS if name not in listed]
        columns: list[Column] = []
        for spec in specs:
            if spec.name == LINEAGE:
                continue
            number = target.fields.index(spec) if spec in target.fields else 0
            where: Place = (*place, "fields", number)
            origin, source = self._origin(where, target, spec, levels, inheritable, known)
            required = not spec.nullable or spec.name in target.primary_key
            kind = ColumnType.parse(spec.type)
            description = spec.description
            if isinstance(origin, FromDocument):
                description = description or inheritable[origin.name].description
                kind = ColumnType.parse(inheritable[origin.name].type)
            default = None if spec.default is None else _text(spec.default)
            nulls = tuple(spec.null_values)
            is_stamp = spec.name == TRANSFORMED_AT
            columns.append(Column(spec.name, kind, not required, origin, source, default, nulls, description, is_stamp))
        return columns + [column for column in _system_columns() if column.name not in listed]

    def _check_names(self, place: Place, target: TargetSpec, names: list[str]) -> None:
        seen: set[str] = set()
        for number, spec in enumerate(target.fields):
            if spec.name.lower() in seen:
                self.problem((*place, "fields", number), f"{target.name}.{spec.name}", "two fields have this name")
            seen.add(spec.name.lower())
        lists: list[tuple[Place, str, Iterable[str]]] = [
            (("primary_key",), "primary_key", target.primary_key),
            (("partition_by",), "partition_by", target.partition_by),
            (("upsert_keys",), "upsert_keys", [key for key in target.upsert_keys or () if key not in RAW_COLUMNS]),
        ]
        lists += [(("indexes", n, "columns"), "indexes", spec.columns) for n, spec in enumerate(target.indexes)]
        lists += [
            (("relationships", n, "from_field"), "relationships", spec.from_field)
            for n, spec in enumerate(target.relationships)
        ]
        for where, what, wanted in lists:
            for name in wanted:
                if name not in names and name != LINEAGE:
                    message = f"no field '{name}' in this target.{did_you_mean(name, names)}"
                    self.problem((*place, *where), f"{target.name}.{what}", message)
        self._check_references(place, target)

    def _check_references(self, place: Place, target: TargetSpec) -> None:
        own = {other.name: other for other in self.mapping.targets}
        for number, spec in enumerate(target.relationships):
            other = own.get(spec.to_table)
            if other is None:
                continue
            names = {f.name for f in other.fields} | {*other.primary_key, *other.partition_by}
            for name in spec.to_field:
                if name not in names:
                    message = f"{spec.to_table} has no field '{name}'.{did_you_mean(name, names)}"
                    self.problem((*place, "relationships", number, "to_field"), f"{target.name}.relationships", message)

    # One field

    def _origin(
        self,
        place: Place,
        target: TargetSpec,
        spec: FieldSpec,
        levels: tuple[Level, ...],
        inheritable: dict[str, FieldSpec],
        known: list[str],
    ) -> tuple[Origin, str]:
        subject = f"{target.name}.{spec.name}"
        try:
            if spec.json_path is not None:
                return self._from_json(spec, levels, inheritable)
            if spec.item is not None:
                return _from_item(spec.item, levels)
            if spec.source_field is not None:
                return _from_raw(spec.source_field), ""
            assert spec.expression is not None
            checked = check_expression(spec.expression, known)
            return FromExpression(checked.sql, checked.columns), ""
        except (ValueError, ExpressionError) as mistake:
            key = next(k for k in ("json_path", "item", "source_field", "expression") if getattr(spec, k) is not None)
            self.problem((*place, key), subject, str(mistake))
            return FromRaw("row_id"), ""

    def _from_json(
        self, spec: FieldSpec, levels: tuple[Level, ...], inheritable: dict[str, FieldSpec]
    ) -> tuple[Origin, str]:
        assert spec.json_path is not None
        path = parse_path(spec.json_path)
        if not path.is_single:
            raise ValueError(f"'{spec.json_path}' leads to several values; use array_source for those, or an index [0]")
        if levels and path.anchor in ("item", "parent") and len(path.steps) == 1 and path.steps[0] in inheritable:
            name = str(path.steps[0])
            source = inheritable[name].json_path
            return FromDocument(name), join("", parse_path(source).steps) if source else ""
        origin = _reach(path, levels, spec.json_path)
        return origin, source_path(levels, origin)

    # Filters and rules

    def _filter(self, place: Place, target: TargetSpec, levels: tuple[Level, ...], names: list[str]) -> Filter | None:
        if target.filter is None:
            return None
        sql, paths = take_paths(target.filter)
        try:
            origins = tuple((name, _reach(parse_path(path), levels, path)) for name, path in paths)
            checked = check_expression(sql, [*names, *(name for name, _ in origins)])
        except (ValueError, ExpressionError) as mistake:
            self.problem((*place, "filter"), f"{target.name}.filter", str(mistake))
            return None
        bound = {name for name, _ in origins}
        return Filter(checked.sql, tuple(n for n in checked.columns if n not in bound), origins, target.filter)

    def _rules(self, place: Place, target: TargetSpec, names: list[str]) -> Iterable[Rule]:
        taken: set[str] = set()
        for number, spec in enumerate(target.data_quality):
            where: Place = (*place, "data_quality", number)
            text = rule_text(spec)
            name = spec.name or re.sub(r"\W+", "_", text).strip("_").lower()[:60]
            if name in taken:
                self.problem(where, f"{target.name}.{name}", "two rules have this name; give one a 'name'")
            taken.add(name)
            columns = tuple(spec.fields or ([spec.field] if spec.field else []))
            if spec.type == "unique":
                for column in columns:
                    if column not in names:
                        self.problem(
                            where, f"{target.name}.{name}", f"no field '{column}'.{did_you_mean(column, names)}"
                        )
                yield Rule(name, spec.severity, "unique", "", columns, spec.reason, text)
                continue
            try:
                checked = check_expression(text, names)
            except ExpressionError as mistake:
                self.problem(where, f"{target.name}.{name}", str(mistake))
                continue
            yield Rule(name, spec.severity, "sql", checked.sql, checked.columns, spec.reason, text)


def rule_text(spec: RuleSpec) -> str:
    """Return a rule as SQL text (for ``unique``, as it would be called)."""
    if spec.type == "not_null":
        return f"{spec.field} IS NOT NULL"
    if spec.type == "unique":
        return f"unique({', '.join(spec.fields or [spec.field or ''])})"
    if spec.type == "range":
        low = [f"{spec.field} >= {_literal(spec.min)}"] if spec.min is not None else []
        high = [f"{spec.field} <= {_literal(spec.max)}"] if spec.max is not None else []
        return " AND ".join(low + high)
    assert spec.rule is not None
    return spec.rule


def _literal(value: object) -> str:
    return (
        str(value)
        if isinstance(value, int | float)
        else "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _system_columns() -> tuple[Column, ...]:
    moment = ColumnType.parse("TIMESTAMPTZ")
    return (
        Column(
            CAPTURED_AT, moment, False, FromRaw("captured_at"), "", description="When the source was captured (UTC)."
        ),
        Column(
            TRANSFORMED_AT,
            moment,
            False,
            FromExpression("current_timestamp()", ()),
            "",
            description="When this row was made (UTC).",
            is_stamp=True,
        ),
    )


def _from_item(text: str, levels: tuple[Level, ...]) -> tuple[FromItem, str]:
    match = _ITEM.match(text)
    if match is None:
        raise ValueError(f"'{text}' is no pseudo-column: write index, key, parent.index or parent.key")
    up = match["parents"].count("parent.")
    if up >= len(levels):
        raise ValueError(f"'{text}' goes {up} levels up, and array_source has {len(levels)} levels")
    level = levels[-1 - up]
    if match["what"] == "index" and level.kind != "array":
        raise ValueError(f"'{text}': that level is an object; its items have a key, not an index")
    if match["what"] == "key" and level.kind == "array":
        raise ValueError(f"'{text}': that level is an array; its items have an index, not a key")
    what: Literal["index", "key"] = "index" if match["what"] == "index" else "key"
    return FromItem(up, what), source_path(levels, FromJson(up, ()))


def _from_raw(text: str) -> FromRaw:
    column, dot, parameter = text.partition(".")
    if column not in RAW_COLUMNS:
        raise ValueError(f"the raw row has no column '{column}'.{did_you_mean(column, RAW_COLUMNS)}")
    if dot and column != "params":
        raise ValueError(f"'{text}': only params has parts, such as params.game_pk")
    return FromRaw(column, parameter or None)


def _reach(path: Path, levels: tuple[Level, ...], text: str) -> FromJson:
    if not path.is_single:
        raise ValueError(f"'{text}' leads to several values")
    if path.anchor == "root":
        return FromJson(len(levels), path.plain_steps)
    if path.anchor == "previous":
        if not levels or levels[-1].kind != "array":
            raise ValueError(f"'{text}': only items of an array have a previous one")
        return FromJson(0, path.plain_steps, previous=True)
    if path.up > len(levels):
        raise ValueError(f"'{text}' goes {path.up} levels up, and the document is {len(levels)} levels up")
    return FromJson(path.up, path.plain_steps)


def source_path(levels: tuple[Level, ...], origin: FromJson) -> str:
    """Return where a value is from the document's root, such as ``liveData.plays.allPlays[*].result.event``."""
    text = ""
    for level in levels[: len(levels) - origin.up]:
        text = join(text, (*level.path, Every(level.kind, level.branches)))
    steps: tuple[Step, ...] = origin.path
    return join(text, steps)


def _find_cycles(columns: list[Column], cycle: Callable[[str], None]) -> None:
    """Tell of each column whose expression needs its own value, directly or through others."""
    by_name = {column.name: column for column in columns}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        column = by_name.get(name)
        if column is None or name in done:
            return
        if name in above:
            cycle(name)
        elif isinstance(column.origin, FromExpression):
            for needed in column.origin.columns:
                visit(needed, (*above, name))
        done.add(name)

    for column in columns:
        visit(column.name, ())


# The tree of paths to parse


def _document_tree(
    tables: tuple[Table, ...],
    document_columns: tuple[Column, ...],
    captured_at: tuple[FromJson, str] | None,
    problems: list[str],
) -> Node:
    root = Node("object")
    # Branches first: the named branches share one node, so that they get one type.
    for table in tables:
        for count in range(1, len(table.levels) + 1):
            _place(root, table.levels[:count], (), table.name, problems)
    for table in tables:
        wanted = [column.origin for column in table.columns if isinstance(column.origin, FromJson)]
        for origin in wanted:
            _leaf(root, table.levels[: len(table.levels) - origin.up], origin.path, table.name, problems)
    for column in document_columns:
        if isinstance(column.origin, FromJson):
            _leaf(root, (), column.origin.path, column.name, problems)
    if captured_at is not None:
        _leaf(root, (), captured_at[0].path, "source.captured_at", problems)
    # Filters last: a path that a filter only tests for presence may be an object that fields look into.
    for table in tables:
        for _, origin in table.filter.paths if table.filter else ():
            levels = table.levels[: len(table.levels) - origin.up]
            _place(root, levels, origin.path, table.name, problems)
    return root


def _leaf(
    root: Node, levels: tuple[Level, ...], path: tuple[str | int, ...], subject: str, problems: list[str]
) -> None:
    node = _place(root, levels, path, subject, problems)
    if node is None:
        return
    node.is_value = True
    if node.kind != "leaf":
        where = source_path(levels, FromJson(0, path)) or "$"
        problems.append(
            f"{subject}: '{where}' is read as a value here, and other fields look inside it; map one or the other"
        )


def _place(
    root: Node, levels: tuple[Level, ...], path: tuple[str | int, ...], subject: str, problems: list[str]
) -> Node | None:
    node: Node | None = root
    for level in levels:
        node = _walk(node, level.path, subject, problems)
        if node is None:
            return None
        if level.kind == "branches":
            node = _shared_branch(node, level.branches, subject, problems)
        else:
            node = _inside(node, level.kind, subject, problems)
    return _walk(node, path, subject, problems)


def _walk(node: Node | None, path: tuple[str | int, ...], subject: str, problems: list[str]) -> Node | None:
    for step in path:
        if node is None:
            return None
        if isinstance(step, int):
            node = _inside(node, "array", subject, problems)
        elif _become(node, "object", subject, step, problems):
            node = node.fields.setdefault(step, Node())
        else:
            return None
    return node


def _inside(node: Node | None, kind: str, subject: str, problems: list[str]) -> Node | None:
    if node is None or not _become(node, kind, subject, "an item", problems):
        return None
    node.item = node.item or Node()
    return node.item


def _shared_branch(node: Node, branches: tuple[str, ...], subject: str, problems: list[str]) -> Node | None:
    if not _become(node, "object", subject, branches[0], problems):
        return None
    shared = next((node.fields[name] for name in branches if name in node.fields), Node())
    for name in branches:
        node.fields.setdefault(name, shared)
    if any(node.fields[name] is not shared for name in branches):
        problems.append(
            f"{subject}: the branches {', '.join(branches)} overlap other branches; name the same ones everywhere"
        )
        return None
    return shared


def _become(node: Node, kind: str, subject: str, looked_for: object, problems: list[str]) -> bool:
    if node.kind == "leaf" and not node.is_value:
        node.kind = kind  # type: ignore[assignment]  # one of the four kinds
    if node.kind != kind:
        problems.append(
            f"{subject}: '{looked_for}' is looked for in {_a(kind)} where the mapping elsewhere has {_a(node.kind)}"
        )
        return False
    return True


def _a(kind: str) -> str:
    return {"object": "an object", "array": "an array", "map": "an object used as a map", "leaf": "a value"}[kind]
