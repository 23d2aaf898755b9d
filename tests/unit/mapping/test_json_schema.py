"""The JSON Schema that editors use says the same as the language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from mlbsdk.mapping.json_schema import mapping_schema
from tests.conftest import DATA, REPOSITORY

FILES = sorted([*(REPOSITORY / "mappings").rglob("*.yaml"), DATA / "mini.yaml", DATA / "design_document_sample.yaml"])


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = mapping_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def mistakes(validator: Draft202012Validator, mapping: Any) -> list[str]:
    return [error.message for error in validator.iter_errors(mapping)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_mapping_is_valid(validator: Draft202012Validator, file: Path) -> None:
    assert not mistakes(validator, yaml.safe_load(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"name": "a", "type": "INT", "json_pth": "$.a"}, "Additional properties"),
        ({"name": "a", "type": "INT"}, "is not valid under any"),
        ({"name": "a", "type": "INT", "json_path": "$.a", "item": "index"}, "is valid under each of"),
        ({"name": "1a", "type": "INT", "json_path": "$.a"}, "does not match"),
        ({"type": "INT", "json_path": "$.a"}, "'name' is a required property"),
    ],
)
def test_mistakes_in_a_field_are_seen(validator: Draft202012Validator, field: dict[str, Any], message: str) -> None:
    target = {"name": "a.b", "primary_key": "a", "fields": [field]}
    source = {"endpoint": "a", "method": "b", "raw_table": "a.b"}
    found = mistakes(validator, {"version": "1.0", "source": source, "targets": [target]})
    assert any(message in text for text in found), found


def test_every_key_of_the_language_is_described() -> None:
    definitions = mapping_schema()["$defs"] | {"Mapping": mapping_schema()}
    undescribed = [
        f"{name}.{key}"
        for name, definition in definitions.items()
        for key, value in definition["properties"].items()
        if not value.get("description")
    ]
    assert not undescribed
