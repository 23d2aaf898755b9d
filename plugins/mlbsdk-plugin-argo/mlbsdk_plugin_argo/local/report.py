"""What a workflow did on this machine."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

SUCCEEDED, FAILED, ERROR, SKIPPED, OMITTED = "Succeeded", "Failed", "Error", "Skipped", "Omitted"


@dataclass
class NodeReport:
    """One step: a container, a wait, or one that was left out."""

    node: str
    template: str
    status: str
    exit_code: int | None = None
    attempts: int = 0
    seconds: float = 0.0
    from_before: bool = False
    """Whether it was done by an earlier, interrupted call."""
    error: str = ""
    log: str = ""


@dataclass
class WorkflowReport:
    """A workflow's run; ``status`` is Succeeded, Failed or Interrupted."""

    workflow: str
    uid: str
    state: str
    status: str = "Running"
    duration_s: float = 0.0
    nodes: list[NodeReport] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    was_done: bool = False
    """Whether all of it was done before, and nothing was run."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, node: NodeReport) -> None:
        """Add a step; several may at once."""
        with self._lock:
            self.nodes.append(node)

    @property
    def exit_code(self) -> int:
        """0; what the first failed step returned, 1 where it returned nothing; 130 if it was interrupted."""
        if self.status == SUCCEEDED:
            return 0
        if self.status == "Interrupted":
            return 130
        failed = next((node for node in self.nodes if node.status in (FAILED, ERROR)), None)
        return failed.exit_code if failed is not None and failed.exit_code in (1, 2, 3) else 1

    def to_json(self) -> dict[str, Any]:
        """Return the report as one JSON object, as ``--json`` prints it."""
        return {
            "version": 1,
            "workflow": self.workflow,
            "uid": self.uid,
            "status": self.status,
            "duration_s": round(self.duration_s, 3),
            "was_done": self.was_done,
            "state": self.state,
            "nodes": [
                {
                    "node": one.node,
                    "template": one.template,
                    "status": one.status,
                    "exit_code": one.exit_code,
                    "attempts": one.attempts,
                    "seconds": round(one.seconds, 3),
                    "from_before": one.from_before,
                    "error": one.error,
                    "log": one.log,
                }
                for one in self.nodes
            ],
            "errors": self.errors,
        }
