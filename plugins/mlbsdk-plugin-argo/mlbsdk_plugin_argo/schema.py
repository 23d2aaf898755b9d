"""Argo's own JSON schema of workflows, closed: unknown fields are refused.

The file is ``api/jsonschema/schema.json`` of Argo Workflows 4.1.2 (Apache License 2.0), as it was published. By itself
it takes any field that it does not know, and so any misspelt one.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from mlbsdk.plugin import did_you_mean

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

ARGO_VERSION = "4.1.2"
KINDS = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow")
_PREFIX = "io.argoproj.workflow.v1alpha1."
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"


def schema_problems(document: Any) -> list[str]:
    """Return what is wrong with a document by the closed schema, each with the place where it is."""
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind not in KINDS:
        return [f"kind: {kind!r} is none of {', '.join(KINDS)}"]
    if document.get("apiVersion") != "argoproj.io/v1alpha1":
        return [f"apiVersion: {document.get('apiVersion')!r} is not 'argoproj.io/v1alpha1'"]
    return [text for error in _validator(kind).iter_errors(document) for text in _sentences(error)]


@lru_cache(maxsize=len(KINDS))
def _validator(kind: str) -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator({"$ref": f"#/definitions/{_PREFIX}{kind}", "definitions": _closed_definitions()})


@lru_cache(maxsize=1)
def _closed_definitions() -> dict[str, Any]:
    packed = resources.files("mlbsdk_plugin_argo").joinpath(f"data/argo-workflows-{ARGO_VERSION}.schema.json.gz")
    definitions: dict[str, Any] = json.loads(gzip.decompress(packed.read_bytes()))["definitions"]
    for definition in definitions.values():
        if "properties" in definition:
            definition.setdefault("additionalProperties", False)
    # Kubernetes takes numbers here too, as the name says; the published schema does not.
    definitions[_INT_OR_STRING]["type"] = ["string", "integer"]
    return definitions


def _sentences(error: Any) -> Iterator[str]:
    place = _place(error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {})
        for name in error.instance:
            if name not in known:
                yield f"{place}: Argo knows no field '{name}' here.{did_you_mean(name, known)}"
    else:
        message = error.message if len(error.message) < 300 else f"{error.message[:300]}..."
        yield f"{place}: {message}"


def _place(path: Any) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "the document"
