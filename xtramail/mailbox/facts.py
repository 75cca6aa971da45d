"""What SEARCH asks of one message that was not laid down for searching: read from its row and its body.

Owns decoding them for that: the slow way, for the few with a huge header, and what the faster ones must agree with.
"""

from __future__ import annotations

from datetime import date
from email.utils import parsedate

from xtramail.mailbox import envelopes
from xtramail.model.collation import searchfold
from xtramail.model.errors import Corrupt, NoSuchMessage
from xtramail.store import bodies
from xtramail.store.engine import Engine
from xtramail.store.records import MessageRow
from xtramail.store.search_texts import search_text
from xtramail.wire.mime.header import unfold
from xtramail.wire.mime.summary import header_text

_HEADER_OCTETS = 256 * 1024
_EPOCH = date(1970, 1, 1).toordinal()


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _EPOCH


def sent_day(row: MessageRow) -> int | None:
    """Day of Date: as the sender wrote it, zone disregarded; None when there is none."""
    written = envelopes.envelope_text(row.envelope, envelopes.DATE)[:200]
    parsed = parsedate(written.decode("latin-1"))
    try:
        return None if parsed is None else day_number(date(*parsed[:3]))
    except ValueError:
        return None


class Facts:
    """One message under search. Text is case folded; what cannot be read any more is empty."""

    __slots__ = ("_body", "_engine", "_header", "_row")

    def __init__(self, engine: Engine, row: MessageRow | None) -> None:
        self._engine = engine
        self._row = row
        self._header: list[tuple[str, str]] | None = None
        self._body: str | None = None

    @property
    def header(self) -> list[tuple[str, str]]:
        """(name, value) of each field, decoded."""
        if self._header is None:
            lines = (line.partition(":") for line in searchfold(self._header_text()).split("\n"))
            self._header = [(name.rstrip(), value.strip()) for name, _, value in lines]
        return self._header

    @property
    def body(self) -> str:
        """Decoded text of the text parts, and file names."""
        if self._body is None:
            self._body = searchfold(search_text(self._engine, self._row.body)) if self._row is not None else ""
        return self._body

    def in_field(self, field: str, text: str) -> bool:
        """Whether a field of this name (lower case) has ``text`` in its value."""
        return any(name == field and text in value for name, value in self.header)

    def anywhere(self, text: str) -> bool:
        return any(text in f"{name}: {value}" for name, value in self.header) or text in self.body

    def _header_text(self) -> str:
        row = self._row
        if row is None:
            return ""
        try:
            octets = bodies.read(self._engine, row.body, 0, min(row.header_length, _HEADER_OCTETS))
        except (Corrupt, NoSuchMessage):
            return ""
        return header_text(unfold(octets))
