"""What SEARCH may ask of one message, read from the store only when it is asked for."""

from __future__ import annotations

from datetime import date
from email.utils import parsedate

from xtramail.mailbox.view import Place, View
from xtramail.model.clock import DAY_SECONDS
from xtramail.model.collation import searchfold
from xtramail.model.errors import Corrupt, NoSuchMessage
from xtramail.store import bodies
from xtramail.store.engine import Engine
from xtramail.store.records import MessageRow
from xtramail.store.search_texts import Searchable, search_text
from xtramail.wire.mime.header import unfold
from xtramail.wire.mime.summary import header_text

_HEADER_OCTETS = 256 * 1024
_EPOCH = date(1970, 1, 1).toordinal()


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _EPOCH


class Facts:
    """One message under search. Text is case folded; what cannot be read any more is empty."""

    __slots__ = ("_body", "_engine", "_header", "place", "row", "stored", "view")

    def __init__(
        self, engine: Engine, view: View, place: Place, row: MessageRow | None, stored: Searchable | None = None
    ) -> None:
        """``stored``: header and text as they were laid down for searching, where they are and somebody read them."""
        self.stored = stored
        self._engine = engine
        self.view = view
        self.place = place
        self.row = row
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
            self._body = searchfold(search_text(self._engine, self.row.body)) if self.row is not None else ""
        return self._body

    @property
    def internal_day(self) -> int:
        """Day of INTERNALDATE since 1970, in UTC, as FETCH tells it."""
        return self.row.internaldate // DAY_SECONDS if self.row is not None else 0

    @property
    def saved_day(self) -> int:
        return self.place.row.savedate // DAY_SECONDS

    def sent_day(self, near: int) -> int:
        """Day of Date: in the sender's own zone, time and zone disregarded (RFC 3501 §6.4.4).

        The header itself is read only where it decides: within a day of ``near``.
        """
        if self.row is None:
            return 0
        day = self.row.sent_at // DAY_SECONDS
        if abs(day - near) > 1:
            return day
        for name, value in self.header:
            parsed = parsedate(value[:200]) if name == "date" else None
            if parsed is not None:
                try:
                    return day_number(date(*parsed[:3]))
                except ValueError:
                    return day
        return day

    def _header_text(self) -> str:
        row = self.row
        if row is None:
            return ""
        try:
            octets = bodies.read(self._engine, row.body, 0, min(row.header_length, _HEADER_OCTETS))
        except (Corrupt, NoSuchMessage):
            return ""
        return header_text(unfold(octets))
