"""Drift: paths that captures have and the mapping does not know, and paths that they no longer have.

Parsing decodes mapped paths only, so a run does not see others. Where a mapping asks for it, the newest captures of a
batch are read once more, in plain Python on the driver: few of them, and none by default.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mlbsdk.errors import DriftError, shortened
from mlbsdk.mapping.coverage import Coverage, CoverageCounter
from mlbsdk.mapping.model import DriftSpec, Mapping
from mlbsdk.mapping.plan import Plan
from mlbsdk.report import DriftReport
from mlbsdk.runtime.captures import response_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mlbsdk.runtime.parse import ParsedDocument

#: Most bytes of JSON text that are looked at; one capture always is.
SAMPLE_BYTES = 64 * 1024 * 1024


def sampled(captures: Sequence[ParsedDocument], most: int) -> list[ParsedDocument]:
    """Return the captures to look at: the newest, at most ``most`` and :data:`SAMPLE_BYTES`.

    Args:
        captures: in the order of their capture times.
        most: how many at most.
    """
    chosen: list[ParsedDocument] = []
    size = 0
    for one in reversed(captures[-most:]):
        size += one.size
        if chosen and size > SAMPLE_BYTES:
            break
        chosen.append(one)
    return chosen


def texts(raw: DataFrame, captures: Sequence[ParsedDocument]) -> list[str]:
    """Return the JSON text of captures, from the raw rows that they were parsed from: one job of Spark's."""
    from pyspark.sql import functions as F

    is_chosen = F.col("row_id").isin([one.row_id for one in captures])
    files = {one.origin for one in captures}
    if None not in files:
        # Row ids of files begin with the file; said outright, Spark opens no other.
        is_chosen &= F.col("origin").isin(list(files))
    return [row["data"] for row in raw.where(is_chosen).select("data").limit(len(captures)).collect()]


def drift_of(captures: Iterable[str], plan: Plan, mapping: Mapping, *, is_stream: bool) -> list[DriftReport]:
    """Return what is new or has vanished in captures, the most frequent first.

    A path that vanished is one of a field that leads nowhere in all items of its table, and has no reason under
    ``coverage: may_be_absent``. A batch of a stream holds too few captures to say so, and is not asked. A capture that
    Python can't parse is passed over.

    Args:
        captures: their JSON text, bare or in an envelope.
        plan: the compiled mapping.
        mapping: what it accepts, and its policies.
        is_stream: whether the captures are a batch of a stream.
    """
    policy = mapping.drift
    judges_fields = policy.vanished_paths != "ignore" and not is_stream
    counter = CoverageCounter(plan, mapping.coverage, fields=judges_fields)
    for text in captures:
        # Spark's parser takes what is no JSON by the letter, such as single quotes, and deeper nesting.
        with contextlib.suppress(ValueError, RecursionError):
            counter.add(response_of(json.loads(text, parse_float=str)))
    found = counter.result()
    return [*_new(found, policy), *_vanished(found, policy)]


def _new(found: Coverage, policy: DriftSpec) -> list[DriftReport]:
    if policy.new_paths == "ignore":
        return []
    return [
        DriftReport("new_path", each.path, None, each.count, found.documents, policy.new_paths)
        for each in found.unexplained
    ]


def _vanished(found: Coverage, policy: DriftSpec) -> list[DriftReport]:
    if policy.vanished_paths == "ignore":
        return []
    return [
        DriftReport(
            "vanished_path", each.path, f"{each.table}.{each.field}", each.items, found.documents, policy.vanished_paths
        )
        for each in sorted(found.dead, key=lambda one: -one.items)
    ]


def close_gate(found: Sequence[DriftReport]) -> None:
    """End the run where the policy of what was found is ``fail``.

    Raises:
        DriftError: it is.
    """
    failing = [one for one in found if one.policy == "fail"]
    if not failing:
        return
    new = [one.path for one in failing if one.kind == "new_path"]
    vanished = [f"{one.path} ({one.field})" for one in failing if one.kind == "vanished_path"]
    parts = [f"{len(new)} new paths: {shortened(new)}"] if new else []
    parts += [f"{len(vanished)} vanished paths: {shortened(vanished)}"] if vanished else []
    raise DriftError(
        f"captures have drifted from the mapping (captures looked at: {failing[0].sampled}): {'; '.join(parts)}.",
        fix="Nothing was published. Map the paths, or list them with a reason in the mapping under coverage: ignore or "
        "may_be_absent; or set drift to report.",
    )
