"""Telling of commands that run several jobs, and of jobs that are no transform: a derived table, a layer of captures.

The command itself is a job without datasets, as the DAG of an orchestrator is: what it runs differs from time to time,
and a job's inputs and outputs should not.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlbsdk.hookspecs import Storage
from mlbsdk.lineage import facets
from mlbsdk.lineage.backends import namespace
from mlbsdk.lineage.context import JobRun, RunContext
from mlbsdk.lineage.events import Dataset, Event, State, event
from mlbsdk.lineage.parents import parent_run
from mlbsdk.lineage.telling import Telling
from mlbsdk.runtime.storage import LOCAL
from mlbsdk.settings import home

if TYPE_CHECKING:
    from mlbsdk.lineage.facets import Facets


@dataclass
class Step:
    """One job of a command. Datasets may be added while it goes on: the last event has them all."""

    name: str
    """Of the job, such as ``analytics.team_travel``."""
    kind: str
    """DERIVE, RAW, QUALITY."""
    description: str = ""
    inputs: list[Dataset] = field(default_factory=list)
    outputs: list[Dataset] = field(default_factory=list)


class Command:
    """A command that is told of. What goes wrong in telling is noted, and never stops it."""

    def __init__(
        self, name: str, location: str | None, storage: Storage | None, context: RunContext, note: Callable[[str], None]
    ) -> None:
        from openlineage.client.uuid import generate_new_uuid

        self.context = context
        self.note = note
        self.problem: BaseException | None = None
        """Why it failed, where nothing is raised for it."""
        parent, wrong = (context.parent, None) if context.parent is not None else parent_run(os.environ)
        if wrong is not None:
            note(wrong)
        self._parent = parent
        root = (parent.root or parent) if parent is not None else None
        self.run = JobRun(namespace(), name, str(generate_new_uuid()), root)
        self._telling = Telling(location or str(home()), storage or LOCAL, self.run.run_id)
        self._of_run = facets.of_run(context, self._telling.environment_variables)

    def begin(self, description: str) -> None:
        """Tell that it begins."""
        self._of_job = facets.of_job("COMMAND", description, context=self.context)
        self._telling.close_crashed()
        self._telling.start([self._event(State.START)])

    def end(self, state: State, error: BaseException | None = None) -> None:
        """Tell that it has ended."""
        for note in self._telling.end([self._event(state, error)]):
            self.note(note)

    def _event(self, state: State, error: BaseException | None = None) -> Event:
        return event(state, self.run, of_run=self._facets(self._parent, error), of_job=self._of_job)

    def _facets(self, parent: JobRun | None, error: BaseException | None) -> Facets:
        found = dict(self._of_run)
        if parent is not None:
            found["parent"] = facets.parent(parent)
        if error is not None:
            found["errorMessage"] = facets.error_message(error, self.context.stack_traces)
        return found

    @contextlib.contextmanager
    def step(self, step: Step) -> Iterator[Step]:
        """Tell of a job that is done inside."""
        from openlineage.client.uuid import generate_new_uuid

        run = JobRun(self.run.namespace, step.name, str(generate_new_uuid()), self.run.root or self.run)
        of_job = facets.of_job(step.kind, step.description, context=self.context)

        def tell(state: State, error: BaseException | None = None) -> None:
            with _noted(self.note):
                self._telling.go_on(
                    [
                        event(
                            state,
                            run,
                            of_run=self._facets(self.run, error),
                            of_job=of_job,
                            inputs=step.inputs,
                            outputs=step.outputs,
                        )
                    ]
                )

        tell(State.START)
        try:
            yield step
        except BaseException as problem:
            tell(_end_of(problem), problem)
            raise
        tell(State.COMPLETE)


@contextlib.contextmanager
def told_command(
    name: str,
    description: str,
    *,
    location: str | None,
    storage: Storage | None,
    context: RunContext | None = None,
    note: Callable[[str], None],
) -> Iterator[Command | None]:
    """Tell of a command from its start to its end.

    Args:
        name: of its job, such as ``mlbsdk.export``.
        description: what it does.
        location: the folder of the journal; None for the user's own.
        storage: what keeps it; None for this machine's disk.
        context: what is known of it beforehand.
        note: takes what a person should know.

    Returns:
        The command, whose run is the parent of what it runs; None where it can't be told of.
    """
    command: Command | None = None
    with _noted(note):
        made = Command(name, location, storage, context or RunContext(), note)
        made.begin(description)
        command = made
    try:
        yield command
    except BaseException as problem:
        if command is not None:
            with _noted(note):
                command.end(_end_of(problem), problem)
        raise
    if command is not None:
        with _noted(note):
            command.end(State.FAIL if command.problem is not None else State.COMPLETE, command.problem)


def step_of(command: Command | None, step: Step) -> contextlib.AbstractContextManager[Step]:
    """Tell of a job of a command, if that is told of."""
    return command.step(step) if command is not None else contextlib.nullcontext(step)


def _end_of(problem: BaseException) -> State:
    return State.ABORT if isinstance(problem, KeyboardInterrupt | SystemExit) else State.FAIL


@contextlib.contextmanager
def _noted(note: Callable[[str], None]) -> Iterator[None]:
    try:
        yield
    except Exception as problem:  # as for listeners: what is told must not harm the data
        note(f"lineage could not be told: {type(problem).__name__}: {problem}")


def table(dataset: tuple[str, str], columns: Iterable[tuple[str, str]] = (), description: str = "") -> Dataset:
    """Return a dataset with columns as (name, type)."""
    listed = [(name, kind, "") for name, kind in columns]
    found = facets.schema(listed) if listed else {}
    if description:
        found |= facets.described(description)
    return Dataset(*dataset, found)
