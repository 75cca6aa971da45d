"""The two kinds of lines that an mbox has and its messages have not: From_ lines, and escaped ones.

Owns when a line ends one message and begins the next, its date, and quoting as in mboxrd: ``>`` before every line of
``From `` behind any number of ``>``.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterable, Iterator

FROM = b"From "
MOST_FROM = 1_000
"""Octets of a From_ line; a longer one is text."""

# asctime with what some put around the year: Sat Nov 21 18:44:05 2026, ... 18:44 2026, ... 18:44:05 GMT 2026,
# ... 18:44:05 2026 +0100, ... 18:44:05 +0100 2026
_DATE = re.compile(
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(\d{1,2}) +"
    rb"(\d{1,2}):(\d{2})(?::(\d{2}))? +(?:[A-Z]{3,4} +|([+-]\d{4}) +)?(\d{4})(?: +([+-]\d{4}))?"
)
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_QUOTED = re.compile(rb"(?m)^>(>*From )")
_TO_QUOTE = re.compile(rb"(?m)^(>*From )")
_MAYBE = (b"", b"F", b"Fr", b"Fro", b"From", b"From ")


def from_line(received_at: int) -> bytes:
    """With the time in UTC, as asctime writes it."""
    # Four digits of a year are all that the form has room for.
    moment = time.gmtime(min(max(received_at, -62_135_596_800), 253_402_300_799))
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    text = (
        f"From MAILER-DAEMON {days[moment.tm_wday]} {_MONTHS[moment.tm_mon - 1].decode()} {moment.tm_mday:2d} "
        f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d} {moment.tm_year:04d}\n"
    )
    return text.encode("ascii")


def is_from_line(line: bytes, *, after_blank: bool) -> bool:
    """Whether a line that begins with ``From `` begins a message.

    It has a date. Without an empty line before it only one that is sender and date and nothing else does: not every
    writer escapes such lines of a text.
    """
    found = _DATE.search(line)
    return found is not None and (after_blank or len(line[len(FROM) : found.start()].split()) == 1)


def date_of(line: bytes) -> int | None:
    """Seconds since 1970 of a From_ line, which has UTC where it names no zone."""
    found = _DATE.search(line)
    if found is None:
        return None
    month, day, hour, minute, second, zone_before, year, zone_behind = found.groups()
    zone = zone_before or zone_behind
    numbers = (int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second or 0))
    if not (1 <= numbers[0] and 1 <= numbers[2] <= calendar.monthrange(max(numbers[0], 1), numbers[1])[1]):
        return None
    if numbers[3] > 23 or numbers[4] > 59 or numbers[5] > 60:
        return None
    east = (int(zone[:3]) * 60 + int(zone[:1] + zone[3:])) * 60 if zone else 0
    return calendar.timegm((*numbers, 0, 0, 0)) - east


def quoted(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A message as an mbox has it."""
    for block in _blocks(chunks):
        yield _TO_QUOTE.sub(rb">\1", block) if FROM in block else block


def unquoted(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The reverse."""
    for block in _blocks(chunks):
        yield _QUOTED.sub(rb"\1", block) if b">From " in block else block


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same octets, cut so that each cut lies behind a line's end, or so far inside a line that it is neither kind.

    A block that goes on with a line is told by a first octet that no such line has there: it is given alone.
    """
    held = bytearray()
    inside = False
    for chunk in chunks:
        if inside:
            end = chunk.find(b"\n") + 1
            if not end:
                yield from _harmless(chunk)
                continue
            yield from _harmless(chunk[:end])
            chunk, inside = chunk[end:], False
        held += chunk
        whole = held.rfind(b"\n") + 1
        if whole:
            yield bytes(held[:whole])
            del held[:whole]
        if held and not _may_become(held):
            yield bytes(held)
            held.clear()
            inside = True
    if held:
        yield bytes(held)


def _harmless(inner: bytes) -> Iterator[bytes]:
    """The inside of a line, in pieces whose beginning cannot be taken for a line's."""
    text = inner.lstrip(b">")
    if not text.startswith(FROM):
        yield inner
        return
    # Cut within the word.
    cut = len(inner) - len(text) + 1
    yield inner[:cut]
    yield inner[cut:]


def _may_become(line: bytearray) -> bool:
    """Whether a line that goes on could still turn out to be one to quote; True as well for one that is."""
    return bytes(line.lstrip(b">")[:6]) in _MAYBE
