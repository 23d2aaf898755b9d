"""Which files of the raw layer a transform's tables have: what the next export needn't read again.

It is noted when a run has ended well; losing it, or a crash before, only makes the next export read more, as writing
the same captures again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.storage import read_text
from mlbsdk.writers.lakehouse import Lakehouse


@dataclass(frozen=True)
class Progress:
    """The files that are done, for one transform."""

    house: Lakehouse
    path: str
    made_by: str
    """What the tables depend on besides captures: the mapping, and the partitions."""
    oldest: date | None
    seen: frozenset[str]

    @classmethod
    def of(cls, house: Lakehouse, transform: str, made_by: str, oldest: date | None) -> Progress:
        """Read what is noted. Another mapping, or days that were not kept before, make all files new."""
        path = child(house.housekeeping, "exported", f"{transform}.json")
        empty = cls(house, path, made_by, oldest, frozenset())
        try:
            found = json.loads(read_text(house.storage, path))
            before = None if found["oldest_kept"] is None else date.fromisoformat(found["oldest_kept"])
            is_same = found["made_by"] == made_by
            seen = frozenset(map(str, found["files"]))
        except (OSError, ValueError, KeyError, TypeError):
            return empty
        keeps_more = before is not None and (oldest is None or oldest < before)
        return cls(house, path, made_by, oldest, seen) if is_same and not keeps_more else empty

    def save(self, files: Iterable[str]) -> None:
        """Note the files that are done now, in one step."""
        oldest = None if self.oldest is None else self.oldest.isoformat()
        noted = {"made_by": self.made_by, "oldest_kept": oldest, "files": sorted(files)}
        self.house.storage.write(self.path, json.dumps(noted).encode())
