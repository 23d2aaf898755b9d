"""OpenLineage events of a run: from a report to JSON text; nothing is sent here.

One job for the run (``game.live_game_v1``), and as its children one for each table
(``game.live_game_v1.live_game_plays``) and one for the checks (``game.live_game_v1.quality``). Every event repeats its
inputs and outputs with their schemas, since Marquez drops edges that a later event does not name. Specification:
OpenLineage 2-0-2.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum

from mlbsdk.errors import QualityGateError
from mlbsdk.lineage import facets
from mlbsdk.lineage.context import JobRun
from mlbsdk.lineage.facets import Facets
from mlbsdk.mapping.plan import Table
from mlbsdk.report import RunReport

_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"


class State(str, Enum):
    """What an event says of its run."""

    START = "START"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"
    ABORT = "ABORT"


@dataclass(frozen=True)
class Dataset:
    """A dataset of an event."""

    namespace: str
    name: str
    facets: Facets = field(default_factory=dict)
    of_input: Facets = field(default_factory=dict)
    of_output: Facets = field(default_factory=dict)

    def text(self) -> str:
        """Return it as JSON."""
        parts = [f'"namespace": {json.dumps(self.namespace)}, "name": {json.dumps(self.name)}']
        parts.append(f'"facets": {_object(self.facets)}')
        parts += [f'"inputFacets": {_object(self.of_input)}'] if self.of_input else []
        parts += [f'"outputFacets": {_object(self.of_output)}'] if self.of_output else []
        return f"{{{', '.join(parts)}}}"


@dataclass(frozen=True)
class Event:
    """An event: its JSON, and what is asked of it here."""

    state: State
    run: JobRun
    line: str


def event(
    state: State,
    run: JobRun,
    *,
    of_run: Facets,
    of_job: Facets,
    inputs: Iterable[Dataset] = (),
    outputs: Iterable[Dataset] = (),
    at: datetime | None = None,
) -> Event:
    """Return the event of one run of one job."""
    time = _timestamp(at or datetime.now(timezone.utc))
    names = f'"namespace": {json.dumps(run.namespace)}, "name": {json.dumps(run.job)}'
    line = (
        f'{{"eventTime": "{time}", "eventType": "{state.value}", '
        f'"producer": "{facets.PRODUCER}", "schemaURL": "{_SCHEMA}", '
        f'"run": {{"runId": "{run.run_id}", "facets": {_object(of_run)}}}, '
        f'"job": {{{names}, "facets": {_object(of_job)}}}, '
        f'"inputs": [{", ".join(one.text() for one in inputs)}], '
        f'"outputs": [{", ".join(one.text() for one in outputs)}]}}'
    )
    return Event(state, run, line)


def _object(parts: Facets) -> str:
    return "{" + ", ".join(f'"{name}": {text}' for name, text in parts.items()) + "}"


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def child_run(of: JobRun, name: str) -> JobRun:
    """Return the run of a part of a run, always the same of one name."""
    run_id = str(uuid.uuid5(uuid.UUID(of.run_id), name))
    return JobRun(of.namespace, f"{of.job}.{name}", run_id, of.root or of)


class RunEvents:
    """The events of one run or stream; what does not change is made once.

    Args:
        report: of the run that begins: source and datasets are known.
        namespace: of its jobs.
        parent: the run that it is a part of.
        environment_variables: those that may be told.
    """

    def __init__(
        self,
        report: RunReport,
        namespace: str,
        parent: JobRun | None = None,
        environment_variables: Sequence[str] = (),
    ) -> None:
        assert report.plan is not None
        self.report, self.plan, self.parent = report, report.plan, parent
        root = (parent.root or parent) if parent is not None else None
        self.run = JobRun(namespace, report.transform, report.run_id, root)
        context = report.context
        self._of_run = facets.of_run(context, environment_variables)
        streaming = report.mode == "streaming"
        tags = dict(self.plan.tags)
        self._of_job = facets.of_job(
            "TRANSFORM", self.plan.description, streaming=streaming, context=context, tags=tags
        )
        self._of_tables = {
            table.name: facets.of_job(
                "TRANSFORM", table.description, streaming=streaming, context=context, tags=tags | dict(table.tags)
            )
            for table in self.plan.tables
        }
        about = f"Checks the rows of {self.plan.name}: keys, types and the mapping's rules."
        self._of_quality = facets.of_job("QUALITY", about, streaming=streaming, context=context, tags=tags)
        self._facets = {table.name: facets.of_table(table, context) for table in self.plan.tables}
        self._lineage = {
            table.name: {"columnLineage": facets.column_lineage(table, report.source_dataset)}
            for table in self.plan.tables
        }
        self._raw = facets.raw_schema(self.plan.tables)
        self._raw_of = {table.name: facets.raw_schema([table]) for table in self.plan.tables}

    def at(self, state: State, error: BaseException | None = None, changed: Iterable[str] | None = None) -> list[Event]:
        """Return the events of one moment: the run's own first at START, last otherwise.

        ``changed`` names the tables that there is something to tell of; None for all.
        """
        told = set(changed) if changed is not None else None
        tables = [table for table in self.plan.tables if told is None or table.name in told]
        source = Dataset(*self.report.source_dataset, self._raw)
        outputs = {table.name: self._output(table, state) for table in self.plan.tables}
        children = [self._of_table(table, outputs[table.name], state, error) for table in tables]
        if tables:
            children.append(self._quality(tables, state, error))
        own = event(
            state,
            self.run,
            of_run=self._run_facets(self.parent, error),
            of_job=self._of_job,
            inputs=[source],
            outputs=outputs.values(),
            at=self._moment(state),
        )
        return [own, *children] if state is State.START else [*children, own]

    def _of_table(self, table: Table, output: Dataset, state: State, error: BaseException | None) -> Event:
        # Only the paths that this table reads: servers store every field of every event.
        source = Dataset(*self.report.source_dataset, self._raw_of[table.name])
        named = Dataset(
            output.namespace, output.name, output.facets | self._lineage[table.name], of_output=output.of_output
        )
        return event(
            state,
            self._child(table),
            of_run=self._run_facets(self.run, error),
            of_job=self._of_tables[table.name],
            inputs=[source],
            outputs=[named],
            at=self._moment(state),
        )

    def _child(self, table: Table) -> JobRun:
        run_id = str(uuid.uuid5(uuid.UUID(self.run.run_id), table.name))
        name = f"{self.run.job}.{table.name.partition('.')[2]}"
        return JobRun(self.run.namespace, name, run_id, self.run.root or self.run)

    def _quality(self, tables: Sequence[Table], state: State, error: BaseException | None) -> Event:
        """Return the event of the checks: a job that reads the tables, with what was found as facets of its inputs."""
        judged = state in (State.COMPLETE, State.RUNNING) or isinstance(error, QualityGateError)
        return event(
            state,
            child_run(self.run, "quality"),
            of_run=self._run_facets(self.run, error),
            of_job=self._of_quality,
            inputs=[self._judged(table, judged) for table in tables],
            at=self._moment(state),
        )

    def _judged(self, table: Table, judged: bool) -> Dataset:
        found: Facets = {}
        if judged:
            found["dataQualityAssertions"] = self._assertions(table)
            figures = self.report.tables.get(table.name)
            if figures is not None:
                written = self.report.written.get(table.name)
                found["dataQualityMetrics"] = facets.metrics(table, figures.rows, written)
        return Dataset(*self.report.datasets[table.name], self._facets[table.name], of_input=found)

    def _assertions(self, table: Table) -> str:
        return facets.assertions(table, (rule for rule in self.report.quality if rule.table == table.name))

    def _output(self, table: Table, state: State) -> Dataset:
        own = dict(self._facets[table.name])
        figures: Facets = {}
        written = self.report.written.get(table.name)
        if state in (State.COMPLETE, State.RUNNING):
            if state is State.COMPLETE:
                # Marquez shows the assertions that a dataset itself has.
                own["dataQualityAssertions"] = self._assertions(table)
            if written is not None and written.version is not None:
                own["version"] = facets.version(written.version)
        entry = self.report.tables.get(table.name)
        if state is State.COMPLETE and entry is not None:
            of_store = (written.size, written.files) if written is not None and self.report.mode == "batch" else ()
            figures["outputStatistics"] = facets.statistics(entry.inserted + entry.updated, *of_store)
        return Dataset(*self.report.datasets[table.name], own, of_output=figures)

    def _run_facets(self, parent: JobRun | None, error: BaseException | None) -> Facets:
        found = dict(self._of_run)
        if parent is not None:
            found["parent"] = facets.parent(parent)
        if error is not None:
            found["errorMessage"] = facets.error_message(error, self.report.context.stack_traces)
        return found

    def _moment(self, state: State) -> datetime | None:
        return self.report.started_at if state is State.START else None


def run_events(
    report: RunReport, state: State, namespace: str, error: BaseException | None = None, parent: JobRun | None = None
) -> list[Event]:
    """Return the events of one moment of a run."""
    return RunEvents(report, namespace, parent).at(state, error)
