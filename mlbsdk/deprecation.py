"""What is going away: told a release ahead, with what to use instead."""

from __future__ import annotations

import warnings


class MlbsdkDeprecationWarning(DeprecationWarning):
    """Something of mlbsdk's public interface will go away. Python shows it in tests and in ``__main__`` only."""


def warn_deprecated(what: str, *, since: str, removed_in: str, instead: str, stacklevel: int = 2) -> None:
    """Warn that something will go away.

    Args:
        what: its name, as a caller writes it.
        since: the version that deprecated it.
        removed_in: the first version without it.
        instead: a sentence: what to use.
        stacklevel: whose line is shown; 2 is that of the function which calls this one's caller.
    """
    text = f"{what} is deprecated since mlbsdk {since} and will be removed in {removed_in}. {instead}"
    warnings.warn(text, MlbsdkDeprecationWarning, stacklevel=stacklevel + 1)
