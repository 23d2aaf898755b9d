"""Compile a checked mapping into a plan, and report everything about it that can't work."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from mlbsdk.errors import did_you_mean
from mlbsdk.mapping.expressions import ExpressionError, check_condition, check_expression, take_paths
from mlbsdk.mapping.fitting import fits
from mlbsdk.mapping.load import LoadedMapping
from mlbsdk.mapping.model import FieldSpec, Mapping, RuleSpec, TargetSpec
from mlbsdk.mapping.origins import RAW_COLUMNS, circles, from_item, from_raw, reach, require_kind, source_path
from mlbsdk.mapping.paths import Every, join, parse_path
from mlbsdk.mapping.plan import (
    CAPTURED_AT,
    LINEAGE,
    RESCUED,
    RESCUED_FROM,
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
from mlbsdk.mapping.tree import DocumentTree
from mlbsdk.mapping.types import ColumnType
from mlbsdk.mapping.yaml_file import Mistake, Place

#: Letters of Spark's datetime patterns that it can parse.
_PATTERN_LETTERS = frozenset("GyMLdDaHhKkmsSzVOXxZ")
_MOST_LAYERS = 64


@lru_cache(maxsize=32)
def compile_mapping(loaded: LoadedMapping) -> Plan:
    """Turn a mapping into a plan, once.

    Raises:
        MappingError: fields, paths, expressions or references that can't work; all of them at once.
    """
    return _Compiler(loaded).plan()


def mistakes_of(loaded: LoadedMapping, broken: frozenset[Place]) -> list[Mistake]:
    """Return what keeps a mapping from working; ``broken`` are fields and rules whose content says nothing."""
    compiler = _Compiler(loaded, broken)
    compiler.tables()
    return compiler.mistakes


@dataclass(frozen=True)
class _Inheritable:
    """A root target's primary-key or partition field, which child targets may take by name."""

    target: int
    spec: FieldSpec


