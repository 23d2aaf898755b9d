"""What documents hold and no field maps, for mappings that keep it: ``drift: {rescued: true}``.

Parsing decodes mapped paths only, so each document's text is read once more, in Python: nothing else here does so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

from mlbsdk.mapping.model import PathNote
from mlbsdk.mapping.plan import RESCUED_FROM, Node, Plan
from mlbsdk.mapping.unmapped import Reasons, unmapped_places

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def with_rescued(raw: DataFrame, plan: Plan) -> DataFrame:
    """Return raw rows with a column ``rescued`` string where the plan keeps what no field maps; else as they are."""
    if plan.not_rescued is None:
        return raw
    from pyspark.sql import functions as F

    return raw.withColumn(RESCUED_FROM, F.udf(Rescue(plan.document, plan.not_rescued), "string")(F.col("data")))


@dataclass(frozen=True)
class Rescue:
    """Finds what a mapping does not read in the text of a capture; sent to Spark's tasks.

    Args:
        document: the tree of what the mapping reads.
        ignored: paths that are left out, as ``coverage: ignore`` lists them.
    """

    document: Node
    ignored: Sequence[str]

    def __call__(self, text: str | None) -> str | None:
        """Return a JSON object of places and values; None where there is nothing, or the text is no JSON object."""
        from mlbsdk.runtime.captures import response_of  # it leads to sources, and they to parsing

        try:
            capture = json.loads(text or "null", parse_constant=_refuse)
        except (ValueError, RecursionError):
            return None
        if not isinstance(capture, dict):
            return None
        found = {
            place: value
            for path, place, value in unmapped_places(response_of(capture), self.document)
            if self._reasons.of(path) is None
        }
        return json.dumps(found, ensure_ascii=False) if found else None

    @cached_property
    def _reasons(self) -> Reasons:
        return Reasons([PathNote(path=path, reason="ignored") for path in self.ignored])


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
