"""What earlier runs of ``mapping coverage`` saw: a file that is committed, and joined with what a run sees.

Every figure is the most that one run saw. So joining is the same in any order, and a run that is repeated changes
nothing in the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import yaml
from pydantic import ConfigDict, NonNegativeInt, TypeAdapter, ValidationError

from mlbsdk.errors import ConfigurationError, shortened

#: Values that do not fit which are kept for a field.
EXAMPLES = 3
_STRICT = ConfigDict(extra="forbid")
_HEAD = "What captures have shown of {}, joined over runs of: mlbsdk mapping coverage --baseline FILE --update-baseline"


@dataclass(frozen=True)
class FieldSeen:
    """What runs saw of one field. Counts are items, of the run that had most."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    path: str
    type: str
    items: NonNegativeInt = 0
    resolved: NonNegativeInt = 0
    null: NonNegativeInt = 0
    misfits: NonNegativeInt = 0
    constant: str | None = None
    """The one value that all items had, shortened; None where there were several, or none."""
    examples: tuple[str, ...] = ()
    """The first values that do not fit, in the order of their text."""

    @property
    def status(self) -> str:
        """What became of it over all runs: misfits, constant, resolves, null, never or no items."""
        if self.misfits:
            return "misfits"
        if self.resolved:
            return "constant" if self.constant is not None and self.resolved > 1 else "resolves"
        if self.null:
            return "null"
        return "never" if self.items else "no items"

    def joined(self, other: FieldSeen) -> FieldSeen:
        """Return what two runs saw."""
        values = {seen.constant for seen in (self, other) if seen.resolved}
        return FieldSeen(
            self.path,
            self.type,
            max(self.items, other.items),
            max(self.resolved, other.resolved),
            max(self.null, other.null),
            max(self.misfits, other.misfits),
            values.pop() if len(values) == 1 else None,
            tuple(sorted({*self.examples, *other.examples})[:EXAMPLES]),
        )


@dataclass(frozen=True)
class PathSeen:
    """What runs saw of a path that no field maps."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    count: NonNegativeInt
    """Leaves in the run that had most."""
    documents: NonNegativeInt
    """Documents that have it, in the run that had most."""

    def joined(self, other: PathSeen) -> PathSeen:
        """Return what two runs saw."""
        return PathSeen(max(self.count, other.count), max(self.documents, other.documents))


@dataclass(frozen=True)
class Baseline:
    """What runs saw of a mapping's fields, by ``schema.table.field``, and of the paths that it lacks."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    transform: str
    documents: NonNegativeInt = 0
    fields: dict[str, FieldSeen] = field(default_factory=dict)
    unmapped: dict[str, PathSeen] = field(default_factory=dict)
    version: Literal[1] = 1


def load_baseline(path: Path, transform: str) -> Baseline:
    """Read the baseline of a transform, YAML or, by its name, JSON.

    Raises:
        ConfigurationError: it can't be read, is none, or is that of another transform.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if _is_json(path) else yaml.load(text, _Loader)
        for seen in _values(data, "fields"):
            # Only for those who read the file; it follows from the counts.
            seen.pop("status", None)
        baseline = TypeAdapter(Baseline).validate_python(data)
    except OSError as problem:
        raise ConfigurationError(
            f"the baseline '{path}' can't be read: {problem.strerror}",
            fix="The first run makes it: add --update-baseline.",
        ) from problem
    except ValidationError as problem:
        found = [f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in problem.errors()]
        raise ConfigurationError(f"'{path}' is no baseline: {shortened(found, 3)}") from problem
    except (ValueError, RecursionError, yaml.YAMLError) as problem:
        raise ConfigurationError(f"'{path}' is no baseline: {problem}") from problem
    if baseline.transform != transform:
        raise ConfigurationError(f"'{path}' is the baseline of {baseline.transform}, not of {transform}")
    return baseline


def save_baseline(path: Path, baseline: Baseline) -> bool:
    """Write a baseline, sorted and with a line for each field and path; return whether the file changed.

    Raises:
        ConfigurationError: it can't be written.
    """
    text = to_text(baseline, as_json=_is_json(path))
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}-{os.getpid()}")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as problem:
        raise ConfigurationError(f"the baseline '{path}' can't be written: {problem.strerror}") from problem
    return True


def to_text(baseline: Baseline, *, as_json: bool) -> str:
    """Return the text of a baseline's file."""
    head = {"version": baseline.version, "transform": baseline.transform, "documents": baseline.documents}
    fields = {name: _without_nothing(seen) for name, seen in sorted(baseline.fields.items())}
    unmapped = {path: asdict(seen) for path, seen in sorted(baseline.unmapped.items())}
    if as_json:
        entries = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
        entries += [_json_lines("fields", fields), _json_lines("unmapped", unmapped)]
        return "{\n" + ",\n".join(f"  {entry}" for entry in entries) + "\n}\n"
    lines = [f"# {_HEAD.format(baseline.transform)}", *(_yaml_line({key: value}) for key, value in head.items())]
    for title, content in (("fields", fields), ("unmapped", unmapped)):
        lines.append(f"{title}:" if content else f"{title}: {{}}")
        lines += [f"  {_yaml_line({key: value})}" for key, value in content.items()]
    return "\n".join(lines) + "\n"


def _yaml_line(entry: Mapping[str, object]) -> str:
    """Return an object of one key as a line of a block mapping."""
    text: str = yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=2**20, allow_unicode=True)
    return text.strip()[1:-1]


def _json_lines(title: str, content: Mapping[str, object]) -> str:
    lines = ",\n".join(f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items())
    return f'"{title}": {{\n{lines}\n  }}' if lines else f'"{title}": {{}}'


def _without_nothing(seen: FieldSeen) -> dict[str, object]:
    """Return what there is to say of a field: zeros and the like are left out."""
    known = {key: value for key, value in asdict(seen).items() if value not in (0, None, ())}
    if "examples" in known:
        known["examples"] = list(seen.examples)
    return {"status": seen.status} | known


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _values(data: Any, key: str) -> list[dict[str, Any]]:
    inside = data.get(key) if isinstance(data, dict) else None
    return [each for each in inside.values() if isinstance(each, dict)] if isinstance(inside, dict) else []


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases: a baseline needs none, and they may stand for more text than fits into memory."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("a baseline has no aliases")
        return super().compose_node(parent, index)
