"""What is asked of one mailbox, and what it costs by the number of its messages.

Each kind of work is measured by a unit that should not cost more in a larger mailbox: a command about a few messages,
or, where a command is about all of them, a message.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from ..client import Client, Unexpected
from ..cost import processor_seconds
from ..mail_servers import MailServer
from ..rows import Row, Sample
from ..smtp_load import Sender

NEWEST = 50
CHANGED = 10
LONGEST = 3.0
"""Seconds after which a command that some server is slow at is not given again in this round."""
_WITHIN = 60.0
_LOOK = 0.005
_MESSAGE = (
    b"From: Bob <bob@example.org>\r\nTo: ann@example.test\r\nSubject: an ordinary message\r\n"
    b"Message-ID: <%d@example.org>\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n\r\n"
    + b"ordinary words of an ordinary message, line after line of them\r\n" * 28
)


class MailboxWork:
    """One user's INBOX of a running server; ``rows`` fill with every round, by the name of the work."""

    def __init__(self, server: MailServer, user: str, *, times: int) -> None:
        """``times`` of each command in a round, fewer when they take over :data:`LONGEST`."""
        self._server = server
        self._user = user
        self._times = times
        self._random = random.Random(5)
        self._open: list[Client] = []
        self._uids: list[int] = []
        self.rows: dict[str, Row] = {}

    def first(self) -> None:
        """The server has nothing of the mailbox in its own memory."""
        client = self._client(select=False)
        with self._measured("SELECT, first", "message", _messages(client)):
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
    def _measured(self, name: str, unit: str, units: float = 0.0) -> Iterator[list[float]]:
        """Who does not know how many ``units`` there will be puts the number into the list."""
        counted = [units]
        before, began = processor_seconds(*self._server.roots), time.perf_counter()
        yield counted
        took = time.perf_counter() - began
        spent = processor_seconds(*self._server.roots) - before
        row = self.rows.setdefault(name, Row(name=name, unit=unit))
        row.samples.append(Sample(cost=spent * 1e6 / counted[0], rate=counted[0] / took))

    def _repeat(self, name: str, command: Callable[[], object]) -> None:
        """So many times as it was said, for a row of its own."""
        self._each(name, range(self._times), lambda _: command())

    def _each(self, name: str, chosen: Iterable[int], command: Callable[[int], object]) -> None:
        """One command for each of ``chosen``, one after another, until LONGEST."""
        with self._measured(name, "command") as counted:
            until = time.perf_counter() + LONGEST
            for one in chosen:
                command(one)
                counted[0] += 1
                if time.perf_counter() > until:
                    break

    def _client(self, *, select: bool = True) -> Client:
        client = Client(self._server.imap, self._server.context)
        client.login(self._user)
        if select:
            client.command(b"SELECT INBOX")
        return client

    def _select(self, client: Client, uids: Sequence[int]) -> None:
        self._repeat("SELECT, open already", lambda: client.command(b"SELECT INBOX"))
        status = b"STATUS INBOX (MESSAGES UIDNEXT UNSEEN HIGHESTMODSEQ)"
        self._repeat("STATUS", lambda: client.command(status))

    def _newest(self, client: Client, uids: Sequence[int]) -> None:
        newest = b"UID FETCH %d:%d" % (uids[-NEWEST], uids[-1])
        self._repeat("flags of the newest 50", lambda: client.volume(newest + b" (FLAGS)"))
        self._repeat("summaries of the newest 50", lambda: client.volume(newest + b" (FLAGS ENVELOPE)"))

    def _one_body(self, client: Client, uids: Sequence[int]) -> None:
        chosen = self._random.choices(uids, k=self._times)
        self._each("one body", chosen, lambda uid: client.volume(b"UID FETCH %d (BODY.PEEK[])" % uid))

    def _store(self, client: Client, uids: Sequence[int]) -> None:
        # As many more without it as got it: every one of them is a change.
        chosen = self._random.sample(uids, k=min(self._times, len(uids)))
        signed = [uid * sign for sign in (1, -1) for uid in chosen]

        def store(signed: int) -> None:
            client.command(b"UID STORE %d %cFLAGS (\\Answered)" % (abs(signed), b"-+"[signed > 0]))

        self._each("STORE", signed, store)
        client.command(b"UID STORE %b -FLAGS.SILENT (\\Answered)" % b",".join(b"%d" % uid for uid in chosen))

    def _append(self, client: Client, uids: Sequence[int]) -> None:
        self._repeat("APPEND 2 KB", lambda: client.command(b"APPEND INBOX", _MESSAGE % time.perf_counter_ns()))

    def _deliver(self, client: Client, uids: Sequence[int]) -> None:
        sender = Sender(self._server.port, [_MESSAGE % time.perf_counter_ns()], tls=None)
        there = _messages(client)
        client.command(b"NOOP")
        with self._measured("delivery, its session told", "message", self._times):
            sender.send(self._times, [self._user], connections=1)
            self._settle()
            told = client.command(b"NOOP")
        if b"* %d EXISTS" % (there + self._times) not in told:
            raise Unexpected(f"of {there} + {self._times} messages its session was told {told[-300:]!r}")

    def _settle(self) -> None:
        deadline = time.monotonic() + _WITHIN
        while not self._server.settled():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self._server.name}: mail is still on its way after {_WITHIN:.0f} s")
            time.sleep(_LOOK)

    def _move(self, client: Client, uids: Sequence[int]) -> None:
        # What was appended is moved, what was delivered is expunged, so that the mailbox stays what it was.
        fresh = _uids(client, b"UID %d:*" % (uids[-1] + 1))
        appended, delivered = fresh[: -self._times], fresh[-self._times :]
        self._each("MOVE", appended, lambda uid: client.command(b"UID MOVE %d Archive" % uid))
        if delivered[0] <= uids[-1]:
            raise Unexpected(f"of {self._times} delivered messages {len(fresh)} are there")
        client.command(b"UID STORE %d:* +FLAGS.SILENT (\\Deleted)" % delivered[0])
        with self._measured("EXPUNGE of many", "message", self._times):
            client.command(b"EXPUNGE")
        # Where moving took too long to move all.
        left = [uid for uid in _uids(client, b"UID %d:*" % (uids[-1] + 1)) if uid > uids[-1]]
        if left:
            client.command(b"UID STORE %d:* +FLAGS.SILENT (\\Deleted)" % left[0])
            client.command(b"EXPUNGE")

    def _resync(self, client: Client, uids: Sequence[int]) -> None:
        reader = self._client(select=False)
        reader.command(b"ENABLE QRESYNC")
        told = reader.command(b"SELECT INBOX")
        modseq, validity = (int(_found(rb"%b (\d+)" % word, told)) for word in (b"HIGHESTMODSEQ", b"UIDVALIDITY"))
        for uid in self._random.sample(uids, CHANGED):
            client.command(b"UID STORE %d %cFLAGS (\\Flagged)" % (uid, self._random.choice(b"+-")))
        reader.command(b"NOOP")
        changed = b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d)" % modseq
        self._repeat("CONDSTORE, 10 changed", lambda: reader.command(changed))

        def resync() -> None:
            reader.command(b"UNSELECT")
            reader.command(b"SELECT INBOX (QRESYNC (%d %d))" % (validity, modseq))

        self._repeat("QRESYNC, 10 changed", resync)
        reader.logout()

    def _all(self, client: Client, uids: Sequence[int]) -> None:
        with self._measured("flags of all", "message", len(uids)):
            client.volume(b"UID FETCH 1:* (FLAGS)")
        for name, key in (("SEARCH SUBJECT", b'SUBJECT "Tuesday"'), ("SEARCH UNSEEN", b"UNSEEN")):
            with self._measured(name, "message", len(uids)):
                client.volume(b"UID SEARCH " + key)


def measure(server: MailServer, works: Sequence[MailboxWork], rounds: int) -> None:
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


def _messages(client: Client) -> int:
    """In INBOX."""
    return int(_found(rb"MESSAGES (\d+)", client.command(b"STATUS INBOX (MESSAGES)")))


def _uids(client: Client, key: bytes = b"ALL") -> list[int]:
    return [int(word) for word in _found(rb"\* SEARCH([ \d]*)", client.command(b"UID SEARCH " + key)).split()]


def _found(pattern: bytes, text: bytes) -> bytes:
    found = re.search(pattern, text)
    if found is None:
        raise Unexpected(f"no {pattern!r} in {text[:300]!r}")
    return found[1]
