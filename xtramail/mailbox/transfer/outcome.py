"""What an import is asked for, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from xtramail.mailbox.transfer.entries import Trouble

MOST_TOLD = 1_000
"""Troubles that are named; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """``into``: the mailbox that stands for INBOX, with everything below it; empty: as the files say. ``since``:
    messages that came before (seconds since 1970) are passed over. ``octets``: of the largest message taken."""

    into: str = ""
    since: float = 0.0
    octets: int = 50 << 20
    dry_run: bool = False
    reserve_percent: int = 0
    """Share of the disk that has to stay free: mail that comes meanwhile needs room."""


@dataclass(slots=True)
class Imported:
    """What came of it. ``mailboxes``: messages that were brought (or would be), by mailbox."""

    mailboxes: Counter[str] = field(default_factory=Counter)
    made: list[str] = field(default_factory=list)
    octets: int = 0
    read: int = 0
    """Octets of files that are done: for progress."""
    already: int = 0
    """Messages that an earlier run brought."""
    older: int = 0
    """Messages from before ``Terms.since``."""
    left_out: int = 0
    """Messages that their own program had deleted, or keeps for itself."""
    refused: int = 0
    """Messages, files and folders that were not taken."""
    doubtful: int = 0
    """Messages that were taken, and may be cut off."""
    troubles: list[Trouble] = field(default_factory=list)
    stopped: str = ""
    """Why it ended before everything was read; empty: it did not."""

    @property
    def messages(self) -> int:
        return self.mailboxes.total()

    def trouble(self, one: Trouble) -> None:
        if len(self.troubles) < MOST_TOLD:
            self.troubles.append(one)


Progress = Callable[[Imported], None]
