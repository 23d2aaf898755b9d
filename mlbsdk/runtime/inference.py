"""A draft of a mapping from the captures of a source, read in plain Python."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mlbsdk.errors import ConfigurationError, SourceError
from mlbsdk.mapping.infer.draft import Draft, MappingInference
from mlbsdk.mapping.infer.names import snake_case
from mlbsdk.runtime.captures import capture_files, envelope_of, is_envelope, response_of, texts
from mlbsdk.runtime.method_names import comparable


@dataclass
class Inferred:
    """A draft, and which captures it was made from."""

    draft: Draft
    skipped: Counter[str] = field(default_factory=Counter)
    """Captures that were left out, by why."""


def infer(sources: Sequence[str], name: str | None = None) -> Inferred:
    """Draft a mapping from all captures of the sources that are of this transform.

    Args:
        sources: files, folders or globs of captures, bare or in envelopes.
        name: the transform's name, ``endpoint.method``; by default what the envelopes say.

    Raises:
        SourceError: there are no captures, or one can't be read.
        ConfigurationError: the captures are of other endpoints, or of several and no name is given.
    """
    name = name or _name_in(sources)
    inference, skipped = MappingInference(name), Counter[str]()
    for file, capture in _captures(sources):
        document = response_of(capture)
        envelope = envelope_of(capture) if is_envelope(capture) else None
        reason = _refused(name, envelope)
        if reason:
            skipped[reason] += 1
        elif isinstance(document, dict):
            inference.add(document, envelope)
        else:
            raise ConfigurationError(f"'{file}' is no JSON object, so no mapping can read it")
    if not inference.documents:
        raise ConfigurationError(
            f"none of the captures is of {name}: {', '.join(skipped)}",
            fix="Give the name that the captures have, or leave --name out.",
        )
    return Inferred(inference.draft(), skipped)


def _captures(sources: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for source in sources:
        for file in capture_files(source):
            for name, text in texts(file):
                try:
                    yield name, json.loads(text, parse_float=Decimal)
                except (ValueError, RecursionError) as problem:
                    raise SourceError(f"'{name}' can't be read as a capture: {problem}") from problem


def _refused(name: str, envelope: dict[str, Any] | None) -> str:
    """Return why a run of this transform would reject a capture; empty where it would not."""
    if envelope is None:
        return ""
    status = envelope.get("status_code")
    if isinstance(status, int) and not 200 <= status <= 299:
        return f"an answer with status {status}"
    endpoint, _, method = name.partition(".")
    found = (envelope.get("endpoint"), envelope.get("method"))
    is_other = (isinstance(found[0], str) and found[0].lower() != endpoint.lower()) or (
        isinstance(found[1], str) and comparable(found[1]) != comparable(method)
    )
    return f"of {found[0]}.{found[1]}" if is_other else ""


def _name_in(sources: Sequence[str]) -> str:
    names = Counter[str]()
    for _, capture in _captures(sources):
        envelope = envelope_of(capture)
        if envelope:
            names[f"{_identifier(envelope.get('endpoint'))}.{_identifier(envelope.get('method'))}"] += 1
    names.pop("field.field", None)
    if len(names) != 1:
        listed = f"they are of {', '.join(sorted(names))}" if names else "they have no envelope that tells"
        raise ConfigurationError(
            f"the captures do not say which one transform they are of: {listed}",
            fix="Give it: --name endpoint.method.",
        )
    return next(iter(names))


def _identifier(text: object) -> str:
    """Return an endpoint or method as part of a transform's name."""
    return snake_case(text) if isinstance(text, str) else "field"
