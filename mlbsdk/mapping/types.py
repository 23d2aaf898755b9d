"""The column types of the mapping language, each with one meaning in every store: the one place that says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mlbsdk.errors import did_you_mean

_PATTERN = re.compile(r"\s*([A-Za-z]+)\s*(?:\(\s*([0-9]{1,9})\s*(?:,\s*([0-9]{1,9})\s*)?\))?\s*\Z")
#: PostgreSQL's bound.
_MOST_CHARACTERS = 10_485_760
_ALIASES = {"INTEGER": "INT", "DECIMAL": "NUMERIC", "STRING": "TEXT", "FLOAT": "REAL", "BOOL": "BOOLEAN"}

_SPARK = {
    "SMALLINT": "smallint",
    "INT": "int",
    "BIGINT": "bigint",
    "REAL": "float",
    "DOUBLE": "double",
    "VARCHAR": "string",
    "CHAR": "string",
    "TEXT": "string",
    "JSONB": "string",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp_ntz",
    "TIMESTAMPTZ": "timestamp",
}
_AVRO: dict[str, Any] = {
    "SMALLINT": "int",
    "INT": "int",
    "BIGINT": "long",
    "REAL": "float",
    "DOUBLE": "double",
    "VARCHAR": "string",
    "CHAR": "string",
    "TEXT": "string",
    "JSONB": "string",
    "BOOLEAN": "boolean",
    "DATE": {"type": "int", "logicalType": "date"},
    "TIMESTAMP": {"type": "long", "logicalType": "local-timestamp-micros"},
    "TIMESTAMPTZ": {"type": "long", "logicalType": "timestamp-micros"},
}
_POSTGRESQL = {
    "INT": "integer",
    "DOUBLE": "double precision",
    "VARCHAR": "character varying",
    "CHAR": "character",
    "TIMESTAMP": "timestamp without time zone",
    "TIMESTAMPTZ": "timestamp with time zone",
}
NAMES = (*_SPARK, "NUMERIC")
_MOST_SHOWN = 60


@dataclass(frozen=True)
class ColumnType:
    """A type such as ``NUMERIC(5,2)``: its name, and length or precision and scale where it has them."""

    name: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None

    @classmethod
    def parse(cls, text: str) -> ColumnType:
        """Read a type as a mapping writes it.

        Raises:
            ValueError: the text is no type of the language; the message says which ones are.
        """
        match = _PATTERN.match(text)
        name = match.group(1).upper() if match else ""
        name = _ALIASES.get(name, name)
        if match is None or name not in NAMES:
            shown = text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."
            near = did_you_mean(name or text[:_MOST_SHOWN].upper(), NAMES)
            raise ValueError(f"'{shown}' is not a type; types are {', '.join(NAMES)}.{near}")
        first, second = (int(group) if group else None for group in match.group(2, 3))
        if name == "NUMERIC":
            if first is None or not 1 <= first <= 38 or (second or 0) > first:
                raise ValueError(f"'{text}' needs a precision of 1 to 38 and a scale no larger: NUMERIC(5,2)")
            return cls(name, precision=first, scale=second or 0)
        if name in ("VARCHAR", "CHAR"):
            if not first or second is not None:
                raise ValueError(f"'{text}' needs a length: {name}(50); for any length use TEXT")
            if first > _MOST_CHARACTERS:
                raise ValueError(f"'{text}' is longer than {_MOST_CHARACTERS}; for any length use TEXT")
            return cls(name, length=first)
        if first is not None:
            raise ValueError(f"{name} takes no length or precision")
        return cls(name)

    def __str__(self) -> str:
        if self.name == "NUMERIC":
            return f"NUMERIC({self.precision},{self.scale})"
        return f"{self.name}({self.length})" if self.length else self.name

    @property
    def is_text(self) -> bool:
        """Whether Spark holds the value as a string."""
        return self.spark == "string"

    @property
    def kind(self) -> str:
        """What the value is: number, text, boolean or moment (a date or time)."""
        if self.name in ("DATE", "TIMESTAMP", "TIMESTAMPTZ"):
            return "moment"
        return "text" if self.is_text else "boolean" if self.name == "BOOLEAN" else "number"

    @property
    def is_integer(self) -> bool:
        """Whether the value is a whole number."""
        return self.name in ("SMALLINT", "INT", "BIGINT")

    @property
    def spark(self) -> str:
        """The Spark SQL type."""
        return f"decimal({self.precision},{self.scale})" if self.name == "NUMERIC" else _SPARK[self.name]

    @property
    def avro(self) -> Any:
        """The Avro type, without the null branch."""
        if self.name == "NUMERIC":
            return {"type": "bytes", "logicalType": "decimal", "precision": self.precision, "scale": self.scale}
        return _AVRO[self.name]

    @property
    def postgresql(self) -> str:
        """The PostgreSQL type, spelled as PostgreSQL's catalogue does: ``character varying(50)``."""
        name = _POSTGRESQL.get(self.name, self.name.lower())
        if self.name == "NUMERIC":
            return f"{name}({self.precision},{self.scale})"
        return f"{name}({self.length})" if self.length else name
