"""When a message came, by its own header: for files that tell it in no other way."""

from __future__ import annotations

import re

from xtramail.wire.mime.dates import parse_date

MOST_HEADER = 64 * 1024
_FIELDS = re.compile(rb"(?im)^(Received|Date):([^\n]*\n(?:[ \t][^\n]*\n)*)")
_HEADER_END = re.compile(rb"\n\r?\n")


def arrival_of(head: bytes) -> int | None:
    """Seconds since 1970 of the topmost Received with a date (RFC 5321 §4.4: the newest), else of Date; None without
    either."""
    found = _HEADER_END.search(head[:MOST_HEADER])
    header = head[: found.start() + 1] if found is not None else head[:MOST_HEADER]
    date: float | None = None
    for name, value in _FIELDS.findall(header):
        text = b" ".join(value.split()).decode("ascii", "replace")
        if name.lower() == b"received":
            received = parse_date(text.rpartition(";")[2])
            if received is not None:
                return int(received)
        elif date is None:
            date = parse_date(text)
    return int(date) if date is not None else None