@dataclass
class _Compiler:
    loaded: LoadedMapping
    broken: frozenset[Place] = frozenset()
    mistakes: list[Mistake] = field(default_factory=list)

    @property
    def mapping(self) -> Mapping:
        return self.loaded.mapping

    def problem(self, place: Place, subject: str, message: str) -> None:
        self.mistakes.append(Mistake(place, f"{subject}: {message}"))

    def _unless_broken(self, place: Place, subject: str, message: str) -> None:
        if not any(place[: len(broken)] == broken for broken in self.broken):
            self.problem(place, subject, message)

    def plan(self) -> Plan:
        mapping = self.mapping
        key, tables, document_columns, captured_at, document = self.tables()
        if self.mistakes:
            raise self.loaded.error(self.mistakes)
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
            not_rescued=tuple(note.path for note in mapping.coverage.ignore) if mapping.drift.rescued else None,
            also_methods=tuple(mapping.source.also_methods),
            tags=tuple(mapping.tags.items()),
        )
        return replace(plan, fingerprint=hashlib.sha256(repr(plan).encode()).hexdigest())

    def tables(
        self,
    ) -> tuple[tuple[str, ...], tuple[Table, ...], tuple[Column, ...], tuple[FromJson, str] | None, Node]:
        """Compile all parts; what can't work is in ``mistakes``."""
        mapping = self.mapping
        self._refuse_repeated_tables()
        roots = [target for target in mapping.targets if target.array_source is None]
        key = self._key(roots)
        inheritable = self._inheritable(key)
        tables = tuple(self._table(index, target, inheritable, key) for index, target in enumerate(mapping.targets))
        document_columns = self._document_columns(key, tables, inheritable)
        captured_at = self._captured_at()
        self._check_filters()
        if mapping.drift.rescued and not roots:
            self.problem(("drift", "rescued"), "drift.rescued", "needs a table with one row a document; there is none")
        document = DocumentTree(self.place_of, self._unless_broken).of(tables, document_columns, captured_at)
        return key, tables, document_columns, captured_at, document

    def _key(self, roots: list[TargetSpec]) -> tuple[str, ...]:
        """Return the fields that identify a document; none where the mapping says that captures are no documents."""
        if self.mapping.source.capture_is == "document":
            return tuple(self.mapping.source.key or (roots or self.mapping.targets)[0].primary_key)
        for index, target in enumerate(self.mapping.targets):
            if target.on_missing == "delete":
                needs = "on_missing: delete needs a document to be missing from"
                message = f"{needs}, and with capture_is: list there is none; write keep"
                self.problem(("targets", index, "on_missing"), target.name, message)
        return ()

    def place_of(self, table: str, column: str | None = None) -> Place:
        """Return the place of a table, or of one of its columns."""
        for index, target in enumerate(self.mapping.targets):
            if target.name == table:
                numbers = [number for number, spec in enumerate(target.fields) if spec.name == column]
                return ("targets", index, "fields", numbers[0]) if numbers else ("targets", index)
        return ()

    def _refuse_repeated_tables(self) -> None:
        seen: set[str] = set()
        for index, target in enumerate(self.mapping.targets):
            if target.name.lower() in seen:
                self.problem(("targets", index, "name"), target.name, "two targets have this name")
            seen.add(target.name.lower())

    def _inheritable(self, key: tuple[str, ...]) -> dict[str, _Inheritable]:
        """Return the root targets' primary-key and partition fields, of the first root that has them."""
        found: dict[str, _Inheritable] = {}
        for index, target in enumerate(self.mapping.targets):
            if target.array_source is not None:
                continue
            for spec in target.fields:
                if spec.name in (*target.primary_key, *target.partition_by, *key):
                    found.setdefault(spec.name, _Inheritable(index, spec))
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
        if path.anchor not in ("item", "root") or not path.is_single or not path.steps:
            self.problem(place, "source.captured_at", f"'{spec.path}' must lead to one value from the document's root")
            return None
        self._check_pattern(spec.format)
        return FromJson(0, path.plain_steps), spec.format

    def _check_filters(self) -> None:
        """Refuse filters that stand for no single value of a document."""
        for name, spec in self.mapping.source.filters.items():
            place: Place = ("source", "filters", name)
            subject = f"source.filters.{name}"
            try:
                if spec.source_field is not None and from_raw(spec.source_field).parameter is None:
                    self.problem(place, subject, f"'{spec.source_field}' is no request parameter, such as params.date")
                path = parse_path(spec.json_path) if spec.json_path is not None else None
            except ValueError as mistake:
                self.problem(place, subject, str(mistake))
                continue
            if path is not None and (path.anchor not in ("item", "root") or not path.is_single or not path.steps):
                self.problem(place, subject, f"'{spec.json_path}' must lead to one value from the document's root")

    def _check_pattern(self, pattern: str) -> None:
        """Refuse what Spark's datetime patterns don't know: it would fail in the run."""
        place: Place = ("source", "captured_at", "format")
        plain = re.sub(r"'[^']*'", "", pattern)
        unknown = sorted({char for char in plain if char.isalpha() and char not in _PATTERN_LETTERS})
        if "'" in plain or any(char in plain for char in "#{}[]"):
            self.problem(place, "source.captured_at", f"'{pattern}' has an unclosed quote or a bracket")
        elif unknown or not any(char in _PATTERN_LETTERS for char in plain):
            what = f"{', '.join(unknown)} is no letter of" if unknown else "has no letter of"
            hint = f"'{pattern}': {what} a Spark datetime pattern, such as yyyyMMdd_HHmmss; quote plain text with '"
            self.problem(place, "source.captured_at", hint)

    def _document_columns(
        self, key: tuple[str, ...], tables: tuple[Table, ...], inheritable: dict[str, _Inheritable]
    ) -> tuple[Column, ...]:
        """Return what is computed once a document: the key, what child tables inherit, and what those need."""
        has_root = any(not table.levels for table in tables)
        place: Place = ("source", "key") if self.mapping.source.key else ()
        for name in key:
            if name not in inheritable:
                message = f"no root target has a field '{name}'.{_near(name, inheritable)}"
                more = "" if has_root else " A target without array_source is needed."
                self.problem(place, "source.key", message + more)
        inherited = {c.origin.name for table in tables for c in table.columns if isinstance(c.origin, FromDocument)}
        ordered: dict[str, Column] = {}
        begun: set[str] = set()

        def add(name: str, table: Table) -> None:
            column = next((column for column in table.columns if column.name == name), None)
            if column is None:
                return
            if name in begun:
                if name in ordered and ordered[name] != column and ordered[name].origin != column.origin:
                    subject = f"{table.name}.{name}"
                    message = (
                        "another root target computes it otherwise, and child targets need it: give one another name"
                    )
                    self.problem(self.place_of(table.name, name), subject, message)
                return
            begun.add(name)
            if isinstance(column.origin, FromExpression):
                for needed in column.origin.columns:
                    add(needed, table)
            ordered[name] = column

        for name in [*key, *sorted(inherited)]:
            if name in inheritable:
                add(name, tables[inheritable[name].target])
        return tuple(ordered.values())

    # One target

    def _table(
        self, index: int, target: TargetSpec, inheritable: dict[str, _Inheritable], key: tuple[str, ...]
    ) -> Table:
        place: Place = ("targets", index)
        levels = self._levels(place, target)
        columns = self._columns(place, target, levels, inheritable, key)
        known = {column.name: self._known_type(place, target, column) for column in columns}
        self._check_names(place, target, list(known), key, inheritable)
        self._check_circles(place, target, columns)
        return Table(
            name=target.name,
            description=target.description,
            levels=levels,
            columns=tuple(columns),
            primary_key=tuple(target.primary_key),
            partition_by=tuple(target.partition_by),
            document_key=key,
            on_missing=target.on_missing,
            filter=self._filter(place, target, levels, known),
            rules=tuple(self._rules(place, target, known)),
            relationships=tuple(
                Relationship(spec.to_table, tuple(spec.from_field), tuple(spec.to_field), spec.type)
                for spec in target.relationships
            ),
            indexes=tuple(Index(tuple(spec.columns), spec.type) for spec in target.indexes),
            tags=tuple(target.tags.items()),
        )

    def _known_type(self, place: Place, target: TargetSpec, column: Column) -> ColumnType | None:
        """Return a column's type; None for a field that is broken, whose type says nothing."""
        numbers = [number for number, spec in enumerate(target.fields) if spec.name == column.name]
        is_broken = any((*place, "fields", number) in self.broken for number in numbers)
        return None if is_broken else column.type

    def _check_circles(self, place: Place, target: TargetSpec, columns: list[Column]) -> None:
        in_circle, layers = circles(columns)
        for name in in_circle:
            message = "its expression needs its own value; break the circle"
            self.problem(self.place_of(target.name, name), f"{target.name}.{name}", message)
        if layers > _MOST_LAYERS:
            message = f"expressions build on each other {layers} deep; {_MOST_LAYERS} is the most"
            self.problem(place, target.name, message)

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
        inheritable: dict[str, _Inheritable],
        key: tuple[str, ...],
    ) -> list[Column]:
        listed = {spec.name for spec in target.fields}
        is_root = target.array_source is None
        for name in [name for name in key if name not in listed] if is_root else []:
            self.problem(place, target.name, f"has no field '{name}', which identifies the document; add it")
        wanted = [] if is_root else [*key, *target.primary_key, *target.partition_by]
        missing = [name for name in dict.fromkeys(wanted) if name not in listed and name in inheritable]
        own: dict[str, ColumnType | None] = {}
        for number, spec in enumerate(target.fields):
            is_broken = (*place, "fields", number) in self.broken
            own.setdefault(spec.name, None if is_broken else ColumnType.parse(spec.type))
        system = {column.name: column for column in _system_columns()}
        known = {name: ColumnType.parse(inheritable[name].spec.type) for name in missing} | own
        known = {name: type for name, type in known.items() if name != LINEAGE}
        known |= {name: column.type for name, column in system.items()}
        columns = [_inherited(name, target, inheritable[name].spec) for name in missing]
        for number, spec in enumerate(target.fields):
            where: Place = (*place, "fields", number)
            if spec.name in SYSTEM_COLUMNS:
                self._check_system(where, target, spec)
                if spec.name in system:
                    column = system.pop(spec.name)
                    columns.append(replace(column, description=spec.description or column.description))
                continue
            origin, source = self._origin(where, target, spec, levels, inheritable, known)
            required = not spec.nullable or spec.name in target.primary_key
            kind = ColumnType.parse(spec.type)
            description = spec.description
            if isinstance(origin, FromDocument):
                root = inheritable[origin.name].spec
                description = description or root.description
                self._check_inherited(where, target, spec, root)
                kind = ColumnType.parse(root.type)
            default = None if spec.default is None else _text(spec.default)
            self._check_default(where, target, spec, kind, origin)
            nulls = tuple(spec.null_values)
            columns.append(Column(spec.name, kind, not required, origin, source, default, nulls, description))
        return [*columns, *self._rescued(place, target, own), *system.values()]

    def _rescued(self, place: Place, target: TargetSpec, own: Iterable[str]) -> list[Column]:
        """Return the column of what no field maps, for the first root target of a mapping that wants it."""
        first = next((each for each in self.mapping.targets if each.array_source is None), None)
        if not self.mapping.drift.rescued or target is not first:
            return []
        if RESCUED in own:
            self.problem(place, target.name, f"has a field '{RESCUED}', which drift.rescued makes; rename it")
        return [
            Column(
                RESCUED,
                ColumnType.parse("JSONB"),
                True,
                FromRaw(RESCUED_FROM),
                "",
                description="What the document holds and no field maps: places and their values.",
            )
        ]

    def _check_system(self, where: Place, target: TargetSpec, spec: FieldSpec) -> None:
        """A column that every table has may be listed, but not be something else."""
        if where in self.broken or spec.name == LINEAGE:
            return
        wanted = {CAPTURED_AT: ("source_field", "captured_at"), TRANSFORMED_AT: ("expression", "current_timestamp()")}
        key, value = wanted[spec.name]
        found = getattr(spec, key)
        is_same = found is not None and found.strip().lower().removesuffix("()") == value.removesuffix("()")
        if not is_same or ColumnType.parse(spec.type).name != "TIMESTAMPTZ" or spec.default is not None:
            message = f"every table has this column as TIMESTAMPTZ with {key}: {value}; leave it out or write it so"
            self.problem(where, f"{target.name}.{spec.name}", message)

    def _check_inherited(self, where: Place, target: TargetSpec, spec: FieldSpec, root: FieldSpec) -> None:
        subject = f"{target.name}.{spec.name}"
        if where not in self.broken and ColumnType.parse(spec.type) != ColumnType.parse(root.type):
            self.problem((*where, "type"), subject, f"is inherited from the root as {root.type}; write that type")
        for key in ("default", "null_values"):
            if getattr(spec, key) not in (None, []):
                self.problem((*where, key), subject, f"is inherited from the root; write '{key}' there")

    def _check_default(
        self, where: Place, target: TargetSpec, spec: FieldSpec, kind: ColumnType, origin: Origin
    ) -> None:
        subject = f"{target.name}.{spec.name}"
        if isinstance(origin, FromExpression) and spec.null_values:
            self.problem((*where, "null_values"), subject, "an expression has none; use nullif(...) in it")
        if isinstance(origin, FromItem):
            for key in ("default", "null_values"):
                if getattr(spec, key) not in (None, []):
                    self.problem((*where, key), subject, "an item's position or key is never null")
        if spec.default is not None and where not in self.broken and not fits(_text(spec.default), kind):
            self.problem((*where, "default"), subject, f"'{_text(spec.default)}' is no {kind}")

    def _check_names(
        self,
        place: Place,
        target: TargetSpec,
        names: list[str],
        key: tuple[str, ...],
        inheritable: dict[str, _Inheritable],
    ) -> None:
        seen: dict[str, str] = {name.lower(): name for name in SYSTEM_COLUMNS}
        listed = {spec.name for spec in target.fields}
        seen |= {name.lower(): name for name in names if name not in listed}
        for number, spec in enumerate(target.fields):
            other = seen.get(spec.name.lower())
            if other is not None and (other != spec.name or spec.name not in SYSTEM_COLUMNS):
                what = (
                    "two fields have this name"
                    if other in (*listed, spec.name)
                    else f"the column '{other}' has this name"
                )
                self.problem((*place, "fields", number), f"{target.name}.{spec.name}", what)
            elif other is not None and [one.name for one in target.fields[:number]].count(spec.name):
                self.problem((*place, "fields", number), f"{target.name}.{spec.name}", "two fields have this name")
            seen[spec.name.lower()] = spec.name
        lists: list[tuple[Place, str, Iterable[str]]] = [
            (("primary_key",), "primary_key", target.primary_key),
            (("partition_by",), "partition_by", target.partition_by),
            (("upsert_keys",), "upsert_keys", [key for key in target.upsert_keys or () if key not in RAW_COLUMNS]),
        ]
        lists += [
            (("relationships", n, "from_field"), "relationships", spec.from_field)
            for n, spec in enumerate(target.relationships)
        ]
        for where, what, wanted in lists:
            self._require(names, wanted, (*place, *where), f"{target.name}.{what}", inheritable)
        for n, index in enumerate(target.indexes):
            self._require([*names, LINEAGE], index.columns, (*place, "indexes", n, "columns"), f"{target.name}.indexes")
        if TRANSFORMED_AT in target.primary_key:
            message = f"{TRANSFORMED_AT} is of the run: with it in the key every run would add all rows again"
            self.problem((*place, "primary_key"), f"{target.name}.primary_key", message)
        self._check_references(place, target, key)

    def _require(
        self, names: list[str], wanted: Iterable[str], where: Place, subject: str, near: Iterable[str] = ()
    ) -> None:
        for name in wanted:
            if name not in names:
                self.problem(where, subject, f"no field '{name}' in this target.{_near(name, [*names, *near])}")

    def _check_references(self, place: Place, target: TargetSpec, key: tuple[str, ...]) -> None:
        own = {other.name: other for other in self.mapping.targets}
        for number, spec in enumerate(target.relationships):
            other = own.get(spec.to_table)
            if other is None:
                continue
            names = {f.name for f in other.fields} | {*other.primary_key, *other.partition_by, *key, CAPTURED_AT}
            for name in spec.to_field:
                if name not in names:
                    message = f"{spec.to_table} has no field '{name}'.{_near(name, names)}"
                    self.problem((*place, "relationships", number, "to_field"), f"{target.name}.relationships", message)

    # One field

    def _origin(
        self,
        place: Place,
        target: TargetSpec,
        spec: FieldSpec,
        levels: tuple[Level, ...],
        inheritable: dict[str, _Inheritable],
        known: dict[str, ColumnType | None],
    ) -> tuple[Origin, str]:
        subject = f"{target.name}.{spec.name}"
        try:
            if spec.json_path is not None:
                return self._from_json(spec, levels, inheritable)
            if spec.item is not None:
                item, source = from_item(spec.item, levels)
                require_kind("number" if item.what == "index" else "text", spec)
                return item, source
            if spec.source_field is not None:
                raw = from_raw(spec.source_field)
                require_kind({"captured_at": "moment", "status_code": "number"}.get(raw.column, "text"), spec)
                return raw, ""
            assert spec.expression is not None
            checked = check_expression(spec.expression, known)
            require_kind(checked.kind, spec)
            return FromExpression(checked.sql, checked.columns), ""
        except (ValueError, ExpressionError) as mistake:
            key = next(k for k in ("json_path", "item", "source_field", "expression") if getattr(spec, k) is not None)
            self.problem((*place, key), subject, str(mistake))
            return FromRaw("row_id"), ""

    def _from_json(
        self, spec: FieldSpec, levels: tuple[Level, ...], inheritable: dict[str, _Inheritable]
    ) -> tuple[Origin, str]:
        assert spec.json_path is not None
        path = parse_path(spec.json_path)
        if not path.is_single:
            raise ValueError(f"'{spec.json_path}' leads to several values; use array_source for those, or an index [0]")
        if levels and path.anchor in ("item", "parent") and len(path.steps) == 1 and path.steps[0] in inheritable:
            name = str(path.steps[0])
            return FromDocument(name), _root_path(inheritable[name].spec)
        origin = reach(path, levels, spec.json_path)
        return origin, source_path(levels, origin)

    # Filters and rules

    def _filter(
        self, place: Place, target: TargetSpec, levels: tuple[Level, ...], known: dict[str, ColumnType | None]
    ) -> Filter | None:
        if target.filter is None:
            return None
        sql, paths = take_paths(target.filter)
        try:
            origins = tuple((name, reach(parse_path(path), levels, path)) for name, path in paths)
            checked = check_condition(sql, known | {name: None for name, _ in origins}, target.filter)
        except ValueError as mistake:
            self.problem((*place, "filter"), f"{target.name}.filter", str(mistake))
            return None
        bound = {name for name, _ in origins}
        return Filter(checked.sql, tuple(n for n in checked.columns if n not in bound), origins, target.filter)

    def _rules(self, place: Place, target: TargetSpec, known: dict[str, ColumnType | None]) -> Iterable[Rule]:
        taken: set[str] = set()
        for number, spec in enumerate(target.data_quality):
            where: Place = (*place, "data_quality", number)
            text = rule_text(spec)
            name = spec.name or re.sub(r"\W+", "_", text).strip("_").lower()[:60] or "rule"
            subject = f"{target.name}.{name}"
            if name.lower() in taken:
                self.problem(where, subject, "two rules have this name; give one a 'name'")
            taken.add(name.lower())
            columns = tuple(spec.fields or ([spec.field] if spec.field else []))
            unknown = [column for column in columns if column not in known]
            for column in unknown:
                self.problem(where, subject, f"no field '{column}' in this target.{_near(column, known)}")
            if spec.type == "unique":
                yield Rule(name, spec.severity, "unique", "", columns, spec.reason, text)
            if spec.type == "range" and not unknown:
                self._check_range(where, subject, spec, known[columns[0]])
            if spec.type == "unique" or unknown:
                continue
            try:
                checked = check_condition(text, known)
            except ExpressionError as mistake:
                paths = " A rule looks at columns, not at paths." if take_paths(text)[1] else ""
                self.problem((*where, "rule"), subject, f"{mistake}{paths}")
                continue
            yield Rule(name, spec.severity, "sql", checked.sql, checked.columns, spec.reason, text)

    def _check_range(self, where: Place, subject: str, spec: RuleSpec, kind: ColumnType | None) -> None:
        """Refuse bounds that Spark would compare otherwise than meant: text with numbers, numbers with text."""
        if kind is None:
            return
        bounds = {key: getattr(spec, key) for key in ("min", "max") if getattr(spec, key) is not None}
        if kind.name in ("BOOLEAN", "JSONB"):
            self.problem(where, subject, f"{spec.field} is {kind}, which has no range")
            return
        for key, bound in bounds.items():
            is_text = isinstance(bound, str)
            if kind.is_text and not is_text:
                message = f"{spec.field} is {kind}: write {key} in quotes, or give the field a number type"
                self.problem((*where, key), subject, message)
            elif not kind.is_text and (not is_text) != (kind.is_integer or kind.name in ("NUMERIC", "REAL", "DOUBLE")):
                self.problem((*where, key), subject, f"{spec.field} is {kind}, and {key} is {bound!r}")
            elif is_text and not kind.is_text and not fits(bound, kind):
                self.problem((*where, key), subject, f"'{bound}' is no {kind}")
        if len(bounds) == 2 and type(spec.min) is not str and type(spec.max) is not str and spec.min > spec.max:  # type: ignore[operator]
            self.problem(where, subject, f"min {spec.min} is larger than max {spec.max}")


def _inherited(name: str, target: TargetSpec, root: FieldSpec) -> Column:
    """Return a column that a target does not list and takes from the root."""
    kind, is_nullable = ColumnType.parse(root.type), name not in target.primary_key
    return Column(name, kind, is_nullable, FromDocument(name), _root_path(root), description=root.description)


def _root_path(spec: FieldSpec) -> str:
    """Return the path of a root target's field, as text; empty where it has none or a wrong one."""
    try:
        return join("", parse_path(spec.json_path).steps) if spec.json_path else ""
    except ValueError:
        return ""


def _near(name: str, known: Iterable[str]) -> str:
    """Return the nearest known name, whatever its case."""
    names = list(known)
    return did_you_mean(name, [one for one in names if one.lower() == name.lower()] or names) or did_you_mean(
        name.lower(), [one for one in names if one.lower() == name.lower()]
    )


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
