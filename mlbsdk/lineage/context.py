"""What events tell of a run besides its figures: who started it, with what, of whom, and by which code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class JobRun:
    """A run of a job as OpenLineage names it."""

    namespace: str
    job: str
    run_id: str
    """A UUID."""
    root: JobRun | None = None
    """The first of the chain that led to it; None where it is that itself."""


@dataclass(frozen=True)
class CodeLocation:
    """Where the mapping of a run is kept."""

    type: str
    """``git``, or ``python`` for an installed distribution."""
    url: str
    repository: str | None = None
    path: str | None = None
    version: str | None = None
    """The commit, or the distribution's version."""
    branch: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What is known of a run beforehand."""

    parent: JobRun | None = None
    """The run that it is a part of; None: what the environment says, if anything."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What it was asked; no secrets."""
    day: date | None = None
    """The day whose games it is about."""
    code: CodeLocation | None = None
    owners: tuple[str, ...] = ()
    """Who answers for its tables, such as ``team:analytics``."""
    tags: Mapping[str, str] = field(default_factory=dict)
    stack_traces: bool = False
    """Whether an error is told with the places in the code that led to it."""
