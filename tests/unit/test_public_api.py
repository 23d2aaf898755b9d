"""The public interface is what was committed: names, signatures, fields and codes.

A difference is a decision: see docs/compatibility.md. To take it: pytest tests/unit/test_public_api.py
--mlbsdk-update-golden
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Iterator
from dataclasses import MISSING
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from mlbsdk import hookspecs
from tests.conftest import DATA

PINNED = DATA / "public-api.txt"
MODULES = ("mlbsdk", "mlbsdk.plugin", "mlbsdk.testing")
FIXTURES = "mlbsdk.testing.pytest_plugin"


def described(module: ModuleType) -> Iterator[str]:
    """Give a line for each public name of a module, and for each part of it."""
    for name in sorted(module.__all__):
        yield from _lines(f"{module.__name__}.{name}", getattr(module, name))


def _lines(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield from _class_lines(name, value)
    elif inspect.isfunction(value):
        yield f"{name}{_signature(value)}"
    elif name.endswith("__version__"):
        yield f"{name}: str"
    elif isinstance(value, (str, int, dict)) and not name.endswith("CREATE_POSTGRES_LEDGER"):
        yield f"{name} = {value!r}"
    else:
        yield f"{name}: {type(value).__name__}"


def _class_lines(name: str, kind: type) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in kind.__bases__ if base is not object)
    yield f"class {name}({bases})"
    if issubclass(kind, enum.Enum):
        yield from (f"  {member.name} = {member.value!r}" for member in kind)
        return
    if issubclass(kind, BaseModel):
        yield from (f"  {field}: {kind.__annotations__.get(field, '')}" for field in kind.model_fields)
        return
    if "code" in vars(kind):
        yield f"  code = {vars(kind)['code']!r}"
    fields = getattr(kind, "__dataclass_fields__", {})
    for field in fields.values():
        required = field.default is MISSING and field.default_factory is MISSING
        yield f"  {field.name}: {field.type}{'' if required else ' (has a default)'}"
    for member, value in sorted(vars(kind).items()):
        function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        own_init = member == "__init__" and inspect.isfunction(function) and not fields and not _is_protocol(kind)
        if isinstance(value, property) and not member.startswith("_"):
            yield f"  {member}: {inspect.signature(value.fget).return_annotation if value.fget else ''} (property)"
        elif inspect.isfunction(function) and (own_init or not member.startswith("_")):
            yield f"  {member}{_signature(function)}"


def _is_protocol(kind: type) -> bool:
    return bool(getattr(kind, "_is_protocol", False))


def _signature(function: Any) -> str:
    return str(inspect.signature(function))


def _hooks() -> Iterator[str]:
    for name, function in sorted(vars(hookspecs.Hooks).items()):
        if name.startswith("mlbsdk_"):
            yield f"hook {name}{_signature(function)}"


def _fixtures() -> Iterator[str]:
    source = inspect.getsource(import_module(FIXTURES))
    names = [line.split("(")[0].removeprefix("def ") for line in source.splitlines() if line.startswith("def ")]
    yield from (f"fixture {name}" for name in sorted(names) if name.startswith(("mlbsdk_", "contract_")))


def public_interface() -> str:
    """Return the whole public interface as text."""
    lines = [line for name in MODULES for line in described(import_module(name))]
    return "\n".join([*lines, *_hooks(), *_fixtures(), ""])


def test_the_public_interface_is_the_committed_one(request: pytest.FixtureRequest) -> None:
    found = public_interface()
    if request.config.getoption("mlbsdk_update_golden"):
        PINNED.write_text(found, encoding="utf-8")
    committed = PINNED.read_text(encoding="utf-8")
    assert found.splitlines() == committed.splitlines(), (
        "the public interface changed: see docs/compatibility.md, then take it with "
        "pytest tests/unit/test_public_api.py --mlbsdk-update-golden"
    )


def test_every_public_name_can_be_had() -> None:
    for name in MODULES:
        module = import_module(name)
        assert len(set(module.__all__)) == len(module.__all__)
        assert [each for each in module.__all__ if not hasattr(module, each)] == []
