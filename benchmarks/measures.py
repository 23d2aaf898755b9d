"""What one thing cost each time it ran, a promise about it, and the text that says both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Counts:
    """What Spark started for one run."""

    jobs: int = 0
    stages: int = 0
    tasks: int = 0


@dataclass
class Measure:
    """Seconds, processor seconds and Spark's work of every run of one thing."""

    name: str
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    """Of Python and Java together; empty where it is not known."""
    counts: list[Counts] = field(default_factory=list)
    """Empty for what is not run by the benchmark's own Spark."""

    @property
    def best(self) -> float:
        """The seconds of the fastest run."""
        return min(self.seconds)

    @property
    def jobs(self) -> int:
        """The Spark jobs of the run that had most."""
        return max((one.jobs for one in self.counts), default=0)

    def line(self) -> str:
        """Return the measure as a line of text."""
        processor = f"{min(self.processor):>8.2f} s" if self.processor else " " * 10
        most = max(self.counts, key=lambda one: (one.jobs, one.tasks), default=None)
        spark = f"{most.jobs:>4} {most.stages:>4} {most.tasks:>5}" if most else " " * 15
        every = " ".join(f"{seconds:.2f}" for seconds in self.seconds)
        return f"  {self.name:<50} {self.best:>8.2f} s {processor} {spark}   runs: {every}"


HEADING = f"  {'':<50} {'fastest':>10} {'processor':>10} {'jobs':>4} {'stgs':>4} {'tasks':>5}"


@dataclass(frozen=True)
class Criterion:
    """A figure that the project promised, and what it is here; None where it was not measured."""

    text: str
    value: float | None
    limit: float

    def line(self) -> str:
        """Return the criterion as a line of text."""
        if self.value is None:
            return f"  {'-':>7}  not measured  {self.text} (at most {self.limit:g})"
        verdict = "OVER" if self.value > self.limit else "within"
        return f"  {self.value:>7.2f}  {verdict:<12}  {self.text} (at most {self.limit:g})"


class Output:
    """Prints lines at once and keeps them for a file."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str = "") -> None:
        print(line, flush=True)
        self.lines.append(line)

    def save(self, name: str) -> Path:
        """Write what was printed to results/NAME.txt."""
        path = _RESULTS / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        return path


def ratio(one: float | None, other: float | None) -> float | None:
    """Return one / other; None where either is missing."""
    return None if one is None or not other else one / other


def megabytes(values: Sequence[float | None]) -> str:
    """Return the largest of some amounts of memory as text."""
    known = [value for value in values if value is not None]
    return f"{max(known):.0f} MB" if known else "unknown"
