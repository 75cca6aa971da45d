"""A POP3 maildrop: INBOX as it was at the login, and the deletions that QUIT makes.

Owns message numbers, marks, unique-ids and exact sizes of one POP3 session. Others may change INBOX meanwhile: numbers
stay, and a message that is gone is refused when its text is asked for. Flags are never changed. Knows no wording
(``wire/pop3``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence

from xtramail.mailbox.fetch import StreamBroken
from xtramail.mailbox.session import Session
from xtramail.model.bucket import Bucket
from xtramail.model.errors import Corrupt, NoSuchMailbox, NoSuchMessage
from xtramail.store import bodies, keys, messages
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.mailbox_names import INBOX
from xtramail.store.records import MessageRow
from xtramail.wire.pop3.text import Stuffing, TopText, WireText, size_from_ends

_SLICE = 256
"""Rows read in one transaction."""
_CLEAN_SOURCES = frozenset({"smtp", "submission", "outward", "lmtp", "journal", "dsn"})
"""Bare LF never comes in by these (promise 5), so the end of such a message tells its size on the wire."""

Turns = Generator[bytes, None, None]
"""Work in slices: gives an empty piece wherever others may have their turn."""


class KnownSizes:
    """Sizes on the wire found out already, for all sessions: clients come every few minutes, messages never change.

    Keyed by mailbox and UID, neither of which is ever given again while the server runs.
    """

    def __init__(self, most: int = 200_000) -> None:
        """``most`` sizes are kept, of the mailboxes asked for last; one mailbox may have more while it is open."""
        self._most = most
        self._mailboxes: OrderedDict[tuple[int, int], dict[int, int]] = OrderedDict()

    def of(self, account_id: int, mailbox_id: int, uids: Sequence[int]) -> dict[int, int]:
        """Size by UID, to be added to; ``uids`` are all that are there now."""
        key = (account_id, mailbox_id)
        known = self._mailboxes.pop(key, {})
        if len(known) > 2 * len(uids):
            # A new table: sessions that list what is gone since still have the old one.
            known = {uid: known[uid] for uid in uids if uid in known}
        self._mailboxes[key] = known
        held = sum(map(len, self._mailboxes.values())) if len(self._mailboxes) > 1 else 0
        while held > self._most and len(self._mailboxes) > 1:
            held -= len(self._mailboxes.popitem(last=False)[1])
        return known


class Maildrop:
    """Numbers begin with 1. Ends with :meth:`close`; only :meth:`commit` deletes."""

    def __init__(self, session: Session, sizes: KnownSizes) -> None:
        """NoSuchMailbox when there is no INBOX."""
        self.session = session
        services = session.services
        self._services = services
        self._engine: Engine = services.engine
        self._scope = keys.user_scope(session.account.id)
        self._shared = services.looks.hold(session.account.id, session.mailbox(INBOX).id)
        try:
            look = self._shared.now()
        except NoSuchMailbox:
            services.looks.release(self._shared)
            raise
        self._mailbox_id = self._shared.mailbox_id
        self._uids: Sequence[int] = tuple(look.uids)
        self._homes = look.homes
        self._sizes = sizes.of(session.account.id, self._mailbox_id, self._uids)
        self._marked: set[int] = set()
        self._lost: set[int] = set()
        """Gone before their size could be found out: never listed."""
        self._closed = False

    # What is listed

    def numbers(self) -> list[int]:
        """Of the messages that are neither marked nor lost, ascending."""
        hidden = self._marked | self._lost
        return [number for number, uid in enumerate(self._uids, 1) if uid not in hidden]

    def unique_id(self, number: int) -> bytes:
        """``mailbox id . uid`` (RFC 1939 §7): never another message's, and new for one that was recovered."""
        return b"%d.%d" % (self._mailbox_id, self._uid(number))

    def size(self, number: int) -> int:
        """Octets that RETR sends, before stuffing; :meth:`measure` it first."""
        uid = self._uid(number)
        size = self._sizes.get(uid)
        if size is None:
            raise NoSuchMessage
        return size

    def measure(self, numbers: Sequence[int]) -> Turns:
        """Find out the sizes of these messages, as far as they are not known yet."""
        unknown = [uid for uid in (self._uids[number - 1] for number in numbers) if uid not in self._sizes]
        monotonic, slice_seconds = self._services.clock.monotonic, self._services.limits.slice_seconds
        until = monotonic() + slice_seconds
        for start in range(0, len(unknown), _SLICE):
            run = unknown[start : start + _SLICE]
            rows = self._rows(run)
            for uid in run:
                row = rows.get(uid)
                if row is None:
                    self._lost.add(uid)
                    continue
                for size in _wire_size(self._engine, row):
                    if size is not None:
                        self._sizes[uid] = size
                    if monotonic() >= until:
                        yield b""
                        until = monotonic() + slice_seconds

    def _rows(self, uids: Sequence[int]) -> dict[int, MessageRow]:
        by_bucket: dict[Bucket, list[int]] = {}
        for uid in uids:
            by_bucket.setdefault(self._homes[uid], []).append(uid)

        def read(snap: Snapshot) -> dict[int, MessageRow]:
            return {
                uid: row
                for bucket, wanted in by_bucket.items()
                for uid in wanted
                if (row := messages.message_row(snap, self._mailbox_id, bucket, uid)) is not None
            }

        return self._engine.read(self._scope, read)

    # Text

    def text(self, number: int, lines: int | None = None) -> Iterator[bytes]:
        """The stuffed octets of a message, all or its header and so many ``lines``, each piece read when it is asked
        for.

        At once: NoSuchMessage when there is none or it is gone, Corrupt when its beginning is damaged. While it is
        read: StreamBroken when it cannot be read to its end.
        """
        uid = self._uid(number)
        try:
            look = self._shared.now()
        except NoSuchMailbox:
            raise NoSuchMessage from None
        if uid not in look.flags:
            raise NoSuchMessage
        row = self._rows([uid]).get(uid)
        if row is None:
            raise NoSuchMessage
        chunks = bodies.chunks(self._engine, row.body)
        return _stuffed(next(chunks, b""), chunks, lines)

    # Deletions

    def mark(self, number: int) -> None:
        """To be deleted by :meth:`commit`. NoSuchMessage when there is none, or it is marked already."""
        self._marked.add(self._uid(number))

    def unmark_all(self) -> None:
        self._marked.clear()

    async def commit(self) -> int:
        """Expunge what is marked, durable when this returns: how many went. They stay recoverable. StoreFull and
        StoreFault: nothing went. What others removed meanwhile is gone already, as was wished."""
        doomed = sorted(self._marked)
        if not doomed:
            return 0
        mailbox_id, now, by = self._mailbox_id, self._services.clock.now(), self.session.account.address
        try:
            gone = await self._engine.transact(
                self._scope,
                lambda txn: messages.expunge(txn, mailbox_id, doomed, by, now, deleted_only=False, taken=True),
            )
        except NoSuchMailbox:
            return 0
        return len(gone)

    def close(self) -> None:
        """Let go of INBOX; deletes nothing. May be called again."""
        if not self._closed:
            self._closed = True
            self._services.looks.release(self._shared)
            self.session.close()

    def _uid(self, number: int) -> int:
        if not 1 <= number <= len(self._uids):
            raise NoSuchMessage("No such message")
        uid = self._uids[number - 1]
        if uid in self._marked:
            raise NoSuchMessage("Message is marked as deleted")
        return uid


