"""A table of every type, with values that stores and engines stumble over."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from mlbsdk.mapping.plan import Column, FromRaw, Table
from mlbsdk.mapping.types import ColumnType

_AT = datetime(2024, 7, 1, 12, 0, 0, 123456, tzinfo=timezone.utc)
_TYPES = {
    "row_number": "INT",
    "small": "SMALLINT",
    "big": "BIGINT",
    "amount": "NUMERIC(12,3)",
    "ratio": "DOUBLE",
    "flag": "BOOLEAN",
    "day": "DATE",
    "moment": "TIMESTAMPTZ",
    "words": "TEXT",
    "source_captured_at": "TIMESTAMPTZ",
    "transform_timestamp": "TIMESTAMPTZ",
}
ODD_TABLE = Table(
    name="mini.odd_values",
    description="Values that stores stumble over",
    levels=(),
    columns=tuple(
        Column(
            name, ColumnType.parse(kind), name != "row_number", FromRaw("x"), "", is_stamp=name == "transform_timestamp"
        )
        for name, kind in _TYPES.items()
    ),
    primary_key=("row_number",),
    partition_by=(),
    document_key=("row_number",),
    on_missing="keep",
    filter=None,
    rules=(),
    relationships=(),
    indexes=(),
)
_FULL = {
    "small": -32768,
    "big": 9_223_372_036_854_775_807,
    "amount": Decimal("-123456789.125"),
    "ratio": 0.1,
    "flag": False,
    "day": date(1899, 12, 31),
    "moment": _AT,
    "words": 'it\'s "quoted", \\ back, %41 é 日本 🏟\n\ttab',
}
ODD_ROWS: list[dict[str, Any]] = [
    {"row_number": 1, **_FULL, "source_captured_at": _AT},
    {"row_number": 2, **dict.fromkeys(_FULL), "source_captured_at": _AT},
    {"row_number": 3, **_FULL, "words": "", "flag": True, "amount": Decimal("0.000"), "source_captured_at": _AT},
]
