"""Export captures into layers, as a configuration says: the Python API behind ``mlbsdk export``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError, MlbsdkError
from mlbsdk.hookspecs import RunListener, SparkRequirements, TransformDecl
from mlbsdk.layers.dates import today
from mlbsdk.layers.load import load_exports
from mlbsdk.layers.model import AnalyticsLayer, Exports, NormalizedLayer, RawLayer
from mlbsdk.layers.places import LayerPlace, places_of, storages_of
from mlbsdk.layers.raw_writer import RawWriter
from mlbsdk.layers.report import ExportReport
from mlbsdk.layers.retention import chosen_places
from mlbsdk.lineage.context import RunContext
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.preparation import source_needs
from mlbsdk.runtime.session import session
from mlbsdk.runtime.several import names_of
from mlbsdk.runtime.storage import Storages
from mlbsdk.runtime.transformation import OnError
from mlbsdk.settings import LineageSettings
from mlbsdk.writers.lakehouse import Lakehouse

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pyspark.sql import SparkSession

    from mlbsdk.layers.raw import OpenSource
    from mlbsdk.lineage.commands import Command


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What to export."""

    config: Path
    """The configuration of exports."""
    layers: tuple[str, ...] = ()
    """Only these, of those that the configuration has; none for all."""
    source: str | None = None
    """Where captures come from; not needed where the first layer asked for is made from another one."""
    on_error: OnError = OnError.FAIL
    full: bool = False
    """Make the normalized tables from all captures of the raw layer, also from those that they have."""
    spark: Mapping[str, str] = field(default_factory=dict)
    log_file: Path | None = None
    storage: Mapping[str, object] = field(default_factory=dict)
    """What the object store is told besides the configuration's region and endpoint: the settings under
    ``storage:``."""
    lineage: LineageSettings = field(default_factory=LineageSettings)
    """What events tell of the export."""
    on: date | None = None
    """The day that retention counts from; by default today, in UTC."""


def export(
    request: ExportRequest,
    plugins: Plugins | None = None,
    spark: SparkSession | None = None,
    listeners: tuple[RunListener, ...] = (),
) -> ExportReport:
    """Export captures into the layers of a configuration; the same captures again change nothing.

    Args:
        request: what to export.
        plugins: the loaded plugins; by default those installed.
        spark: the session to use; by default one is made with what the layers need.
        listeners: watchers of the runs besides those that plugins declare.

    Returns:
        What was done, layer by layer. Runs of transforms that failed are in it, and not raised; layers after them are
        not made then.

    Raises:
        MlbsdkError: see :mod:`mlbsdk.errors`; a layer that was finished before stays.
    """
    plugins = plugins or Plugins.load()
    begun = time.monotonic()
    work = _Work.of(request, load_exports(request.config), plugins)
    report = ExportReport()
    spark = spark or session(work.needs, request.spark, request.log_file)
    work.storages.use_in(spark)
    try:
        with work.told(report) as command:
            work.make_raw(report, spark, command)
            work.make_normalized(report, spark, listeners, command)
            if report.status == "completed":
                work.make_analytics(report, spark, command)
            if command is not None:
                command.problem = first_problem(report)
    finally:
        report.duration_s = time.monotonic() - begun
    return report