def _wire_size(engine: Engine, row: MessageRow) -> Iterator[int | None]:
    """The size of a message as POP3 sends it, last; before it None after each chunk that had to be read."""
    ref = row.body
    try:
        if row.source in _CLEAN_SOURCES:
            last = bodies.read(engine, ref, max(ref.size - 4, 0))
            yield size_from_ends(ref.size, last, blank_line=ref.header_length < ref.size)
            return
        text, size = WireText(), 0
        for chunk in bodies.chunks(engine, ref):
            size += len(text.push(chunk))
            yield None
        yield size + len(text.end())
    except (Corrupt, NoSuchMessage):
        # RETR will say so; until then it is as large as it was.
        yield row.size


def _stuffed(first: bytes, rest: Iterator[bytes], lines: int | None) -> Iterator[bytes]:
    wire, stuffing = WireText(), Stuffing()
    top = TopText(lines) if lines is not None else None

    def piece(text: bytes) -> bytes:
        return stuffing.push(top.push(text) if top is not None else text)

    yield piece(wire.push(first))
    try:
        for chunk in rest:
            if top is not None and top.done:
                return
            yield piece(wire.push(chunk))
    except (Corrupt, NoSuchMessage) as error:
        raise StreamBroken(error.text) from error
    yield piece(wire.end())
