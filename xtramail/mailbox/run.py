"""A run of messages as SEARCH sees them: what their rows say by column, and their usual header fields packed.

Owns reading both, in pieces short enough for a turn. None of it ever changes, for rows are immutable and a UID is given
once: that is why runs may be kept in memory (``run_memory``).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Generator, Sequence

from xtramail.mailbox.packed import NOTHING, PackedField, Values, pack, values_of
from xtramail.mailbox.rows import SLICE, read_rows
from xtramail.mailbox.view import View
from xtramail.model.bucket import Bucket
from xtramail.store.engine import Engine
from xtramail.store.message_row import NO_NUMBERS
from xtramail.store.search_texts import Pieces, peek_texts

RUN = 512
"""Messages in one run."""

TEXT_OCTETS = 256 << 10
"""Of stored text read, checked and then looked through. What was checked is still near the processor then: with four
times as much it comes from memory a second time, which is 7 % of a search (of the two passes themselves 38 %)."""

_EACH = 100
"""Octets that a message's columns take, about."""


class Run:
    """Messages by ascending UID. Columns say of each what its row says, zeros where that cannot be read."""

    __slots__ = ("bodies", "buckets", "dates", "fields", "known", "objects", "sent", "sizes", "threads", "uids",
                 "unpacked", "unread")  # fmt: skip

    def __init__(self, uids: Sequence[int]) -> None:
        self.uids = list(uids)
        self.known = frozenset(uids)
        self.unread: frozenset[int] = frozenset()
        """UIDs whose row is damaged or gone."""
        self.buckets = array("L")
        self.bodies = array("Q")
        """Ids of their bodies."""
        self.sizes = array("Q")
        self.dates = array("q")
        """INTERNALDATE, seconds since 1970."""
        self.sent = array("q")
        self.objects = array("Q")
        self.threads = array("Q")
        self.fields: dict[str, PackedField] | None = None
        """Folded header fields (``search_texts.USUAL``); None until :meth:`pack`."""
        self.unpacked: frozenset[int] = frozenset()
        """UIDs whose header is not in ``fields``: it is huge, or was not laid down for searching."""

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def _columns(self) -> tuple[array[int], ...]:
        """In the order of ``MessageRow.numbers``."""
        return self.buckets, self.bodies, self.sizes, self.dates, self.sent, self.objects, self.threads

    @property
    def octets(self) -> int:
        """What it takes in memory, about."""
        fields = sum(field.octets for field in self.fields.values()) if self.fields is not None else 0
        return len(self) * _EACH + fields + 2_000

    def positions(self, uids: Sequence[int]) -> Sequence[int]:
        """Where in the columns the messages are; all of them are :attr:`known`."""
        if len(uids) == len(self.uids):
            return range(len(self.uids))
        return [bisect_left(self.uids, uid) for uid in uids]

    def places(self, uids: Sequence[int]) -> list[tuple[Bucket, int]]:
        """Bucket and id of each body."""
        buckets, bodies = self.buckets, self.bodies
        return [(Bucket(buckets[at]), bodies[at]) for at in self.positions(uids)]

    def read(self, engine: Engine, view: View) -> Generator[None, None, None]:
        """Fill the columns; each step is a slice of work."""
        unread: list[int] = []
        for start in range(0, len(self.uids), SLICE):
            uids = self.uids[start : start + SLICE]
            rows = read_rows(engine, view.shared.account_id, view.mailbox_id, view.places(uids))
            if len(rows) < len(uids):
                unread += [uid for uid in uids if uid not in rows]
            told = [row.numbers if (row := rows.get(uid)) is not None else NO_NUMBERS for uid in uids]
            for column, values in zip(self._columns, zip(*told, strict=True), strict=True):
                column.extend(values)
            yield
        self.unread = frozenset(unread)

    def pack(self, engine: Engine) -> Generator[None, None, None]:
        """Read the stored headers into :attr:`fields`; each step is a slice of work."""

        def take(texts: list[Pieces | None]) -> list[Values | None]:
            return [values_of(pieces[0]) if pieces is not None else None for pieces in texts]

        wanted = self.places(self.uids)
        values: list[Values | None] = []
        while len(values) < len(wanted):
            values += peek_texts(engine, wanted[len(values) :], TEXT_OCTETS, take, whole=False)
            yield
        self.unpacked = frozenset(uid for uid, of_one in zip(self.uids, values, strict=True) if of_one is None)
        self.fields = pack([NOTHING if of_one is None else of_one for of_one in values])

    def joined(self, later: Run) -> Run:
        """This and ``later``, whose UIDs are all higher."""
        whole = Run([*self.uids, *later.uids])
        whole.unread = self.unread | later.unread
        for column, one, other in zip(whole._columns, self._columns, later._columns, strict=True):
            column.extend(one)
            column.extend(other)
        if self.fields is not None and later.fields is not None:
            whole.unpacked = self.unpacked | later.unpacked
            whole.fields = {name: field.joined(later.fields[name]) for name, field in self.fields.items()}
        return whole