@dataclass(frozen=True)
class _Work:
    """An export that can start: everything that can be checked without Spark is."""

    request: ExportRequest
    plugins: Plugins
    transforms: tuple[TransformDecl, ...]
    places: dict[str, LayerPlace]
    asked: tuple[str, ...]
    source: str | None
    storages: Storages
    opened: tuple[OpenSource, ...]
    needs: tuple[SparkRequirements, ...]
    notes: tuple[str, ...]
    """What is worth saying of the normalized layer's configuration."""

    @classmethod
    def of(cls, request: ExportRequest, exports: Exports, plugins: Plugins) -> _Work:
        """Check what is asked for.

        Raises:
            MlbsdkError: it can't be done.
        """
        places = places_of(exports)
        asked = chosen_places(places, request.layers)
        storages = storages_of(exports, plugins, request.storage)
        for place in asked:
            place.require_own()
        names = names_of(exports.transforms or ["*"], plugins)
        transforms = tuple(plugins.transform(name) for name in names)
        reads_source = asked[0].name == "raw" or (asked[0].name == "normalized" and "raw" not in places)
        if reads_source and request.source is None:
            further = ", or --layer normalized to go on from the raw layer" if "raw" in places else ""
            raise ConfigurationError(
                "nothing says what to export", fix=f"Give --source FILE, FOLDER or GLOB of captures{further}."
            )
        opened: Sequence[OpenSource] = ()
        needs: list[SparkRequirements] = []
        notes: list[str] = []
        for place in asked:
            storages.of(place.own).check(place.own)
            needs += storages.needs(place.own)
            if isinstance(place.layer, RawLayer):
                from mlbsdk.layers import raw

                assert request.source is not None
                kinds = raw.kinds_of(transforms, place.layer)
                opened = raw.open_sources(kinds, request.source, plugins, storages, chosen=bool(exports.transforms))
                needs += [need for one in opened for need in source_needs(one.declared, request.source, storages)]
                needs.append(plugins.writer(place.layer.format).spark)
            elif isinstance(place.layer, NormalizedLayer):
                from mlbsdk.layers import normalized

                notes += normalized.check_layout(transforms, place.layer)
                needs.append(plugins.writer(place.layer.format).spark)
                if "raw" in places:
                    needs.append(plugins.source(places["raw"].layer.format).spark)
            else:
                from mlbsdk.layers import analytics

                analytics.tables_of(place, place.layer, plugins)
                needs += [plugins.writer(places[name].layer.format).spark for name in ("normalized", "analytics")]
        return cls(
            request,
            plugins,
            transforms,
            places,
            tuple(place.name for place in asked),
            request.source,
            storages,
            tuple(opened),
            tuple(needs),
            tuple(notes),
        )

    @property
    def on(self) -> date:
        """The day that retention counts from."""
        return self.request.on or today()

    def told(self, report: ExportReport) -> AbstractContextManager[Command | None]:
        """Tell of the export, beside the housekeeping of its tables if it makes any."""
        from mlbsdk.lineage.commands import told_command

        place = self.places["normalized" if "normalized" in self.asked else self.asked[0]]
        house = Lakehouse(place.target, self.storages.of(place.target))
        lineage = self.request.lineage
        given = {"config": str(self.request.config), "layers": ", ".join(self.asked), "source": self.source or ""}
        return told_command(
            "mlbsdk.export",
            "Exports captures into layers, as a configuration says.",
            location=house.housekeeping,
            storage=house.storage,
            context=RunContext(
                parameters={name: value for name, value in given.items() if value},
                owners=lineage.owners,
                tags=lineage.tags,
                stack_traces=lineage.stack_traces,
            ),
            note=report.notes.append,
        )

    def make_raw(self, report: ExportReport, spark: SparkSession, command: Command | None) -> None:
        """Put captures into the raw layer, if it is asked for."""
        from mlbsdk.layers.raw import export_raw
        from mlbsdk.runtime.cut import RunStamp
        from mlbsdk.runtime.failures import told_in_a_sentence

        if "raw" not in self.asked:
            return
        place = self.places["raw"]
        assert isinstance(place.layer, RawLayer)
        now = datetime.now(timezone.utc)
        stamp = RunStamp(f"export-{now:%Y%m%dT%H%M%S%fZ}", "export", "", now)
        with told_in_a_sentence("Nothing more was put into the raw layer"):
            report.raw = export_raw(
                RawWriter(place, place.layer, self.storages),
                place.layer,
                self.opened,
                plugins=self.plugins,
                spark=spark,
                stamp=stamp,
                on_error=self.request.on_error,
                on=self.on,
                command=command,
            )

    def make_normalized(
        self,
        report: ExportReport,
        spark: SparkSession,
        listeners: tuple[RunListener, ...],
        command: Command | None,
    ) -> None:
        """Make the tables, if they are asked for."""
        from mlbsdk.layers.normalized import Wanted, normalize_raw, normalize_source

        if "normalized" not in self.asked:
            return
        place = self.places["normalized"]
        assert isinstance(place.layer, NormalizedLayer)
        request = self.request
        wanted = Wanted(
            place,
            place.layer,
            request.on_error,
            self.on,
            request.full,
            dict(request.spark),
            request.log_file,
            self.storages,
            request.lineage,
            command.run if command is not None else None,
        )
        if "raw" in self.places:
            raw = self.places["raw"]
            assert isinstance(raw.layer, RawLayer)
            report.normalized = normalize_raw(
                wanted,
                RawWriter(raw, raw.layer, self.storages),
                self.transforms,
                plugins=self.plugins,
                spark=spark,
                listeners=listeners,
            )
        else:
            assert self.source is not None
            report.normalized = normalize_source(
                wanted, self.source, self.transforms, plugins=self.plugins, spark=spark, listeners=listeners
            )
        report.normalized.notes += self.notes
        if report.normalized.failed:
            report.status = "failed"

    def make_analytics(self, report: ExportReport, spark: SparkSession, command: Command | None) -> None:
        """Build the derived tables, if they are asked for."""
        from mlbsdk.layers.analytics import build

        if "analytics" not in self.asked:
            return
        place = self.places["analytics"]
        assert isinstance(place.layer, AnalyticsLayer)
        report.analytics = build(
            place,
            place.layer,
            self.places["normalized"],
            plugins=self.plugins,
            storages=self.storages,
            spark=spark,
            spark_settings=self.request.spark,
            lineage=self.request.lineage,
            parent=command.run if command is not None else None,
        )


def first_problem(report: ExportReport) -> MlbsdkError | None:
    """Return the first error of an export that failed."""
    return next(iter(report.normalized.problems), None) if report.normalized is not None else None
