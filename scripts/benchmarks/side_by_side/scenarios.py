"""What is asked of a mail server, and what it costs it: one method for each kind of work.

Every row is measured ``rounds`` times on one server; nothing is kept between servers but the corpus.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .client import Client, Unexpected
from .cost import memory, processor_seconds
from .rows import Row, Sample
from .servers import USER, Door, Server

SYNC = b"UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
THUNDERBIRD = (
    b"UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority "
    b"X-Priority References Newsgroups In-Reply-To Content-Type Reply-To Received)])"
)
IOS = (
    b"UID FETCH 1:* (INTERNALDATE UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (date subject from to cc message-id "
    b"in-reply-to references content-type x-priority x-uniform-type-identifier x-universally-unique-identifier "
    b"list-id list-unsubscribe bimi-indicator bimi-location x-bimi-indicator-hash authentication-results "
    b"dkim-signature)])"
)
APPENDED = 12_000
CHANGED = 100
BODIES, RESYNCS, SESSIONS, CHANGES, APPENDS, MOVES = 1_000, 50, 300, 1_000, 500, 300
"""How often in a round, in a mailbox that is large enough: so often that a server is warm for most of it. Of ours 200
SELECTs in a row took 133 us each, and 5,000 took 77."""


class Scenarios:
    """One server under load. :meth:`run` gives its rows, by name."""

    def __init__(self, server: Server, *, messages: int, rounds: int, idle: int, idle_users: list[str]) -> None:
        self._server = server
        self._context = server.context
        self._messages = messages
        self._rounds = rounds
        self._idle = idle
        self._idle_users = idle_users
        self._random = random.Random(7)
        self.rows: dict[str, Row] = {}

    def run(self, only: str = "") -> dict[str, Row]:
        """Measure everything whose method's name has ``only`` in it."""
        work: list[Callable[[], None]] = [
            self.first_search, self.first_sync, self.cold, self.reading, self.reading_in_the_clear, self.resync,
            self.logins, self.logins_of_others, self.changing, self.searching, self.idling,
        ]  # fmt: skip
        for one in work:
            if only in one.__name__:
                print(f"  {self._server.name}: {one.__name__.replace('_', ' ')}", flush=True)
                one()
        return self.rows

    @contextmanager
    def _measured(self, name: str, unit: str, units: float) -> Iterator[None]:
        before, began = processor_seconds(self._server.pid), time.perf_counter()
        yield
        took = time.perf_counter() - began
        spent = processor_seconds(self._server.pid) - before
        row = self.rows.setdefault(name, Row(name=name, unit=unit))
        row.samples.append(Sample(cost=spent * 1e6 / units, rate=units / took))

    def _client(self, user: str = USER, select: str = "INBOX") -> Client:
        client = Client(self._server.port, self._context)
        client.login(user)
        if select:
            client.command(f"SELECT {select}".encode())
        return client

    @contextmanager
    def _selected(self, mailbox: str = "INBOX") -> Iterator[Client]:
        client = self._client(select=mailbox)
        yield client
        client.logout()

    def _restart(self, door: Door = Door.USUAL) -> None:
        self._server.stop()
        self._server.start(door)

    # Before anything was read

    def first_search(self) -> None:
        with self._selected() as client:
            for name, key in (("SUBJECT", b'SUBJECT "Tuesday"'), ("FROM", b'FROM "yamada"'), ("TEXT", b"TEXT zebra")):
                with self._measured(f"SEARCH {name}, first", "search", 1):
                    client.command(b"UID SEARCH " + key)

    def first_sync(self) -> None:
        with self._selected() as client:
            for name, command in (("header sync", SYNC), ("Thunderbird's list", THUNDERBIRD), ("iOS's list", IOS)):
                with self._measured(f"{name}, first", "message", self._messages):
                    client.volume(command)

    def cold(self) -> None:
        for name, command in (("header sync", SYNC), ("Thunderbird's list", THUNDERBIRD)):
            for _ in range(self._rounds):
                self._restart()
                with self._selected() as client, self._measured(f"{name}, restarted", "message", self._messages):
                    client.volume(command)

    # Reading

    def reading(self) -> None:
        with self._selected() as client:
            uids = self._uids(client)
            for _ in range(self._rounds):
                for name, command in (("header sync", SYNC), ("Thunderbird's list", THUNDERBIRD), ("iOS's list", IOS)):
                    with self._measured(name, "message", self._messages):
                        client.volume(command)
                with self._measured("flags of all", "message", self._messages * 5):
                    for _ in range(5):
                        client.volume(b"UID FETCH 1:* (FLAGS)")
                chosen = self._random.choices(uids, k=min(BODIES, self._messages))
                with self._measured("one body", "body", len(chosen)):
                    for uid in chosen:
                        client.volume(b"UID FETCH %d (UID BODY.PEEK[])" % uid)
            self._bodies(client, "all bodies")

    def _bodies(self, client: Client, name: str) -> None:
        size = client.volume(b"UID FETCH 1:* (UID BODY.PEEK[])")
        for _ in range(self._rounds):
            with self._measured(name, "MB", size / 1e6):
                client.volume(b"UID FETCH 1:* (UID BODY.PEEK[])")

    def reading_in_the_clear(self) -> None:
        self._restart(Door.CLEAR)
        client = Client(self._server.clear_port, None)
        client.login(USER)
        client.command(b"SELECT INBOX")
        self._bodies(client, "all bodies, no TLS")
        client.logout()
        self._restart()

    def resync(self) -> None:
        with self._selected() as writer:
            offered = writer.command(b"CAPABILITY").upper()
            if b"CONDSTORE" not in offered:
                return
            uids = self._uids(writer)
            client = self._client(select="")
            quick = b"QRESYNC" in offered
            client.command(b"ENABLE QRESYNC" if quick else b"ENABLE CONDSTORE")
            for _ in range(self._rounds):
                told = client.command(b"SELECT INBOX")
                modseq = int(_found(rb"HIGHESTMODSEQ (\d+)", told))
                validity = int(_found(rb"UIDVALIDITY (\d+)", told))
                for uid in self._random.sample(uids, min(CHANGED, len(uids))):
                    writer.command(b"UID STORE %d %cFLAGS (\\Flagged)" % (uid, self._random.choice(b"+-")))
                changed = b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d)" % modseq
                again = b"SELECT INBOX (QRESYNC (%d %d 1:%d))" % (validity, modseq, uids[-1])
                client.command(b"NOOP")
                with self._measured("CONDSTORE, 100 changed", "resync", RESYNCS):
                    for _ in range(RESYNCS):
                        client.command(changed)
                if quick:
                    with self._measured("QRESYNC, 100 changed", "resync", RESYNCS):
                        for _ in range(RESYNCS):
                            client.command(b"UNSELECT")
                            client.command(again)
            client.logout()

    # Sessions

    def logins(self) -> None:
        context, port = self._context, self._server.port
        count = min(SESSIONS, self._messages // 10)
        with self._selected():
            # Somebody has the mailbox open, as the other connections of a client do.
            for _ in range(self._rounds):
                self._sessions("login, SELECT, LOGOUT", count)
                client = self._client()
                session = client.tls.session
                client.logout()
                resumed = 0
                with self._measured("the same, TLS resumed", "session", count):
                    for _ in range(count):
                        client = Client(port, context, session=session)
                        client.login(USER)
                        client.command(b"SELECT INBOX")
                        resumed += client.tls.session_reused or False
                        client.logout()
                if resumed < count * 0.9:
                    self.rows["the same, TLS resumed"].name = f"the same, TLS resumed ({resumed} of {count} only)"

    def logins_of_others(self) -> None:
        """The same beside servers that do it as many are installed; ours has one way."""
        for door, name, count in (
            (Door.HASHED, "the same beside bcrypt and no cache", 20),
            (Door.ALONE, "the same beside a process for each login", 100),
        ):
            self._restart(door)
            with self._selected():
                for _ in range(self._rounds):
                    self._sessions(name, count)
        self._restart()

    def _sessions(self, name: str, count: int) -> None:
        with self._measured(name, "session", count):
            for _ in range(count):
                self._client().logout()

    # Changes

    def changing(self) -> None:
        text, appends, moves = _plain(APPENDED), min(APPENDS, self._messages // 5), min(MOVES, self._messages // 10)
        with self._selected() as client:
            for _ in range(self._rounds):
                uids = self._random.sample(self._uids(client), min(CHANGES, self._messages // 4))
                with self._measured("STORE", "command", len(uids)):
                    for uid in uids:
                        client.command(b"UID STORE %d +FLAGS (\\Answered $Label1)" % uid)
                for uid in uids:
                    client.command(b"UID STORE %d -FLAGS.SILENT (\\Answered $Label1)" % uid)
                many = b",".join(b"%d" % uid for uid in sorted(uids))
                with self._measured("STORE of many", "message", len(uids)):
                    client.command(b"UID STORE %b +FLAGS.SILENT (\\Flagged)" % many)
                client.command(b"UID STORE %b -FLAGS.SILENT (\\Flagged)" % many)
                with self._measured("COPY", "command", len(uids)):
                    for uid in uids:
                        client.command(b"UID COPY %d Archive" % uid)
                with self._measured("APPEND 12 KB", "command", appends):
                    for _ in range(appends):
                        client.command(b"APPEND Trash", text)
        for _ in range(self._rounds):
            with self._selected() as client:
                uids = self._random.sample(self._uids(client), moves)
                with self._measured("MOVE", "command", len(uids)):
                    for uid in uids:
                        client.command(b"UID MOVE %d Archive" % uid)
        with self._selected("Archive") as client:
            # What was moved comes back, for the rows that follow.
            uids = self._uids(client)[-self._rounds * moves :]
            client.command(b"UID MOVE %d:%d INBOX" % (uids[0], uids[-1]))

    def searching(self) -> None:
        with self._selected() as client:
            for _ in range(self._rounds):
                for name, key, times in (
                    ("SUBJECT", b'SUBJECT "Tuesday"', 5), ("FROM", b'FROM "yamada"', 5), ("TEXT", b"TEXT zebra", 1),
                ):  # fmt: skip
                    with self._measured(f"SEARCH {name}", "search", times):
                        for _ in range(times):
                            client.command(b"UID SEARCH " + key)

    # Many who wait

    def idling(self) -> None:
        if not self._idle:
            return
        for user in self._idle_users:
            client = self._client(user)
            client.append_all((b"INBOX", _plain(2_000)) for _ in range(20))
            client.logout()
        self._restart()
        self._client(self._idle_users[0]).logout()
        server, users = self._server, self._idle_users
        before = memory(server.pid)
        clients: dict[str, list[Client]] = {user: [] for user in users}
        with self._measured("connect, sync and IDLE", "session", self._idle):
            for number in range(self._idle):
                user = users[number % len(users)]
                client = self._client(user)
                client.command(b"UID FETCH 1:* (UID FLAGS ENVELOPE)")
                client.send(b"IDLE")
                client.line()
                clients[user].append(client)
        each = (memory(server.pid) - before) / self._idle
        self.rows["memory of an idle session"] = Row(
            name="memory of an idle session", unit="KiB", samples=[Sample(cost=each / 1024, rate=0.0)]
        )
        delays = []
        for user in users[:10]:
            writer = self._client(user, select="")
            began = time.perf_counter()
            writer.command(b"APPEND INBOX", _plain(2_000))
            watcher = clients[user][0]
            while not watcher.line().endswith(b"EXISTS"):
                pass
            delays.append((time.perf_counter() - began) * 1e6)
            writer.logout()
        self.rows["delivery until EXISTS"] = Row(
            name="delivery until EXISTS", unit="elapsed", samples=[Sample(cost=one, rate=0.0) for one in delays]
        )
        for waiting in clients.values():
            for client in waiting:
                client.close()

    def _uids(self, client: Client) -> list[int]:
        answer = client.command(b"UID SEARCH ALL")
        uids = [int(word) for word in _found(rb"\* SEARCH([ \d]*)\r\n", answer).split()]
        if not uids:
            raise Unexpected("the mailbox is empty")
        return uids


def _found(pattern: bytes, text: bytes) -> bytes:
    found = re.search(pattern, text)
    if found is None:
        raise Unexpected(f"no {pattern!r} in {text[:300]!r}")
    return found[1]


def _plain(octets: int) -> bytes:
    """A plain message of about that size."""
    head = b"From: Bob <bob@example.org>\r\nTo: ann@example.test\r\nSubject: a plain message\r\n"
    head += b"Message-ID: <%d@example.org>\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n\r\n" % time.perf_counter_ns()
    line = b"ordinary words of an ordinary message, line after line of them\r\n"
    return head + line * ((octets - len(head)) // len(line) + 1)
