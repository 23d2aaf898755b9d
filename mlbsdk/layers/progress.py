"""Which files of the raw layer a transform's tables have: what the next export needn't read again.

It is noted when a run has ended well; losing it, or a crash before, only makes the next export read more, as writing
the same captures again changes nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mlbsdk.runtime.addresses import child
from mlbsdk.writers.lakehouse import Lakehouse


@dataclass(frozen=True)
class Progress:
    """The files that are done, for one transform."""

    path: str
    made_by: str
    """What the tables depend on besides captures: the mapping, and the partitions."""
    oldest: date | None
    seen: frozenset[str]

    @classmethod
    def of(cls, target: str, transform: str, made_by: str, oldest: date | None) -> Progress:
        """Read what is noted. Another mapping, or days that were not kept before, make all files new."""
        path = child(Lakehouse(target).housekeeping, "exported", f"{transform}.json")
        empty = cls(path, made_by, oldest, frozenset())
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
            before = None if found["oldest_kept"] is None else date.fromisoformat(found["oldest_kept"])
            is_same = found["made_by"] == made_by
            seen = frozenset(map(str, found["files"]))
        except (OSError, ValueError, KeyError, TypeError):
            return empty
        keeps_more = before is not None and (oldest is None or oldest < before)
        return cls(path, made_by, oldest, seen) if is_same and not keeps_more else empty

    def save(self, files: Iterable[str]) -> None:
        """Note the files that are done now, in one step."""
        file = Path(self.path)
        file.parent.mkdir(parents=True, exist_ok=True)
        oldest = None if self.oldest is None else self.oldest.isoformat()
        draft = file.with_name(f".{file.name}-{os.getpid()}")
        draft.write_text(
            json.dumps({"made_by": self.made_by, "oldest_kept": oldest, "files": sorted(files)}), encoding="utf-8"
        )
        draft.replace(file)
