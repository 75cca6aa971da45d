"""Mail coming in, and what it costs a server until it is in a mailbox or with the sink: a row for each way of coming.

Every row is measured ``rounds`` times. Nothing is believed: at the end IMAP is asked for the number of messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .cost import disk, processor_seconds
from .mail_servers import DOMAINS, KEPT, LOCAL, RELAYED, MailServer
from .rows import Row, Sample
from .sink import Sink
from .smtp_load import Sender

USERS = 20
_WARM_UP = 60
_WITHIN = 120.0
_LOOK = 0.005
_SETTLE = 0.1
"""Seconds for what a server does after the last message, such as to forget it; nothing a second while it idles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How mail comes: over so many ``connections``, a new one after ``each`` messages (0: never), to ``domain``.

    ``share`` of the usual number of messages is sent: fewer where they come slowly.
    """

    name: str
    domain: str = LOCAL
    starttls: bool = False
    connections: int = 10
    each: int = 0
    share: float = 1.0


WAYS = (
    Way(name="SMTP, 1 connection", connections=1, share=0.3),
    Way(name="SMTP, 10 connections"),
    Way(name="SMTP, 50 connections", connections=50),
    Way(name="STARTTLS, 1 connection", starttls=True, connections=1, share=0.3),
    Way(name="STARTTLS, 10 connections", starttls=True),
    Way(name="STARTTLS, 50 connections", starttls=True, connections=50),
    Way(name="SMTP, a connection a message", each=1, share=0.5),
    Way(name="STARTTLS, a connection a message", starttls=True, each=1, share=0.5),
    Way(name="relayed, 10 connections", domain=RELAYED, share=0.5),
    Way(name="relayed and a copy kept", domain=KEPT, share=0.5),
)
DISK = "disk for a message"


class Arriving:
    """One running server under load. :meth:`run` gives its rows, by name."""

    def __init__(
        self,
        server: MailServer,
        sink: Sink,
        corpus: Sequence[bytes],
        *,
        messages: int,
        rounds: int,
        users: Sequence[str],
    ) -> None:
        self._server = server
        self._sink = sink
        self._messages = messages
        self._rounds = rounds
        self._users = users
        self._plain = Sender(server.port, corpus, tls=None)
        self._starttls = Sender(server.port, corpus, tls=server.context)
        self._sent = dict.fromkeys(DOMAINS, 0)
        self.rows: dict[str, Row] = {}

    def run(self, only: str = "") -> dict[str, Row]:
        """Measure every way with ``only`` in its name; RuntimeError when mail is missing, or more than was sent."""
        for way in WAYS:
            if only in way.name:
                print(f"  {self._server.name}: {way.name}", flush=True)
                self._measure(way)
        if DISK in self.rows:
            self.rows[DISK] = self.rows.pop(DISK)
        kept = sum(self._server.kept(user) for user in self._users)
        expected = sum(self._sent[domain] for domain in self._server.keeps)
        if kept != expected:
            raise RuntimeError(f"{self._server.name}: {kept} messages in mailboxes instead of {expected}")
        return self.rows

    def _measure(self, way: Way) -> None:
        # Processes that come up for it, caches, recipients that are met for the first time.
        self._deliver(way, min(_WARM_UP, self._messages))
        count = max(way.connections, round(self._messages * way.share))
        row = self.rows.setdefault(way.name, Row(name=way.name, unit="message"))
        for _ in range(self._rounds):
            stored, before = disk(self._server.storage), processor_seconds(*self._server.roots)
            took = self._deliver(way, count)
            spent = processor_seconds(*self._server.roots) - before
            row.samples.append(Sample(cost=spent * 1e6 / count, rate=count / took))
            if way.domain == LOCAL and way.connections == 10 and not way.each:
                grown = disk(self._server.storage) - stored
                found = self.rows.setdefault(DISK, Row(name=DISK, unit="KiB"))
                found.samples.append(Sample(cost=grown / count / 1024, rate=0.0))

    def _deliver(self, way: Way, count: int) -> float:
        """Seconds until all is where it should be."""
        sink = self._sink.taken + (0 if way.domain == LOCAL else count)
        recipients = [f"{user}@{way.domain}" for user in self._users]
        sender = self._starttls if way.starttls else self._plain
        began = time.perf_counter()
        sender.send(count, recipients, connections=way.connections, each=way.each)
        self._sent[way.domain] += count
        self._wait(lambda: self._sink.taken >= sink and self._server.settled())
        took = time.perf_counter() - began
        time.sleep(_SETTLE)
        return took

    def _wait(self, there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _WITHIN
        while not there():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self._server.name}: mail is still on its way after {_WITHIN:.0f} s")
            time.sleep(_LOOK)
