"""The specification's own JSON schemas, in tests/data/openlineage: every event of a test is checked against them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

_FOLDER = Path(__file__).parent / "data" / "openlineage"
#: Where an event has facets, and the schema file of each.
_FILES = {
    "run": {
        "parent": "ParentRunFacet",
        "nominalTime": "NominalTimeRunFacet",
        "processing_engine": "ProcessingEngineRunFacet",
        "errorMessage": "ErrorMessageRunFacet",
        "executionParameters": "ExecutionParametersRunFacet",
        "environmentVariables": "EnvironmentVariablesRunFacet",
        "tags": "TagsRunFacet",
    },
    "job": {
        "jobType": "JobTypeJobFacet",
        "documentation": "DocumentationJobFacet",
        "ownership": "OwnershipJobFacet",
        "sourceCodeLocation": "SourceCodeLocationJobFacet",
        "tags": "TagsJobFacet",
    },
    "dataset": {
        "schema": "SchemaDatasetFacet",
        "columnLineage": "ColumnLineageDatasetFacet",
        "documentation": "DocumentationDatasetFacet",
        "ownership": "OwnershipDatasetFacet",
        "tags": "TagsDatasetFacet",
        "version": "DatasetVersionDatasetFacet",
        "dataQualityAssertions": "DataQualityAssertionsDatasetFacet",
        "dataQualityMetrics": "DataQualityMetricsInputDatasetFacet",
        "outputStatistics": "OutputStatisticsOutputDatasetFacet",
    },
}


def require_valid(event: dict[str, Any]) -> None:
    """Check an event and each of its facets; one whose schema is not among the test data fails.

    Raises:
        jsonschema.ValidationError: the event is none of the specification.
    """
    _validator("OpenLineage.json#/$defs/RunEvent").validate(event)
    _facets(event["run"].get("facets", {}), "run")
    _facets(event["job"].get("facets", {}), "job")
    for dataset in (*event["inputs"], *event["outputs"]):
        for kind in ("facets", "inputFacets", "outputFacets"):
            _facets(dataset.get(kind, {}), "dataset")


def events_below(folder: Path) -> list[dict[str, Any]]:
    """Return the events of the journal in a target's housekeeping folder, each checked."""
    lines = (folder / "lineage.jsonl").read_text(encoding="utf-8").splitlines()
    events = [dict(json.loads(line)) for line in lines]
    for event in events:
        require_valid(event)
    return events


def parents_by_job(events: list[dict[str, Any]]) -> dict[str, str | None]:
    """Return the name of each job's parent."""
    return {
        event["job"]["name"]: event["run"]["facets"].get("parent", {}).get("job", {}).get("name") for event in events
    }


def _facets(found: dict[str, Any], of: str) -> None:
    for name, facet in found.items():
        file = _FILES[of][name]
        # That the facet is of the version whose schema is tested against, and as it says itself.
        assert facet["_schemaURL"] == f"{_schema(f'facets/{file}.json')['$id']}#/$defs/{file}"
        _validator(f"facets/{file}.json").validate({name: facet})
        allowed = _schema(f"facets/{file}.json")["$defs"][file]["allOf"][1]["properties"]
        assert set(facet) <= {"_producer", "_schemaURL", *allowed}, f"{file} has no {set(facet) - set(allowed)}"


@cache
def _schema(file: str) -> dict[str, Any]:
    return dict(json.loads((_FOLDER / file).read_text(encoding="utf-8")))


@cache
def _validator(reference: str) -> Draft202012Validator:
    file, _, part = reference.partition("#")
    whole = _schema(file)
    schema = {"$ref": f"{whole['$id']}#{part}"} if part else {"$ref": whole["$id"]}
    return Draft202012Validator(schema, registry=_registry(), format_checker=FormatChecker())


@cache
def _registry() -> Registry[Any]:
    schemas = [json.loads(file.read_text(encoding="utf-8")) for file in _FOLDER.rglob("*.json")]
    return Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in schemas)
