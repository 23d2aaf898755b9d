"""What the contract suite has to know about the store."""

import json
from decimal import Decimal
from pathlib import Path

import pytest


@pytest.fixture
def contract_rows():
    """Return a function that reads all rows of a table."""

    def read(address, table):
        path = Path(address.removeprefix("jsonl:")) / f"{table}.jsonl"
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
        return [json.loads(line, parse_float=Decimal) for line in lines if line]

    return read
