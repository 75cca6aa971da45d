"""What is asked of one mailbox, and what it costs by the number of its messages.

Each kind of work is measured by a unit that should not cost more in a larger mailbox: a command about a few messages,
or, where a command is about all of them, a message.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..client import Client, Unexpected
from ..cost import processor_seconds
from ..rows import Row, Sample
from ..servers import Server
from ..smtp_load import Sender

NEWEST = 50
CHANGED = 10
_MESSAGE = (
    b"From: Bob <bob@example.org>\r\nTo: ann@example.test\r\nSubject: an ordinary message\r\n"
    b"Message-ID: <%d@example.org>\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n\r\n"
    + b"ordinary words of an ordinary message, line after line of them\r\n" * 28
)


class MailboxWork:
    """One user's INBOX of a running server; ``rows`` fill with every round, by the name of the work."""

    def __init__(self, server: Server, user: str, *, smtp: int = 0, times: int) -> None:
        """``smtp``: the port that takes mail for the user; 0: none. ``times`` of each command in a round."""
        self._server = server
        self._user = user
        self._smtp = smtp
        self._times = times
        self._random = random.Random(5)
        self._open: list[Client] = []
        self._uids: list[int] = []
        self.rows: dict[str, Row] = {}

    def first(self) -> None:
        """The server has nothing of the mailbox in its own memory."""
        client = self._client(select=False)
        count = int(_found(rb"MESSAGES (\d+)", client.command(b"STATUS INBOX (MESSAGES)")))
        with self._measured("SELECT, first", "message", count):
            client.command(b"SELECT INBOX")
        client.logout()

    def begin(self) -> None:
        # The second has the mailbox open, too, as the other connections of a client do.
        self._open = [self._client(), self._client()]
        self._uids = _uids(self._open[0])

    def kinds(self) -> Sequence[Callable[[Client, Sequence[int]], None]]:
        """Work for :meth:`round`, in this order."""
        return (
            self._select, self._newest, self._one_body, self._store, self._append, self._deliver, self._move,
            self._resync, self._all,
        )  # fmt: skip

    def round(self, kind: int) -> None:
        self.kinds()[kind](self._open[0], self._uids)

    def end(self) -> None:
        for client in self._open:
            client.logout()

    @contextmanager
    def _measured(self, name: str, unit: str, units: float) -> Iterator[None]:
        before, began = processor_seconds(self._server.pid), time.perf_counter()
        yield
        took = time.perf_counter() - began
        spent = processor_seconds(self._server.pid) - before
        row = self.rows.setdefault(name, Row(name=name, unit=unit))
        row.samples.append(Sample(cost=spent * 1e6 / units, rate=units / took))

    def _client(self, *, select: bool = True) -> Client:
        client = Client(self._server.port, self._server.context)
        client.login(self._user)
        if select:
            client.command(b"SELECT INBOX")
        return client

    def _select(self, client: Client, uids: Sequence[int]) -> None:
        with self._measured("SELECT, open already", "command", self._times):
            for _ in range(self._times):
                client.command(b"SELECT INBOX")
        with self._measured("STATUS", "command", self._times):
            for _ in range(self._times):
                client.command(b"STATUS INBOX (MESSAGES UIDNEXT UNSEEN HIGHESTMODSEQ)")

    def _newest(self, client: Client, uids: Sequence[int]) -> None:
        for name, items in (("flags of the newest 50", b"FLAGS"), ("summaries of the newest 50", b"FLAGS ENVELOPE")):
            with self._measured(name, "command", self._times):
                for _ in range(self._times):
                    client.volume(b"UID FETCH %d:%d (%b)" % (uids[-NEWEST], uids[-1], items))

    def _one_body(self, client: Client, uids: Sequence[int]) -> None:
        chosen = self._random.choices(uids, k=self._times)
        with self._measured("one body", "command", len(chosen)):
            for uid in chosen:
                client.volume(b"UID FETCH %d (BODY.PEEK[])" % uid)

    def _store(self, client: Client, uids: Sequence[int]) -> None:
        chosen = self._random.choices(uids, k=self._times)
        with self._measured("STORE", "command", 2 * len(chosen)):
            for sign in b"+-":
                for uid in chosen:
                    client.command(b"UID STORE %d %cFLAGS (\\Answered)" % (uid, sign))

    def _append(self, client: Client, uids: Sequence[int]) -> None:
        with self._measured("APPEND 2 KB", "command", self._times):
            for _ in range(self._times):
                client.command(b"APPEND INBOX", _MESSAGE % time.perf_counter_ns())

    def _deliver(self, client: Client, uids: Sequence[int]) -> None:
        if self._smtp:
            sender = Sender(self._smtp, [_MESSAGE % time.perf_counter_ns()], tls=None)
            with self._measured("delivery, its session told", "message", self._times):
                sender.send(self._times, [self._user], connections=1)
                client.command(b"NOOP")

    def _move(self, client: Client, uids: Sequence[int]) -> None:
        # Of what was appended, so that the mailbox stays what it was.
        fresh = _uids(client, b"UID %d:*" % (uids[-1] + 1))[: self._times]
        with self._measured("MOVE", "command", len(fresh)):
            for uid in fresh:
                client.command(b"UID MOVE %d Archive" % uid)
        client.command(b"UID STORE %d:* +FLAGS.SILENT (\\Deleted)" % (uids[-1] + 1))
        with self._measured("EXPUNGE of many", "message", self._times):
            client.command(b"EXPUNGE")

    def _resync(self, client: Client, uids: Sequence[int]) -> None:
        reader = self._client(select=False)
        reader.command(b"ENABLE QRESYNC")
        told = reader.command(b"SELECT INBOX")
        modseq, validity = (int(_found(rb"%b (\d+)" % word, told)) for word in (b"HIGHESTMODSEQ", b"UIDVALIDITY"))
        for uid in self._random.sample(uids, CHANGED):
            client.command(b"UID STORE %d %cFLAGS (\\Flagged)" % (uid, self._random.choice(b"+-")))
        reader.command(b"NOOP")
        times = max(1, self._times // 5)
        with self._measured("CONDSTORE, 10 changed", "command", times):
            for _ in range(times):
                reader.command(b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d)" % modseq)
        with self._measured("QRESYNC, 10 changed", "command", times):
            for _ in range(times):
                reader.command(b"UNSELECT")
                reader.command(b"SELECT INBOX (QRESYNC (%d %d))" % (validity, modseq))
        reader.logout()

    def _all(self, client: Client, uids: Sequence[int]) -> None:
        with self._measured("flags of all", "message", len(uids)):
            client.volume(b"UID FETCH 1:* (FLAGS)")
        for name, key in (("SEARCH SUBJECT", b'SUBJECT "Tuesday"'), ("SEARCH UNSEEN", b"UNSEEN")):
            with self._measured(name, "message", len(uids)):
                client.volume(b"UID SEARCH " + key)


def measure(server: Server, works: Sequence[MailboxWork], rounds: int) -> None:
    """All rows of ``works``. The ``server`` does not run before, and does afterwards.

    They take turns: what else the machine does is nobody's alone.
    """
    for left in reversed(range(rounds)):
        server.start()
        for work in works:
            work.first()
        if left:
            server.stop()
    for work in works:
        work.begin()
    for _ in range(rounds):
        for kind in range(len(works[0].kinds())):
            for work in works:
                work.round(kind)
    for work in works:
        work.end()


def _uids(client: Client, key: bytes = b"ALL") -> list[int]:
    return [int(word) for word in _found(rb"\* SEARCH([ \d]*)", client.command(b"UID SEARCH " + key)).split()]


def _found(pattern: bytes, text: bytes) -> bytes:
    found = re.search(pattern, text)
    if found is None:
        raise Unexpected(f"no {pattern!r} in {text[:300]!r}")
    return found[1]
