"""Failures of Spark's jobs as one sentence: the cause that Java found last, without its stack."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from mlbsdk.errors import SparkJobError

#: ``org.postgresql.util.PSQLException: This connection has been closed.`` at the start of a line of a Java stack.
_CAUSE = re.compile(r"^(?:Caused by: )?(?:[\w$]+\.)+([\w$]*(?:Exception|Error)): (.+)$", re.MULTILINE)


@contextlib.contextmanager
def told_in_a_sentence(left: str = "Nothing more of this batch was published") -> Iterator[None]:
    """Turn what Spark raises inside into a :class:`~mlbsdk.errors.SparkJobError`; all else passes.

    Args:
        left: what is stored after a failure, for the error.

    Raises:
        SparkJobError: a job failed.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JJavaError, PySparkException) as problem:
        raise SparkJobError(
            f"Spark failed: {cause_in(str(problem))}",
            fix=f"{left}; the log has the rest. Run again once the cause is gone.",
        ) from problem


def cause_in(text: str) -> str:
    """Return the last cause that a Java stack names, or the first line of any other text."""
    causes = _CAUSE.findall(text)
    if causes:
        kind, message = causes[-1]
        return f"{kind}: {message.strip()}"
    lines = text.strip().splitlines()
    return lines[0] if lines else "it does not say why"
