"""Argo's variables: ``{{inputs.parameters.day}}`` and the like, found and filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_VARIABLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class UnresolvedVariable(Exception):
    """A variable has no value."""


def variables_of(value: Any) -> Iterator[str]:
    """Yield the variables in all texts of a value, each as it stands between its braces, stripped."""
    if isinstance(value, str):
        for found in _VARIABLE.findall(value):
            yield found.strip()
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from variables_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from variables_of(one)


def filled(value: Any, scope: Mapping[str, str]) -> Any:
    """Return a value with the variables in all its texts replaced, once: what is filled in is not looked into.

    Raises:
        UnresolvedVariable: a variable is not in ``scope``; the error names it.
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _value(found.group(1).strip(), scope), value)
    if isinstance(value, Mapping):
        return {key: filled(one, scope) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, scope) for one in value]
    return value


def _value(name: str, scope: Mapping[str, str]) -> str:
    if name not in scope:
        raise UnresolvedVariable(name)
    return scope[name]
