"""Reading and writing the YAML of workflows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mlbsdk.plugin import ConfigurationError

#: Argo stores a workflow in one object of etcd, which takes 1.5 MB; more than this is no workflow of anybody's.
LARGEST = 4_000_000


class _Loader(yaml.SafeLoader):
    """Safe, and strict: no key twice, no anchors (a few lines of them can unfold to gigabytes), no dates.

    Kubernetes reads YAML as JSON, where 2024-07-01 is text.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str):
                raise yaml.constructor.ConstructorError(None, None, f"the key {name!r} is no text", key.start_mark)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{name}' is there twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def read_documents(file: Path) -> list[Any]:
    """Return the documents of a YAML file.

    Raises:
        ConfigurationError: there is no such file, it is no YAML, too large, or says a key twice.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"'{file}' can't be read: {problem}") from problem
    return parse_documents(text, str(file))


def parse_documents(text: str, where: str) -> list[Any]:
    """Return the documents of a YAML text; see :func:`read_documents`."""
    if len(text) > LARGEST:
        raise ConfigurationError(f"{len(text)} characters are too many for a workflow", where=where)
    try:
        return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark is not None else where
        raise ConfigurationError(f"the YAML can't be read: {problem.problem}", where=place) from problem
    except (yaml.YAMLError, RecursionError) as problem:
        raise ConfigurationError(f"the YAML can't be read: {problem}", where=where) from problem


def to_yaml(document: Any) -> str:
    """Return a document as YAML, its keys as they stand."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
