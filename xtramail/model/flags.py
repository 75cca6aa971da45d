"""System flags of a message (RFC 9051 §2.3.2), as bits. Keywords are ids of a per-mailbox table, kept elsewhere."""

from __future__ import annotations

from enum import IntFlag


class Flag(IntFlag):
    """Stored as one octet. \\Recent is session state and never stored."""

    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


FLAG_NAMES: tuple[tuple[Flag, bytes], ...] = (
    (Flag.ANSWERED, b"\\Answered"),
    (Flag.FLAGGED, b"\\Flagged"),
    (Flag.DELETED, b"\\Deleted"),
    (Flag.SEEN, b"\\Seen"),
    (Flag.DRAFT, b"\\Draft"),
)

FLAG_BY_NAME: dict[bytes, Flag] = {name.lower(): flag for flag, name in FLAG_NAMES}

MAX_KEYWORDS = 64
