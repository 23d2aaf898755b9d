"""The JSON Schema of the mapping language, for editors: completion and mistakes shown while a mapping is written."""

from __future__ import annotations

from typing import Any

from mlbsdk.mapping.model import FieldSpec, Mapping

_ORIGINS = ("json_path", "source_field", "expression", "item")


def mapping_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12). What needs more than one place of a file only ``lint`` can check."""
    schema = Mapping.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "mlbsdk mapping, version 1.0"
    field = schema["$defs"][FieldSpec.__name__]
    field["oneOf"] = [{"required": [origin]} for origin in _ORIGINS]
    for origin in _ORIGINS:
        # A null would count as an origin for the schema and as none for the language.
        field["properties"][origin] = {"type": "string", "description": field["properties"][origin]["description"]}
    return schema
