"""Which messages of a bucket changed last, so that a client that missed little is answered without going through all.

Owns remembering a bounded number of changes. It is no source of truth: what it does not reach back to is looked up.
"""

from __future__ import annotations

import msgspec

_MOST = 256
"""UIDs remembered for a bucket."""


class FlagLog(msgspec.Struct, frozen=True):
    """Every change with a MODSEQ above ``since``: (MODSEQ, UIDs that came or changed), oldest first."""

    since: int
    entries: tuple[tuple[int, tuple[int, ...]], ...] = ()
    size: int = 0
    """UIDs in all entries."""

    def then(self, modseq: int, uids: tuple[int, ...]) -> FlagLog:
        """The log after one more change; forgets the oldest when there are too many."""
        if not uids:
            return self
        if len(uids) > _MOST:
            return FlagLog(since=modseq)
        since, entries, size = self.since, (*self.entries, (modseq, uids)), self.size + len(uids)
        if size > _MOST:
            half = len(entries) // 2
            since, entries = entries[half - 1][0], entries[half:]
            size = sum(len(changed) for _, changed in entries)
        return FlagLog(since=since, entries=entries, size=size)

    def after(self, modseq: int) -> set[int] | None:
        """UIDs that changed above ``modseq`` (some may be gone by now); None when it is not known any more."""
        if modseq < self.since:
            return None
        found: set[int] = set()
        for stamp, uids in reversed(self.entries):
            if stamp <= modseq:
                break
            found.update(uids)
        return found
