"""Every error a user can meet: a stable code, what happened, where, and what to do.

Codes: 1xx plugins, 2xx mappings, 3xx reading, 4xx quality, 5xx writing, 6xx environment, 7xx lineage.
``exit_code`` is what the command line returns: 1 failed, 2 usage or configuration, 3 quality gate closed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+@")
_PASSWORD_AS_PARAMETER = re.compile(r"(?<=[?&])((?:ssl)?password=)[^&\s'\"]+", re.IGNORECASE)


def redact(text: str) -> str:
    """Return ``text`` with the password of every URL in it replaced by ``***``."""
    return _PASSWORD_AS_PARAMETER.sub(r"\1***", _PASSWORD_IN_URL.sub(r"\1:***@", text))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def shortened(items: Sequence[object], limit: int = 5) -> str:
    """Return the first items as text, and how many were left out."""
    shown = ", ".join(str(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"


class MlbsdkError(Exception):
    """Root of all errors that mlbsdk raises on purpose."""

    code: ClassVar[str] = "MLBSDK100"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.message = redact(message)
        self.where = redact(where) if where else None
        self.fix = redact(fix) if fix else None
        super().__init__(self.message)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        if not self.fix:
            return f"[{self.code}] {place}{self.message}"
        stop = "" if self.message.endswith((".", "?", "!")) else "."
        return f"[{self.code}] {place}{self.message}{stop} {self.fix}"


class PluginError(MlbsdkError):
    """A plugin could not be used."""

    code = "MLBSDK101"
    exit_code = 2


class PluginConflictError(PluginError):
    """Two plugins declare the same name."""

    code = "MLBSDK102"


class PluginContractError(PluginError):
    """A plugin returned something that its hook does not allow."""

    code = "MLBSDK103"


class PluginVersionError(PluginError):
    """A plugin was built for another major version of the hook specifications."""

    code = "MLBSDK104"


class UnknownNameError(PluginError):
    """No plugin provides the transform, writer, source or engine that was asked for."""

    code = "MLBSDK105"


class PluginFailedError(PluginError):
    """A plugin's object raised something unexpected in the middle of a run."""

    code = "MLBSDK106"
    exit_code = 1


class MappingError(MlbsdkError):
    """A mapping is wrong; ``problems`` holds every mistake found in the file."""

    code = "MLBSDK201"
    exit_code = 2

    def __init__(self, problems: Sequence[str], *, where: str | None = None) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = self.problems[0] if count == 1 else f"{count} mistakes:\n  " + "\n  ".join(self.problems)
        super().__init__(head, where=where)


class ConfigurationError(MlbsdkError):
    """A setting, flag or address is wrong."""

    code = "MLBSDK202"
    exit_code = 2


class StorageError(MlbsdkError):
    """An object store can't be reached, or refuses what is asked: credentials, bucket, endpoint."""

    code = "MLBSDK203"
    exit_code = 2


class SourceError(MlbsdkError):
    """The source is not there or holds nothing to read."""

    code = "MLBSDK301"
    exit_code = 2


class DocumentsRejectedError(MlbsdkError):
    """Captures could not be read as documents of this mapping, and the policy is ``fail``."""

    code = "MLBSDK302"
    exit_code = 3


class RawSchemaError(MlbsdkError):
    """A raw table lacks columns, or has columns of another type."""

    code = "MLBSDK303"


class FetchError(MlbsdkError):
    """An API did not answer a request, however often it was asked, or refused it; what was stored before is there."""

    code = "MLBSDK304"


class QualityGateError(MlbsdkError):
    """Rows break rules of severity error, and the policy is ``fail``: nothing was published."""

    code = "MLBSDK401"
    exit_code = 3


class TargetSchemaError(MlbsdkError):
    """The rows to write differ from the table's schema."""

    code = "MLBSDK402"


class AmbiguousKeyError(MlbsdkError):
    """Several rows of one document have the same primary key."""

    code = "MLBSDK403"
    exit_code = 3


class DriftError(MlbsdkError):
    """Captures have new paths, or lack some, and the mapping's drift policy is ``fail``: nothing was published."""

    code = "MLBSDK404"
    exit_code = 3


class WriteError(MlbsdkError):
    """A table could not be written."""

    code = "MLBSDK501"


class TargetUnwritableError(WriteError):
    """The target's location can't be written."""

    code = "MLBSDK502"


class StoredSchemaError(WriteError):
    """The stored table differs from the mapping in a way that can't be evolved."""

    code = "MLBSDK503"


class EnvironmentProblem(MlbsdkError):
    """Java, Spark or a jar is missing or can't be used."""

    code = "MLBSDK601"
    exit_code = 2


class SparkJobError(MlbsdkError):
    """A job of Spark's failed: memory, a lost server or disk, a fault of Spark's own."""

    code = "MLBSDK602"


class LineageError(MlbsdkError):
    """A lineage backend refused or lost events; never fatal to a run."""

    code = "MLBSDK701"
